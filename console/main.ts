/** The live page: asks for its data every two seconds, and shows it. All figures are computed where they are counted. */
import type { View } from '../src/console/view.ts';
import { ChartSet } from './charts.ts';
import { byId, element, setText } from './dom.ts';
import { clock, cut, moment, whole } from './format.ts';
import { showProblems, showTable, type Sorting } from './panels-lists.ts';
import { showBudgets, showLimits, showTier } from './panels-state.ts';
import { showAdvice, showNumbers } from './panels.ts';
import { choiceIn, hashOf, queryOf } from './state.ts';

const EVERY_MS = 2_000;

let choice = choiceIn(location.hash);
let last: View | null = null;
let sorting: Sorting = { column: 'Cost', isDescending: true };

const charts = new ChartSet({ pinned: () => choice.atMs, pin });

function pin(atMs: number): void {
  choice.atMs = choice.atMs === atMs ? null : atMs;
  chosen();
}

/** The choice has changed: the address says so, and the page shows it. */
function chosen(): void {
  history.replaceState(null, '', hashOf(choice));
  void refresh();
}

let asked = 0;

async function refresh(): Promise<void> {
  const mine = (asked += 1);
  try {
    const response = await fetch(`./data?${queryOf(choice).toString()}`);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const view = (await response.json()) as View;
    if (mine === asked) show(view);
  } catch {
    silent();
  }
}

/** The process does not answer: what is shown is its last, and the page says since when. */
function silent(): void {
  const notice = byId('notice');
  notice.hidden = false;
  setText(
    notice,
    last === null
      ? 'The process does not answer yet.'
      : `The process has not answered since ${clock(last.atMs)} UTC. These are its last numbers.`,
  );
  document.body.classList.add('silent');
}

function show(view: View): void {
  last = view;
  showPrometheus(view);
  document.body.classList.remove('silent');
  setText(byId('name'), cut(view.name));
  document.title = `${view.name} · plimsoll`;
  setText(byId('clock'), `${clock(view.atMs)} UTC`);
  for (const input of byId('range').querySelectorAll('input'))
    input.checked = Number(input.value) === view.rangeSeconds;
  showFilters(view);
  showReplicas(view);
  showPin(view);
  showAdvice(view);
  showNumbers(view);
  charts.show(view);
  showLimits(view);
  showBudgets(view);
  showTier(view);
  showBy(view);
  showTable(view, { sorting, sort });
  showProblems(view);
  setText(byId('foot'), sourceOf(view));
}

/** Where the numbers come from, and what of them is less than it seems. */
function sourceOf(view: View): string {
  const { source, sinceMs, atMs, from, prometheus } = view;
  const now = source === 'calls' ? 'this process' : 'the metrics pages';
  if (from === 'prometheus')
    return (
      `Figures, charts and the table are read from Prometheus at ${prometheus?.host ?? ''}, which estimates growth between ` +
      `scrapes. Advice, limits, budgets and problems are of ${now}, at ${clock(atMs)} UTC.`
    );
  const { folded } = view.numbers;
  const other =
    folded === 0
      ? ''
      : ` There are too many sets of labels for the memory: ${whole(folded)} calls stand under "other".`;
  const forgotten =
    view.forgottenSeries === 0
      ? ''
      : ` ${whole(view.forgottenSeries)} series came and went: do labels have ids in them?`;
  return `Numbers of ${now}. In memory since ${clock(sinceMs)} UTC, for an hour at most. Quantiles are accurate to 5%.${other}${forgotten}`;
}

/** Ranges that only Prometheus knows are there where it is. What it does not answer is said, and an hour is shown in its place. */
function showPrometheus({ prometheus }: View): void {
  for (const label of byId('range').querySelectorAll<HTMLElement>('.long')) label.hidden = prometheus === null;
  const trouble = prometheus?.trouble ?? null;
  const notice = byId('notice');
  notice.hidden = trouble === null;
  if (prometheus !== null && trouble !== null)
    setText(notice, `Prometheus at ${prometheus.host} ${trouble}: the last hour is shown, from memory.`);
}

function sort(column: string): void {
  sorting = { column, isDescending: sorting.column === column ? !sorting.isDescending : column !== '' };
  if (last !== null) showTable(last, { sorting, sort });
}

function showReplicas({ replicas }: View): void {
  const silentOnes = replicas.flatMap(({ name, seenAtMs, trouble }) =>
    trouble === null ? [] : [`${name}${seenAtMs === null ? '' : ` silent since ${clock(seenAtMs)}`}: got ${trouble}`],
  );
  const few = silentOnes.length === 0 ? '' : ` · ${silentOnes.slice(0, 3).join(', ')}`;
  const all = `${replicas.length} ${replicas.length === 1 ? 'replica' : 'replicas'}`;
  const text = replicas.length === 0 ? '' : `${replicas.length - silentOnes.length} of ${all}${few}`;
  setText(byId('replicas'), text);
  byId('replicas').classList.toggle('silent', silentOnes.length > 0);
}

