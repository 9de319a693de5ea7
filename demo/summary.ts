import { count, seconds, usd } from './format.ts';
import type { Samples } from './samples.ts';

const WIDTH = 80;

/** The head of the table that `summaryLine` prints. */
export const SUMMARY_HEAD = line('time', ['calls', '429s', 'retries', 'p95', 'tokens', 'cost'], ['429s by reason']);

/** A line of at most 80 columns from the difference between two scrapes; reasons that find no room stand on the next. */
export function summaryLine(time: string, happened: Samples): string {
  const reasons = [...happened.by('reason', 'anthropic_rate_limited_total')];
  return line(
    time,
    [
      count(happened.total('anthropic_requests_total')),
      count(happened.total('anthropic_rate_limited_total')),
      count(happened.total('anthropic_retries_total')),
      seconds(happened.quantile(0.95, 'anthropic_request_duration_seconds')),
      count(happened.total('anthropic_tokens_total')),
      usd(happened.total('anthropic_cost_usd_total')),
    ],
    reasons.map(([reason, times]) => `${reason} ${times}`),
  );
}

/** The spend of each budget and of the tier's cap, in lines of at most 80 columns. */
export function budgetsLine(now: Samples): string {
  const budgets = [...now.by('budget', 'anthropic_budget_limit_usd')].map(([budget, limit]) => {
    const spent = now.total('anthropic_budget_spent_usd', { budget });
    return `${budget} ${percent(spent / limit)}`;
  });
  const tiers = [...now.by('tier', 'anthropic_tier_info', { source: 'config' }).keys()].map(
    (tier) => `tier ${tier} ${percent(now.total('anthropic_tier_progress_ratio'))} of cap`,
  );
  return joined('budgets   ', [...budgets, ...tiers]);
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(0)}%`;
}

/** Items behind a head, with commas; those that find no room go on below the first. */
function joined(head: string, items: readonly string[]): string {
  const lines = [head];
  for (const [index, item] of items.entries()) {
    const text = index === items.length - 1 ? item : `${item},`;
    const last = lines.at(-1) ?? '';
    const isFirst = last.length <= head.length;
    if (isFirst || last.length + 1 + text.length <= WIDTH)
      lines[lines.length - 1] = `${last}${isFirst ? '' : ' '}${text}`;
    else lines.push(`${' '.repeat(head.length)}${text}`);
  }
  return lines.join('\n').trimEnd();
}

function line(time: string, columns: readonly string[], last: readonly string[]): string {
  const widths = [6, 6, 8, 8, 8, 10];
  const figures = columns.map((column, index) => column.padStart(widths[index] ?? 0)).join('');
  return joined(`${time.padEnd(8)}${figures}  `, last);
}
