import type { TracerProvider } from '@opentelemetry/api';
import type { OnLedgerDown } from '../budget/budget.ts';
import { systemClock } from '../clock.ts';
import { serviceVersion } from '../environment/service-version.ts';
import { KnownBatches } from '../observe/known-batches.ts';
import type { Observation } from '../observe/observation.ts';
import { cost } from '../pricing/cost.ts';
import { defaultPrices } from '../pricing/prices.ts';
import { monthBudgets, recordBudgets } from '../record/budgets.ts';
import { recordBuild, recordPrices, recordService } from '../record/facts.ts';
import { defaultRegistry, storeFor } from '../record/metrics/registry.ts';
import type { Store } from '../record/metrics/store.ts';
import { recordPace } from '../record/pace.ts';
import { spanRecorder } from '../record/otel/spans.ts';
import { prometheusRecorder } from '../record/prometheus.ts';
import { organizationTier } from '../record/tier.ts';
import { routeOf } from '../routing/routes.ts';
import type { Guard } from '../decisions.ts';
import type { Attribution, Recorder } from '../vocabulary.ts';
import { ambientAttribution } from './attribution.ts';
import { configuredModels, type InstrumentOptions } from './options.ts';

/** Settings that are not options of `instrument()`. */
interface Setting {
  /** Aliases of the API keys whose series start at zero. */
  readonly keys: readonly string[];
  /** Makes the spans. Default: the registered provider. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** For budgets that do not say what becomes of calls while their ledger does not answer. Default: `bounded`. */
  readonly onLedgerDown?: OnLedgerDown;
}

/**
 * Makes the surroundings of calls from options that have been checked: recorders, guards, clock and prices. Throws a
 * `ConfigurationError` (`PLIMSOLL_METRIC_NAME_TAKEN`) where the registry has other metrics of plimsoll's names.
 */
export function observation(options: InstrumentOptions, { keys, tracerProvider, onLedgerDown }: Setting): Observation {
  const { clock = systemClock, key = 'default', prices = defaultPrices() } = options;
  const registry = options.registry ?? defaultRegistry();
  const store = storeFor(registry);
  const onError: Observation['onError'] = (stage) => store.errors(stage);
  const spans = spanRecorder({ attribution: Object.keys(options.attribution ?? {}), tracerProvider, clock });
  const labels = {
    keys,
    models: options.models ?? configuredModels(process.env),
    knownModels: prices.knownModels,
    canonicalModel: (model: string) => prices.canonicalModel(model),
  };
  const { attribution = {}, budgets, pace, tier } = options;
  const facts = { ...tier, ...(budgets && monthBudgets(budgets)) };
  recordBuild(store, () => clock.epochMs());
  recordService(store, serviceVersion(process.env, options.serviceVersion));
  const onUnpriced = recordPrices(store, prices, () => clock.epochMs());
  const metrics = prometheusRecorder({ ...labels, registry, clock, attribution, tier: facts, onUnpriced });
  return {
    clock,
    key,
    onError,
    guards: [...ceilingsOf(options, store), ...(options.guards ?? [])],
    // What waits for its turn reserves no money.
    spendGuards: [
      pace?.attach({
        canonicalModel: labels.canonicalModel,
        listener: recordPace(store, pace),
        organizationLimit: (modelClass, dimension) =>
          organizationTier(store, facts.organization)?.booksLimit(modelClass, dimension) ?? 0,
      }),
      budgets?.attach({ prices, onLedgerDown, listener: recordBudgets(store, budgets) }),
    ].filter((guard) => guard !== undefined),
    retry: options.retry,
    recorders: [spans, metrics, ...(options.recorders ?? []), ...onCallRecorder(options, store)],
    attribution: attributionOf(options, () => store.errors('attribution')),
    price: (usage, { model, atMs, endpoint }) => cost(usage, { prices, model, atMs, endpoint }),
    batchPrice: (usage, model, atMs) => cost(usage, { prices, model, atMs, batch: true }),
    batches: batchesOf(store),
  };
}

const batchesByStore = new WeakMap<Store, KnownBatches>();

/** Shared by all clients that feed the same metrics: a result that one has read is not counted again for another. */
function batchesOf(store: Store): KnownBatches {
  const known = batchesByStore.get(store) ?? new KnownBatches();
  batchesByStore.set(store, known);
  return known;
}

/** A promise of the callback is not waited for; its rejection is counted as a throw is. */
function onCallRecorder({ onCall }: InstrumentOptions, store: Store): readonly Recorder[] {
  if (onCall === undefined) return [];
  const failed = (): void => store.errors('on_call');
  return [
    {
      started: (call) => ({
        finished() {
          try {
            void Promise.resolve(onCall(call)).catch(failed);
          } catch {
            failed();
          }
        },
      }),
    },
  ];
}

/** First of the guards: the budgets then reserve for what is sent. */
function ceilingsOf({ routes, key = 'default' }: InstrumentOptions, { families }: Store): readonly Guard[] {
  const decisions = families.anthropic_max_tokens_decisions_total;
  return routes === undefined
    ? []
    : [routes.guard((route, decision) => decisions.series({ route, key, decision }).add(1))];
}

const NO_LABELS: Attribution = Object.freeze({});

/** The labels nearest to a call win: those of its parameters, then those around it, then the client's. */
function attributionOf(
  { labels = NO_LABELS, routes }: InstrumentOptions,
  onError: () => void,
): Observation['attribution'] {
  return (body) => {
    const ambient = ambientAttribution(onError);
    const route = routes === undefined ? undefined : routeOf(body);
    if (ambient === undefined && route === undefined) return labels;
    return { ...labels, ...ambient, ...(route !== undefined && { route }) };
  };
}
