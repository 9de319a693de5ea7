import type { Compared, Spread } from './compare.ts';

/** A figure beside its goal. */
export interface Row {
  readonly figure: string;
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean | null;
}

export function spreadText({ min, median, max }: Spread, digits = 1): string {
  return `**${median.toFixed(digits)}** (${min.toFixed(digits)} – ${max.toFixed(digits)})`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function goals(rows: readonly Row[]): string {
  const verdict = (met: boolean | null): string => (met === null ? '' : met ? 'reached' : '**not reached**');
  return table(
    ['figure', 'goal', 'measured: median (min – max)', ''],
    rows.map(({ figure, goal, measured, met }) => [figure, goal, measured, verdict(met)]),
  );
}

/** The variants of a comparison over the raw SDK, with the raw SDK against itself as the noise floor. */
export function comparison({ raw, over }: Compared, unit: string): string {
  return table(
    ['what', `${unit} over the raw SDK: median (min – max)`, 'share of raw'],
    [
      ['the raw SDK itself', spreadText(raw), ''],
      ...Object.entries(over).map(([name, figure]) => [
        name === 'raw again' ? 'the raw SDK against itself: the noise' : name,
        spreadText(figure),
        `${((figure.median / raw.median) * 100).toFixed(1)}%`,
      ]),
    ],
  );
}
