import { COST_KINDS, TOKEN_KINDS } from '../vocabulary.ts';
import type {
  Attempt,
  Attribution,
  BatchOutcome,
  Cost,
  CostKind,
  Outcome,
  RetryDenial,
  TokenKind,
  Tokens,
} from '../vocabulary.ts';
import type { AttributionLabels } from './attribution.ts';
import { statusLabel } from './labels.ts';
import { ModelSeries } from './model-series.ts';
import { resolvedOnce } from './resolved-once.ts';
import type { CounterSeries, GaugeSeries, HistogramSeries, MoneySeries } from './series.ts';
import type { Store } from './store.ts';

/** What most metrics of calls are told apart by. */
export interface CallLabels {
  readonly operation: string;
  readonly model: string;
  readonly key: string;
}

/** Statuses whose first appearance an alert must see. */
const BORN_STATUSES = ['200', '400', '429', '500', '529', 'timeout', 'connection_error', 'cancelled'] as const;

/** The series of one operation, model and key. Making one bears its ◇ series. */
export class OperationSeries {
  readonly attempts: (status: Attempt['status']) => CounterSeries;
  readonly duration: (outcome: Outcome) => HistogramSeries;

  constructor({ families }: Store, labels: CallLabels) {
    const attempts = families.anthropic_attempts_total;
    this.attempts = resolvedOnce((status) => attempts.series({ ...labels, status: statusLabel(status) }));
    this.duration = resolvedOnce((outcome) =>
      families.anthropic_request_duration_seconds.series({ ...labels, outcome }),
    );
    for (const status of BORN_STATUSES) attempts.series({ ...labels, status }).bear();
  }
}

/** The series of one operation, model, key and combination of attribution values. */
export class AttributedSeries {
  readonly requests: (outcome: Outcome) => CounterSeries;
  readonly stopReasons: (reason: string) => CounterSeries;
  readonly #tokens: (kind: TokenKind) => CounterSeries;
  readonly #cost: (kind: CostKind) => MoneySeries;

  constructor({ families }: Store, labels: CallLabels, attribution: Attribution) {
    this.requests = resolvedOnce((outcome) =>
      families.anthropic_requests_total.series({ ...labels, outcome }, attribution),
    );
    this.stopReasons = resolvedOnce((stop_reason) =>
      families.anthropic_stop_reasons_total.series({ ...labels, stop_reason }, attribution),
    );
    this.#tokens = resolvedOnce((kind) => families.anthropic_tokens_total.series({ ...labels, kind }, attribution));
    this.#cost = resolvedOnce((kind) => families.anthropic_cost_usd_total.series({ ...labels, kind }, attribution));
  }

  /** Kinds of which there were none are not shown. */
  addTokens(tokens: Tokens): void {
    for (const kind of TOKEN_KINDS) {
      const count = tokens[kind];
      if (count !== 0) this.#tokens(kind).add(count);
    }
  }

  /** Kinds that cost nothing are not shown. */
  addCost(cost: Cost): void {
    for (const kind of COST_KINDS) {
      const nanoUsd = cost[kind];
      if (nanoUsd !== 0) this.#cost(kind).addNanoUsd(nanoUsd);
    }
  }
}

/** All series that calls feed, by label values, each made when it is first asked for. */
export interface ResolvedSeries {
  readonly inFlight: (operation: string) => (key: string) => GaugeSeries;
  readonly retriesDenied: (key: string) => (reason: RetryDenial) => CounterSeries;
  readonly fallbacks: (key: string) => (model: string) => (fallbackModel: string) => CounterSeries;
  readonly batchResults: (key: string) => (model: string) => (result: BatchOutcome) => CounterSeries;
  readonly ofModel: (key: string) => (model: string) => ModelSeries;
  readonly ofOperation: (operation: string) => (key: string) => (model: string) => OperationSeries;
  readonly attributed: (
    operation: string,
  ) => (key: string) => (model: string) => (values: readonly string[]) => AttributedSeries;
}

/** The label values asked for must be bounded: what was asked for once is kept. */
export function resolvedSeries(store: Store, attribution: AttributionLabels): ResolvedSeries {
  const inFlight = store.families.anthropic_requests_in_flight;
  const denied = store.families.anthropic_retries_denied_total;
  const fallbacks = store.families.anthropic_model_fallbacks_total;
  const results = store.families.anthropic_batch_results_total;
  const byCall = <Thing>(make: (labels: CallLabels) => Thing) =>
    resolvedOnce((operation: string) =>
      resolvedOnce((key: string) => resolvedOnce((model: string) => make({ operation, key, model }))),
    );
  return {
    inFlight: resolvedOnce((operation) => resolvedOnce((key) => inFlight.series({ operation, key }))),
    retriesDenied: resolvedOnce((key) => resolvedOnce((reason) => denied.series({ key, reason }))),
    fallbacks: resolvedOnce((key) =>
      resolvedOnce((model) => resolvedOnce((fallback_model) => fallbacks.series({ model, fallback_model, key }))),
    ),
    batchResults: resolvedOnce((key) =>
      resolvedOnce((model) => resolvedOnce((result) => results.series({ model, key, result }))),
    ),
    ofModel: resolvedOnce((key) => resolvedOnce((model) => new ModelSeries(store, { model, key }))),
    ofOperation: byCall((labels) => new OperationSeries(store, labels)),
    attributed: byCall((labels) => attribution.resolvedOnce((values) => new AttributedSeries(store, labels, values))),
  };
}
