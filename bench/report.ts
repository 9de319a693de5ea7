import type { Compared, Spread } from './compare.ts';
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

/**
 * The variants of a comparison over the raw SDK, with the raw SDK against itself as the noise floor, and with the ratio to
 * the cheapest variant where its figure is given.
 */
export function comparison({ raw, over }: Compared, unit: string, cheapest?: number): string {
  const ratio = (median: number): readonly string[] => {
    if (cheapest === undefined) return [];
    return [cheapest > 0 ? (median / cheapest).toFixed(1) : ''];
  };
  const head = ['what', `${unit} over the raw SDK: median (min – max)`, 'share of raw'];
  const blank = cheapest === undefined ? [] : [''];
  return table(cheapest === undefined ? head : [...head, 'times the cheapest'], [
    ['the raw SDK itself', spreadText(raw), '', ...blank],
    ...Object.entries(over).map(([name, figure]) => [
      name === 'raw again' ? 'the raw SDK against itself: the noise' : name,
      spreadText(figure),
      `${((figure.median / raw.median) * 100).toFixed(1)}%`,
      ...(name === 'raw again' ? blank : ratio(figure.median)),
    ]),
  ]);
}
