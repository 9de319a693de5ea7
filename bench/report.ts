import { alone, over, type Compared, type Spread } from './compare.ts';
import type { Grown } from './growth.ts';

/** A figure beside its goal. */
export interface Row {
  readonly figure: string;
  readonly goal: string;
  readonly measured: string;
  /** `null`: the noise is too high to tell. */
  readonly met: boolean | null;
  /** Why the figure is what it is, where it may be too high. */
  readonly cause?: string;
}

/** What a call costs with something turned on, in CPU microseconds. */
export interface Priced {
  readonly what: string;
  readonly micros: number;
}

const CALL_MICROS = 2_000_000;

const CALLS_PER_SECOND = 100;

/** What the figures mean to who calls the API, before any goal. */
export function meaning(priced: readonly Priced[]): string {
  const head = ['with', 'CPU for a call', 'of a call of 2 s', `of a core, at ${CALLS_PER_SECOND} calls a second`];
  const rows = priced.map(({ what, micros }) => [
    what,
    `${micros.toFixed(0)} µs`,
    `${((micros / CALL_MICROS) * 100).toFixed(4)}%`,
    `${((micros * CALLS_PER_SECOND) / 10_000).toFixed(1)}%`,
  ]);
  return `A call to the API takes a second or more. Watching it takes of your process:\n\n${table(head, rows)}`;
}

/** Says of each goal that is missed why; empty where none is. */
export function missed(rows: readonly Row[]): string {
  const causes = rows.flatMap(({ figure, met, cause }) => (met === false && cause ? [`- ${figure}: ${cause}.`] : []));
  return causes.length === 0 ? '' : `Why goals are missed:\n\n${causes.join('\n')}\n\n`;
}

/** `base`: what the figures are over. */
export function growthTable(rows: readonly Grown[], base = 'the raw SDK'): string {
  return table(
    ['of what', 'how many', `µs over ${base}: median (min – max)`],
    rows.map(({ what, amount, over }) => [what, String(amount), spreadText(over)]),
  );
}

/** Names the goals that this run does not prove; empty where it proves or refutes all. */
export function unproven(rows: readonly Row[]): readonly string[] {
  return rows.filter(({ met }) => met === null).map(({ figure, goal }) => `${figure} (goal ${goal})`);
}

/** Says whether figures of a few microseconds prove anything, by the raw SDK against itself in microseconds a call. */
export function noiseText(micros: number): string {
  const noise = `The raw SDK against itself differed by ${micros.toFixed(1)} µs a call`;
  if (micros <= 2) return `${noise}.`;
  return `${noise}, more than 2: goals in CPU time are unproven by this run, whatever their figures.`;
}

export function spreadText({ min, median, max }: Spread, digits = 1): string {
  return `**${median.toFixed(digits)}** (${min.toFixed(digits)} – ${max.toFixed(digits)})`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function goals(rows: readonly Row[]): string {
  const verdict = (met: boolean | null): string => (met === null ? 'unproven' : met ? 'reached' : '**not reached**');
  return table(
    ['figure', 'goal', 'measured: median (min – max)', ''],
    rows.map(({ figure, goal, measured, met }) => [figure, goal, measured, verdict(met)]),
  );
}

/** The variants of comparisons over the raw SDK of the same process, with the raw SDK of the first against itself. */
export function comparison([first, ...more]: readonly [Compared, ...Compared[]]): string {
  const variants = (compared: Compared): readonly string[] => Object.keys(compared).slice(2);
  const seen = new Set(variants(first));
  const rows = more.flatMap((compared) =>
    variants(compared).flatMap((name) => (seen.has(name) ? [] : [variantRow(compared, name)])),
  );
  return table(
    ['what', 'µs over the raw SDK: median (min – max)', 'share of raw'],
    [...rawRows(first), ...variants(first).map((name) => variantRow(first, name)), ...rows],
  );
}

/** The same of one process, with the ratio of each variant to the cheapest. */
export function besidePeers(compared: Compared): string {
  const names = Object.keys(compared).slice(2);
  const cheapest = Math.min(...names.map((name) => over(compared, name).median));
  const ratio = (name: string): string => (cheapest > 0 ? (over(compared, name).median / cheapest).toFixed(1) : '');
  return table(
    ['what', 'µs over the raw SDK: median (min – max)', 'share of raw', 'times the cheapest'],
    [
      ...rawRows(compared).map((row) => [...row, '']),
      ...names.map((name) => [...variantRow(compared, name), ratio(name)]),
    ],
  );
}

function rawRows(compared: Compared): readonly (readonly string[])[] {
  const [, ...again] = variantRow(compared, 'raw again');
  return [
    ['the raw SDK itself', spreadText(alone(compared, 'raw')), ''],
    ['the raw SDK against itself: the noise', ...again],
  ];
}

function variantRow(compared: Compared, name: string): readonly string[] {
  const figure = over(compared, name);
  return [name, spreadText(figure), `${((figure.median / alone(compared, 'raw').median) * 100).toFixed(1)}%`];
}
