import type { View } from '../src/console/view.ts';
import { byId, element, foreign, setText, shape, updateRows } from './dom.ts';
import { clock, cut, day, percent, seconds, usd, whole } from './format.ts';

const SEVERITIES = {
  critical: { name: 'Critical', path: 'M6 0 12 6 6 12 0 6Z' },
  warning: { name: 'Warning', path: 'M6 1 12 11H0Z' },
  info: { name: 'Hint', path: 'M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0' },
} as const;

/** The first sentence leads; the rest follows in a quieter voice. */
function parts(text: string): readonly [lead: string, rest: string] {
  const end = text.search(/\. (?=[A-Z])/);
  return end === -1 ? [text, ''] : [text.slice(0, end + 1), text.slice(end + 2)];
}

export function showAdvice({ advice, numbers }: View): void {
  const counts = Object.entries(SEVERITIES).flatMap(([severity, { name }]) => {
    const count = advice.filter((one) => one.severity === severity).length;
    return count === 0 ? [] : [`${count} ${count > 1 && severity !== 'critical' ? `${name}s` : name}`.toLowerCase()];
  });
  setText(byId('advice-note'), counts.join(', '));
  if (advice.length === 0) {
    const text =
      numbers.calls === 0
        ? 'Nothing is counted yet. Make a call with an instrumented client, and it shows here.'
        : 'Nothing to do: budgets, limits and routes are fine.';
    byId('advice').replaceChildren(element('li', { class: 'empty' }, text));
    return;
  }
  updateRows(byId('advice'), advice, {
    id: ({ about, kind, evidence }) =>
      `${about} ${kind} ${String(evidence['budget'] ?? evidence['model'] ?? evidence['route'] ?? '')}`,
    make: ({ severity, text, evidence }) => {
      const { name, path } = SEVERITIES[severity];
      const [lead, rest] = parts(text.replaceAll(/\p{Bidi_Control}/gu, '\ufffd')); // One in a name would turn the sentence.
      const badge = element('span', { class: `badge ${severity}` }, shape(path), name);
      const figures = Object.entries(evidence).filter(([, value]) => value !== null);
      const terms = figures.map(([term, value]) =>
        element('div', {}, element('dt', {}, wordsOf(term)), element('dd', {}, foreign(figureOf(term, value)))),
      );
      return element(
        'li',
        {},
        element(
          'details',
          {},
          element('summary', {}, badge, element('span', {}, element('b', {}, foreign(lead)), ' ', foreign(rest))),
          element('dl', {}, ...terms),
        ),
      );
    },
  });
}

/** `spentUsd` is "spent". */
function wordsOf(term: string): string {
  return term
    .replace(/(?:Usd|AtMs|Ms)$/, '')
    .replaceAll(/([A-Z])/g, ' $1')
    .toLowerCase();
}

function figureOf(term: string, value: string | number | null): string {
  if (typeof value !== 'number') return cut(value ?? '');
  if (term.endsWith('Usd')) return usd(value);
  if (term.endsWith('Ms')) return `${day(value)} ${clock(value, 5)} UTC`;
  if (/share|ratio/i.test(term)) return percent(value);
  return Number.isInteger(value) ? whole(value) : String(Number(value.toPrecision(4)));
}

type Figure = readonly [name: string, value: string, below: string, isBad?: boolean];

export function showNumbers(view: View): void {
  updateRows(byId('numbers'), [...countsOf(view), ...measuresOf(view)], {
    id: ([name]) => name,
    make: ([name, value, below, isBad]) =>
      element(
        'div',
        { class: isBad === true ? 'bad' : undefined },
        element('dt', {}, name),
        element('dd', { class: 'figure' }, value),
        element('dd', {}, below),
      ),
  });
}

function countsOf(view: View): readonly Figure[] {
  const { calls, ok, failed, left, lastMinute, attempts, rateLimited, observedSeconds } = view.numbers;
  const success = ok + failed === 0 ? null : ok / (ok + failed);
  const refused = attempts === 0 ? null : rateLimited / attempts;
  const recent = lastMinute === null ? 'in the range' : `${whole(lastMinute)} in the last minute`;
  const pace = calls === 0 || observedSeconds < 60 ? null : (calls / observedSeconds) * 60;
  const mean = pace === null ? '' : pace.toFixed(pace < 100 ? 1 : 0);
  const scope = view.unfiltered.includes('rateLimited') ? ', all routes' : '';
  return [
    [
      'Calls',
      whole(calls),
      pace === null ? recent : lastMinute === null ? `${mean} a minute` : `${mean} a minute, now ${whole(lastMinute)}`,
    ],
    [
      'Success',
      percent(success),
      `${whole(failed)} failed${left > 0 ? `, ${whole(left)} unfinished` : ''}`,
      success !== null && success < 0.95,
    ],
    ['429s', whole(rateLimited), `${percent(refused)} of attempts${scope}`, refused !== null && refused > 0.05],
  ];
}

function measuresOf({ numbers }: View): readonly Figure[] {
  const { latency, firstToken, costUsd, costUsdPerHour } = numbers;
  return [
    ['Latency p95', seconds(latency?.p95 ?? null), latency === null ? 'too few calls' : `p50 ${seconds(latency.p50)}`],
    [
      'First token p95',
      seconds(firstToken?.p95 ?? null),
      firstToken === null ? 'too few streams' : `p50 ${seconds(firstToken.p50)}`,
    ],
    ['Cost', usd(costUsd), costUsdPerHour === null ? 'too early for a pace' : `${usd(costUsdPerHour)} an hour`],
  ];
}
