/**
 * What a pace achieves against the simulator's buckets, in virtual time: the same figures each run. Prints its tables; `--write` puts
 * them into docs/resilience.md. Takes two or three minutes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  LOADS,
  SEEDS,
  SETTINGS,
  STRATEGIES,
  mean,
  missed,
  warmUp,
  worstOf,
  type Goal,
  type MeanFigures,
  type Setting,
} from './cases.ts';
import type { StrategyName } from './run.ts';

const percent = (part: number, digits: number): string => `${(100 * part).toFixed(digits)}%`;

const MISSED: Readonly<Record<keyof Goal, string>> = { goodput: 'goodput', refused: '429s', slowdown: 'time' };

/** One row of the table of settings. */
function settingRow({ name, goal, options }: Setting): string {
  const [first, ...others] = LOADS.map((load) => mean(options, load));
  if (first === undefined) throw new TypeError('expected a load');
  const worst = worstOf([first, ...others]);
  const misses = goal === null ? [] : missed(worst, goal);
  const goals =
    goal && [percent(goal.goodput, 0), percent(goal.refused, 1), `${goal.slowdown.toFixed(1)} ×`].join(', ');
  const verdict =
    goals === null
      ? 'none'
      : misses.length === 0
        ? `${goals}: reached`
        : `${goals}: **not reached**: ${misses.map((part) => `${MISSED[part]} at ${worst[part].load}`).join(', ')}`;
  const { goodput, refused, slowdown, done } = worst;
  const figures = [
    percent(goodput.goodput, 1),
    percent(refused.refused, 2),
    `${slowdown.slowdown.toFixed(2)} ×`,
    percent(done.done.interactive, 1),
  ];
  return `| ${name} | ${figures.join(' | ')} | ${verdict} |`;
}

function strategyRows(): readonly string[] {
  return LOADS.flatMap((load) =>
    Object.entries(STRATEGIES).map(([strategy, name]) => {
      const figures = mean({ strategy: strategy as StrategyName }, load);
      return `| ${figures.load} | ${name} | ${cells(figures).join(' | ')} |`;
    }),
  );
}

function cells({ goodput, refused, slowdown, done }: MeanFigures): readonly string[] {
  return [
    percent(goodput, 1),
    percent(refused, 2),
    `${slowdown.toFixed(2)} ×`,
    percent(done.interactive, 1),
    percent(done.batch, 0),
  ];
}

function warmUpRows(): readonly string[] {
  return [1, 20].map((processes) => {
    const minutes = warmUp(processes, SEEDS[0]);
    const each = minutes.map(({ used, refused }) => `${percent(used, 0)}, ${percent(refused, 1)}`);
    return `| ${processes === 1 ? 'one process' : '20 processes and a store'} | ${each.join(' | ')} |`;
  });
}

/** All tables as Markdown. */
function tables(): string {
  return [
    '**One process, input tokens bind, a bucket that refills continuously**',
    '',
    '| load | strategy | goodput | 429s | interactive p95 | interactive done | batch done |',
    '| --- | --- | --: | --: | --: | --: | --: |',
    ...strategyRows(),
    '',
    '**`retryPolicy()` and `pace()` in other settings: the worst mean of all loads**',
    '',
    '| setting | goodput | 429s | interactive p95 | interactive done | goal |',
    '| --- | --: | --: | --: | --: | --- |',
    ...SETTINGS.map(settingRow),
    '',
    '**The warm-up: the first minutes at twice the limit, which nobody has told; units let in of the limit, and 429s**',
    '',
    '| | minute 1 | minute 2 | minute 3 | minute 4 |',
    '| --- | --: | --: | --: | --: |',
    ...warmUpRows(),
  ].join('\n');
}

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'resilience.md');
const [BEGIN, END] = ['<!-- pace: made by scripts/pace/main.ts --write -->', '<!-- /pace -->'];

/** The tables as the page has them. */
export function writtenTables(): string {
  const page = readFileSync(PAGE, 'utf8');
  return page.slice(page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END)).trim();
}

if (import.meta.main) {
  const made = tables();
  if (process.argv.includes('--write')) {
    const page = readFileSync(PAGE, 'utf8');
    const [before, after] = [page.slice(0, page.indexOf(BEGIN)), page.slice(page.indexOf(END))];
    writeFileSync(PAGE, `${before}${BEGIN}\n\n${made}\n\n${after}`);
  } else process.stdout.write(`${made}\n`);
}
