import type {
  BillView,
  BudgetView,
  CacheView,
  CreditView,
  LimitView,
  PaceView,
  TierView,
  View,
} from '../src/console/view.ts';
import { bar } from './bar.ts';
import { byId, element, foreign, showEmpty, updateRows } from './dom.ts';
import { compact, cut, day, percent, seconds, until, usd, whole } from './format.ts';

const OLD_MS = 5 * 60_000;

export function showLimits(view: View): void {
  const list = byId('limits');
  if (view.limits.length === 0) return showEmpty(list, 'No response has shown a limit yet.');
  const groups = [...new Set(view.limits.map(groupOf))];
  const items = groups.flatMap((group): (string | LimitView)[] => [
    group,
    ...view.limits.filter((one) => groupOf(one) === group),
  ]);
  updateRows(list, items, {
    id: (item) => (typeof item === 'string' ? `group ${item}` : `${groupOf(item)} ${item.dimension}`),
    make: (item) =>
      typeof item === 'string' ? element('li', { class: 'group' }, foreign(item)) : limitRow(item, view.atMs),
  });
}

function groupOf({ key, modelClass }: LimitView): string {
  return `${modelClass} · ${key}`;
}

function limitRow(
  { dimension, limit, remaining, lowest, resetAtMs, observedAtMs }: LimitView,
  nowMs: number,
): HTMLElement {
  const left = limit > 0 ? remaining / limit : 0;
  const isOld = observedAtMs !== null && nowMs - observedAtMs > OLD_MS;
  const full = resetAtMs === null || resetAtMs <= nowMs ? 'full' : `full in ${until(resetAtMs - nowMs)}`;
  const when = isOld ? `seen ${until(nowMs - observedAtMs)} ago` : full;
  const text = `${compact(remaining)} of ${compact(limit)}`;
  const kind = isOld ? 'value old' : left < 0.1 ? 'value critical' : left < 0.25 ? 'value warning' : 'value';
  const marks =
    lowest === null || limit <= 0
      ? []
      : [{ from: lowest / limit, to: 0, kind: lowest / limit < 0.1 ? 'mark low critical' : 'mark low' }];
  return element(
    'li',
    { class: 'limit' },
    element('span', {}, dimension),
    bar(`${dimension}: ${text} left, ${when}`, [{ from: 0, to: left, kind }, ...marks]),
    element('b', {}, text),
    element('small', {}, when),
  );
}

export function showBudgets({ budgets }: View): void {
  const list = byId('budgets');
  if (budgets.length === 0) return showEmpty(list, 'No budget is set.');
  updateRows(list, budgets, { id: ({ name, period, scope }) => `${name} ${period} ${scope}`, make: budgetRow });
}

const MODES: ReadonlyMap<string, string> = new Map([
  ['block', 'refuses'],
  ['warn', 'warns'],
  ['observe', 'counts'],
]);

function budgetRow(budget: BudgetView): HTMLElement {
  const { name, period, limitUsd, spentUsd, expectedUsd, paceRatio, mode, blocked } = budget;
  const used = limitUsd > 0 ? spentUsd / limitUsd : 1;
  // What a call would reserve does not fit any more before all is spent.
  const isOver = used >= 1 || blocked > 0 || (expectedUsd !== null && expectedUsd > limitUsd);
  const level = !isOver ? '' : mode === 'block' ? ' critical' : ' warning';
  const shares = [
    ...(expectedUsd === null ? [] : [{ from: used, to: Math.min(1, expectedUsd / limitUsd), kind: 'expected' }]),
    { from: 0, to: used, kind: `value${level}` },
    ...(paceRatio === null ? [] : [{ from: paceRatio, to: 0, kind: 'mark' }]),
  ];
  const tag = mode === null ? [] : [element('span', { class: 'tag' }, MODES.get(mode) ?? mode)];
  const ends =
    expectedUsd === null
      ? 'too early to forecast'
      : `ends at ${usd(expectedUsd)}${expectedUsd > limitUsd ? `, ${percent(expectedUsd / limitUsd - 1, 0)} over` : ''}`;
  return element(
    'li',
    { class: 'budget' },
    element(
      'div',
      { class: 'line' },
      element('span', {}, foreign(cut(name), name), ' ', ...tag),
      element('span', {}, element('b', {}, usd(spentUsd)), ` of ${usd(limitUsd)} a ${period}`),
    ),
    bar(`${name}: ${percent(used, 0)} spent`, shares),
    element(
      'div',
      { class: 'line small' },
      element('span', {}, `${percent(used, 0)} spent${blocked > 0 ? `, ${whole(blocked)} calls refused` : ''}`),
      element('span', { class: level.trim() || undefined }, ends),
    ),
  );
}

