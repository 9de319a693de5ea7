import type { BudgetView, LimitView, Numbers, View } from '../console/view.ts';
import { count, percent, usd } from '../figures.ts';
import type { Line } from './terminal.ts';

const MOST_ADVICE = 4;

const MOST_ROWS = 8;

const MODES: ReadonlyMap<string, string> = new Map([
  ['block', 'refuses'],
  ['warn', 'warns'],
  ['observe', 'counts'],
]);

/** The live page in lines, what matters most first. They fit 80 columns. */
export function topFrame(view: View): readonly Line[] {
  return [
    { text: headOf(view), tone: 'bold' },
    ...view.replicas.flatMap(silentLine),
    ...forgottenLine(view),
    ...adviceLines(view),
    { text: '' },
    ...numberLines(view.numbers),
    { text: `429s by reason  ${reasonsOf(view)}` },
    ...limitLines(view.limits),
    ...budgetLines(view.budgets),
    ...tableLines(view),
  ];
}

const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 19);

function headOf({ name, atMs, rangeSeconds, replicas }: View): string {
  const answering = replicas.filter(({ trouble }) => trouble === null).length;
  return `${name}  ${clock(atMs)} UTC  last ${rangeSeconds / 60} min  ${answering} of ${replicas.length} ${replicas.length === 1 ? 'replica' : 'replicas'}`;
}

function silentLine({ name, seenAtMs, trouble }: View['replicas'][number]): readonly Line[] {
  if (trouble === null) return [];
  const since = seenAtMs === null ? '' : `, silent since ${clock(seenAtMs)}: its last numbers count`;
  return [{ text: `${name}: got ${trouble}${since}`, tone: 'warning' }];
}

function forgottenLine({ forgottenSeries }: View): readonly Line[] {
  if (forgottenSeries === 0) return [];
  return [{ text: `${count(forgottenSeries)} series came and went: do labels have ids in them?`, tone: 'dim' }];
}

function adviceLines({ advice, numbers }: View): readonly Line[] {
  if (advice.length === 0)
    return [{ text: numbers.calls === 0 ? 'No call has been seen yet.' : 'Nothing to do.', tone: 'dim' }];
  return advice.slice(0, MOST_ADVICE).map(({ severity, text }) => ({
    text: `${severity.toUpperCase().padEnd(9)}${text}`,
    tone: severity === 'critical' ? 'bad' : severity === 'warning' ? 'warning' : 'dim',
  }));
}

const seconds = (value: number): string => `${value >= 10 ? value.toFixed(1) : value.toFixed(2)} s`;

function numberLines(numbers: Numbers): readonly Line[] {
  const { calls, ok, failed, attempts, rateLimited, retries, waitSeconds, latency, firstToken, costUsd } = numbers;
  const success = ok + failed === 0 ? '–' : percent(ok / (ok + failed));
  const share = attempts === 0 ? '' : ` (${percent(rateLimited / attempts)} of attempts)`;
  const pace = numbers.costUsdPerHour === null ? '' : `, ${usd(numbers.costUsdPerHour)} an hour`;
  const quantiles = (of: Numbers['latency']): string =>
    of === null ? 'too few' : `${seconds(of.p50)} / ${seconds(of.p95)}`;
  return [
    { text: `calls ${count(calls)}  success ${success}  failed ${count(failed)}  429s ${count(rateLimited)}${share}` },
    { text: `p50 / p95: latency ${quantiles(latency)}  first token ${quantiles(firstToken)}` },
    { text: `cost ${usd(costUsd)}${pace}  retries ${count(retries)}, ${seconds(waitSeconds)} waited` },
  ];
}

function reasonsOf({ charts }: View): string {
  const totals = Object.entries(charts.rateLimited).map(
    ([reason, row]) => `${reason} ${count(row.reduce<number>((sum, value) => sum + (value ?? 0), 0))}`,
  );
  return totals.length === 0 ? 'none' : totals.join(', ');
}

const BAR = 16;

/** `[######----------]` */
function bar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}]`;
}

/** The limits with the least left, first. */
function limitLines(limits: readonly LimitView[]): readonly Line[] {
  const left = ({ remaining, limit }: LimitView): number => (limit > 0 ? remaining / limit : 0);
  const rows = limits.toSorted((one, other) => left(one) - left(other)).slice(0, MOST_ROWS);
  if (rows.length === 0) return [];
  return [
    { text: '' },
    { text: 'rate limits: what is left', tone: 'dim' },
    ...rows.map((one): Line => {
      const text = `${one.modelClass.padEnd(11)} ${one.dimension.padEnd(14)} ${bar(left(one))}`;
      const line = `${text} ${count(one.remaining)} of ${count(one.limit)}`;
      return left(one) < 0.1 ? { text: line, tone: 'bad' } : { text: line };
    }),
  ];
}

function budgetLines(budgets: readonly BudgetView[]): readonly Line[] {
  if (budgets.length === 0) return [];
  return [
    { text: '' },
    { text: 'budgets', tone: 'dim' },
    ...budgets.slice(0, MOST_ROWS).map((budget): Line => {
      const { name, limitUsd, spentUsd, expectedUsd, period, mode, blocked } = budget;
      const used = limitUsd > 0 ? spentUsd / limitUsd : 1;
      const kind = mode === null ? '' : (MODES.get(mode) ?? mode);
      const ends = expectedUsd === null ? '' : `, ends at ${usd(expectedUsd)}`;
      const text = `${name.slice(0, 16).padEnd(17)} ${kind.padEnd(8)} ${bar(used)} ${usd(spentUsd)} of ${usd(limitUsd)} a ${period}${ends}`;
      const isOver = used >= 1 || blocked > 0 || (expectedUsd ?? 0) > limitUsd;
      return isOver ? { text, tone: 'warning' } : { text };
    }),
  ];
}

function tableLines({ table }: View): readonly Line[] {
  if (table.rows.length === 0) return [];
  const line = (cells: readonly string[]): string =>
    cells.map((cell, index) => (index === 0 ? cell.slice(0, 28).padEnd(30) : cell.padStart(12))).join('');
  return [
    { text: '' },
    { text: line([table.by, 'cost', 'calls', 'success', 'tokens']), tone: 'dim' },
    ...table.rows.slice(0, MOST_ROWS).map(({ value, costUsd, calls, ok, failed, tokens }): Line => {
      const success = ok + failed === 0 ? '–' : percent(ok / (ok + failed));
      return { text: line([value === '' ? '(none)' : value, usd(costUsd), count(calls), success, count(tokens)]) };
    }),
  ];
}
