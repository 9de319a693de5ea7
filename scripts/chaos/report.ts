import { unmet, type Cells } from './cells.ts';
import type { ChaosReport } from './chaos.ts';
import { FAULT_NAMES } from './faults.ts';

/** So many of the calls must come to what their caller wanted: chaos, not an outage. */
const COMPLETED = 0.7;

/** Label values that a run of some thousand calls must meet, or it would prove nothing of them. */
const EXPECTED: readonly string[] = [
  ...of('requests outcome', [
    'ok rate_limited spend_limited overloaded server_error timeout connection_error invalid_request unauthorized',
    'not_found too_large out_of_credit payment_required cancelled stream_error truncated',
  ]),
  ...of('requests operation', ['messages.create messages.stream messages.count_tokens messages.batches.results']),
  ...of('attempts status', [
    '200 400 401 402 403 404 408 409 413 418 429 500 503 504 529 timeout connection_error cancelled',
  ]),
  ...of('rate_limited reason', [
    'requests input_tokens output_tokens tokens fast_mode acceleration concurrency prompt_too_large long_context spend_limit contract_spend_limit unknown',
  ]),
  ...of('spend_limited scope', [
    'tier contract organization workspace linked_organization account gateway credit billing',
  ]),
  ...of('retries reason', [
    'rate_limited spend_limited overloaded server_error timeout connection_error invalid_request',
  ]),
  ...of('tokens kind', ['input cache_read cache_write_5m cache_write_1h output']),
  ...of('nano_usd kind', ['input cache_read cache_write_5m cache_write_1h output server_tools']),
  ...of('server_tool_uses tool', ['web_search web_fetch']),
  ...of('batch_results result', ['succeeded errored canceled']),
  ...of('batch_results error', ['overloaded']),
  ...of('stop_reasons stop_reason', ['end_turn tool_use refusal']),
  ...of('stop_reasons operation', ['messages.create messages.stream messages.batches.results']),
  ...of('refusals category', ['cyber bio frontier_llm general_harms none unstated other']),
  ...of('refusals billing', ['billed free unsure']),
  ...of('fallbacks by', ['server']),
  ...of('cache_misses reason', ['tools_changed']),
  ...of('doubts doubt', ['refusal prompt_band cache_split']),
  'unpriced model=claude-heard-of-by-nobody',
];

function of(nameAndLabel: string, values: readonly string[]): readonly string[] {
  return values.flatMap((line) => line.split(' ')).map((value) => `${nameAndLabel}=${value}`);
}

/** What keeps a run from proving what it is there to prove, though all numbers be equal. */
export function shortcomings({ calls, completed, faults, cells, errors }: ChaosReport): readonly string[] {
  return [
    ...FAULT_NAMES.filter((name) => !faults.has(name)).map((name) => `the fault ${name} never happened`),
    ...unmet(cells, EXPECTED).map((value) => `${value} was never counted`),
    ...(completed < COMPLETED * calls ? [`only ${completed} of ${calls} calls completed`] : []),
    ...[...errors.keys()].filter((cell) => cell !== 'errors{stage=body}').map((cell) => `plimsoll failed: ${cell}`),
  ];
}

/** The report as text. */
export function printed(report: ChaosReport, seconds: number): string {
  const { calls, completed, faults, cells, differences, unseen, estimated, errors } = report;
  const short = shortcomings(report);
  return [
    section('Faults', faults),
    section('Billed, and never told to the client', unseen),
    section('Estimated by plimsoll', estimated),
    section('Swallowed by plimsoll', errors),
    ...differences.map(({ cell, truth, plimsoll }) => `DIFFERENT  ${cell}  truth ${truth}  plimsoll ${plimsoll}`),
    ...short.map((text) => `MISSING  ${text}`),
    `${calls} calls in ${seconds.toFixed(1)} s, ${completed} completed (${((100 * completed) / calls).toFixed(1)}%)`,
    `${sum(faults)} faults of ${faults.size} kinds; ${cells.size} cells compared, ${differences.length} different`,
  ].join('\n');
}

function section(title: string, numbers: Cells): string {
  const lines = [...numbers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `  ${name}  ${count}`);
  return `${title}\n${lines.join('\n')}\n`;
}

function sum(numbers: Cells): number {
  return [...numbers.values()].reduce((total, each) => total + each, 0);
}