function showPin(view: View): void {
  const place = byId('pin');
  place.hidden = choice.atMs === null;
  const text = choice.atMs === null ? '' : pinText(view, choice.atMs);
  if (choice.atMs === null || place.dataset['text'] === text) return;
  place.dataset['text'] = text;
  const free = element('button', { type: 'button' }, 'Unpin');
  free.addEventListener('click', () => pin(choice.atMs ?? 0));
  place.replaceChildren(text, free);
}

function pinText({ pinned, prometheus, sinceMs, atMs: nowMs }: View, atMs: number): string {
  const at = moment(atMs, nowMs);
  if (pinned !== 'unknown')
    return `Pinned at ${at} UTC: figures beside the charts are of that moment. The address shows it to others.`;
  const since = clock(Math.max(sinceMs, nowMs - HOUR_MS), 5);
  const advice =
    prometheus === null
      ? 'Start the page with a Prometheus to read it from there.'
      : `${prometheus.host}, which may know it, ${prometheus.trouble ?? 'was not asked'}.`;
  return `Pinned at ${at} UTC, which is older than what is in memory, since ${since}: it is not in these charts. ${advice}`;
}

const HOUR_MS = 3_600_000;

/** The first two of the labels that the calls have, then key and model. */
function showFilters({ labels }: View): void {
  const place = byId('picks');
  for (const [name, values] of Object.entries(labels)) {
    const all = [...new Set([...values, ...(choice.filter[name] === undefined ? [] : [choice.filter[name]])])];
    const known = [...place.querySelectorAll('select')].find((one) => one.name === name);
    const select = known ?? newFilter(place, name);
    const options = ['', ...all].join('\n');
    if (select.dataset['options'] === options) continue;
    select.dataset['options'] = options;
    select.replaceChildren(option('all', null), ...all.map((value) => option(cut(value), value)));
    const index = all.indexOf(choice.filter[name] ?? '');
    select.selectedIndex = choice.filter[name] === undefined ? 0 : index + 1;
  }
}

function option(text: string, value: string | null): HTMLElement {
  return element('option', { value: value === null ? 'all' : `=${value}` }, text);
}

function newFilter(place: HTMLElement, name: string): HTMLSelectElement {
  const select = document.createElement('select');
  select.name = name;
  select.addEventListener('change', () => {
    const { [name]: _, ...others } = choice.filter;
    choice.filter = select.value === 'all' ? others : { ...others, [name]: select.value.slice(1) };
    chosen();
  });
  place.append(element('label', {}, element('span', {}, name), select));
  return select;
}

function showBy({ table }: View): void {
  const place = byId('by');
  const names = table.labels.join('\n');
  if (place.dataset['names'] !== names) {
    place.dataset['names'] = names;
    place.replaceChildren(element('legend', { class: 'sr' }, 'Group by'), ...table.labels.map(byChoice));
  }
  for (const input of place.querySelectorAll('input')) input.checked = input.value === table.by;
}

function byChoice(name: string): HTMLElement {
  const input = element('input', { type: 'radio', name: 'by', value: name });
  input.addEventListener('change', () => {
    choice.by = name;
    chosen();
  });
  return element('label', {}, input, element('span', {}, cut(name)));
}

for (const input of byId('range').querySelectorAll('input')) {
  input.addEventListener('change', () => {
    choice.range = choiceIn(`#range=${input.value}`).range;
    chosen();
  });
}

byId('more').addEventListener('click', () => {
  const isOpen = byId('picks').classList.toggle('open');
  byId('more').setAttribute('aria-expanded', String(isOpen));
});

byId('live').addEventListener('click', () => {
  choice.isLive = !choice.isLive;
  byId('live').setAttribute('aria-pressed', String(choice.isLive));
  setText(byId('live').querySelector('span') ?? byId('live'), choice.isLive ? 'Live' : 'Paused');
});

window.addEventListener('hashchange', () => {
  choice = { ...choiceIn(location.hash), isLive: choice.isLive };
  void refresh();
});

window.setInterval(() => {
  if (choice.isLive && document.visibilityState === 'visible') void refresh();
}, EVERY_MS);
document.addEventListener('visibilitychange', () => {
  if (choice.isLive && document.visibilityState === 'visible') void refresh();
});
void refresh();