export function showTier(view: View): void {
  const rows = [
    { id: 'tier', node: tierRow(view.tier) },
    ...(view.pace === null ? [] : [{ id: 'pace', node: paceRow(view.pace) }]),
    ...(view.bill === null ? [] : [{ id: 'bill', node: billRow(view.bill) }]),
    ...(view.credit === null ? [] : [{ id: 'credit', node: creditRow(view.credit) }]),
    { id: 'cache', node: cacheRow(view.cache) },
  ];
  updateRows(byId('tier'), rows, { id: ({ id }) => id, make: ({ node }) => node });
}

function tierRow(tier: TierView | null): HTMLElement {
  if (tier === null) return pair('Tier', '–', [line('No response has shown it yet.', '')]);
  const { spentUsd, capUsd, capMetAtMs } = tier;
  const next = tier.next === null ? 'the highest tier' : `next: ${tier.next}`;
  if (spentUsd === null || capUsd === null) return pair(`Tier ${tier.tier}`, usd(spentUsd), [line(next, '')]);
  const used = spentUsd / capUsd;
  const share = { from: 0, to: used, kind: used >= 0.9 ? 'value critical' : 'value' };
  const met = capMetAtMs === null ? 'cap not reached this month' : `cap reached on ${day(capMetAtMs)}`;
  const drawn = bar(`Tier ${tier.tier}: ${percent(used, 0)} of the cap`, [share]);
  return pair(`Tier ${tier.tier}`, `${usd(spentUsd)} of ${usd(capUsd)}`, [drawn, line(next, met)]);
}

/** Lines of waits that have room. */
const MOST_WAITS = 3;

function paceRow({ waiting, longestSeconds, isUnpaced, waits, neverFits }: PaceView): HTMLElement {
  const now =
    waiting === 0 ? 'none waits' : `${whole(waiting)} ${waiting === 1 ? 'waits' : 'wait'}, ${seconds(longestSeconds)}`;
  const refused = neverFits === 0 ? '' : `${whole(neverFits)} refused: never fits`;
  const state = isUnpaced
    ? 'Its store is down: not paced.'
    : waits.length === 0
      ? 'No call has waited.'
      : 'Waited for:';
  return pair('Pace', now, [
    line(state, refused),
    ...waits
      .slice(0, MOST_WAITS)
      .map((of) =>
        line(`${of.cause.replaceAll('_', ' ')}, ${of.lane}`, `${whole(of.count)} calls, ${seconds(of.seconds)}`),
      ),
  ]);
}

const WINDOWS: Readonly<Record<BillView['window'], string>> = {
  yesterday: 'yesterday',
  last_7_days: 'of the last 7 days',
  month: 'of the month',
};

function billRow({ window, billedUsd, recordedUsd, causes }: BillView): HTMLElement {
  const difference = recordedUsd === null ? '' : `difference ${signed(billedUsd - recordedUsd)}`;
  const counted = recordedUsd === null ? 'Not yet counted here.' : `${usd(recordedUsd)} counted here`;
  return pair(`Bill ${WINDOWS[window]}`, usd(billedUsd), [
    line(counted, difference),
    ...causes.map((of) => line(of.cause.replaceAll('_', ' '), signed(of.usd))),
  ]);
}

function signed(amountUsd: number): string {
  return `${amountUsd > 0 ? '+' : ''}${usd(amountUsd)}`;
}

function creditRow({ leftUsd, leastUsd, daysLeft }: CreditView): HTMLElement {
  const lasts = daysLeft === null ? 'nothing is spent' : `lasts ${whole(Math.floor(daysLeft))} days`;
  return pair('Credit left', usd(leftUsd), [line(lasts, leastUsd === null ? '' : `${usd(leastUsd)} at least`)]);
}

function cacheRow(cache: CacheView | null): HTMLElement {
  return pair('Input read from cache', percent(cache?.readRatio ?? null), [line(savedText(cache), '')]);
}

function savedText(cache: CacheView | null): string {
  if (cache === null) return 'No input yet.';
  const { savedUsd } = cache;
  if (savedUsd === null) return 'A model has no price.';
  return savedUsd < 0
    ? `Writing cost ${usd(-savedUsd)} more than reading saved.`
    : `Caching saved ${usd(savedUsd)} in the range.`;
}

function pair(name: string, value: string, below: readonly Node[]): HTMLElement {
  return element(
    'li',
    { class: 'pair' },
    element('div', { class: 'line' }, element('span', {}, name), element('b', {}, value)),
    ...below,
  );
}

function line(left: string, right: string): HTMLElement {
  return element('div', { class: 'line small' }, element('span', {}, left), element('span', {}, right));
}
