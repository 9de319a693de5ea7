import type { MetricRegistry } from '../../src/record/metrics/registry.ts';
import { Tally, type Cells } from './cells.ts';

/** What plimsoll's metrics say. */
export interface MetricAccount {
  readonly cells: Cells;
  /** Estimates: what has no other side to be equal to. */
  readonly estimated: Cells;
  readonly inFlight: number;
  /** Errors that were swallowed, by stage. */
  readonly errors: Cells;
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The name of a cell, the metric that it is read from, and the labels that it keeps; the others are summed over. */
const READ: readonly (readonly [cell: string, metric: string, labels: readonly string[]])[] = [
  ['requests', 'anthropic_requests_total', ['model', 'operation', 'outcome']],
  ['attempts', 'anthropic_attempts_total', ['model', 'operation', 'status']],
  ['rate_limited', 'anthropic_rate_limited_total', ['model', 'reason']],
  ['spend_limited', 'anthropic_spend_limited_total', ['model', 'scope']],
  ['overloaded', 'anthropic_overloaded_total', ['model']],
  ['retries', 'anthropic_retries_total', ['model', 'reason']],
  ['tokens', 'anthropic_tokens_total', ['model', 'kind']],
  ['thinking_tokens', 'anthropic_thinking_tokens_total', ['model']],
  ['server_tool_uses', 'anthropic_server_tool_uses_total', ['model', 'tool']],
  ['batch_results', 'anthropic_batch_results_total', ['model', 'result', 'error']],
  ['stop_reasons', 'anthropic_stop_reasons_total', ['model', 'operation', 'stop_reason']],
  ['refusals', 'anthropic_refusals_total', ['model', 'category', 'billing']],
  ['fallbacks', 'anthropic_model_fallbacks_total', ['model', 'fallback_model', 'by']],
  ['cache_misses', 'anthropic_cache_misses_total', ['model', 'reason']],
  ['cache_missed_tokens', 'anthropic_cache_missed_tokens_total', ['model', 'reason']],
  ['doubts', 'anthropic_uncertain_costs_total', ['model', 'doubt']],
  ['unpriced', 'anthropic_unpriced_requests_total', ['model']],
  ['nano_usd', 'anthropic_cost_usd_total', ['model', 'kind']],
];

/** Kinds that nobody can know to the token. */
const ESTIMATED: ReadonlySet<string | undefined> = new Set(['output_estimated', 'input_estimated']);

/** Reads a registry as a scrape would. */
export async function metricAccount(registry: MetricRegistry): Promise<MetricAccount> {
  const metrics = (await registry.getMetricsAsJSON()) as readonly { name: string; values: readonly Sample[] }[];
  const samples = (name: string): readonly Sample[] => metrics.find((metric) => metric.name === name)?.values ?? [];
  const tally = new Tally();
  const estimated = new Tally();
  for (const [cell, metric, kept] of READ) {
    for (const { labels, value } of samples(metric)) {
      const shown = Object.fromEntries(kept.map((label) => [label, labels[label] ?? '']));
      const into = ESTIMATED.has(labels['kind']) ? estimated : tally;
      into.add(cell, shown, cell === 'nano_usd' ? nanoUsd(value) : value);
    }
  }
  const errors = new Tally();
  for (const { labels, value } of samples('plimsoll_errors_total')) errors.add('errors', labels, value);
  const inFlight = samples('anthropic_requests_in_flight').reduce((sum, { value }) => sum + value, 0);
  return { cells: tally.cells, estimated: estimated.cells, inFlight, errors: errors.cells };
}

/** Exact up to some millions of dollars: the metric is the double that is nearest to whole nano-dollars. */
function nanoUsd(usd: number): number {
  return Math.round(usd * 1e9);
}
