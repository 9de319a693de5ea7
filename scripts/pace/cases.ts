import { run, type RunFigures, type RunOptions, type StrategyName } from './run.ts';
import type { Binding, Limits } from './traffic.ts';

/** A goal of a setting, for the mean of the seeds at each load; `null` for a setting that is shown without one. */
export interface Goal {
  /** Of what is offered or allowed, whichever is less: at least. */
  readonly goodput: number;
  /** Of all attempts: at most. */
  readonly refused: number;
  /** The 95th percentile of what interactive calls take, of what they take alone: at most. */
  readonly slowdown: number;
}

/** A way in which servers, fleets and traffic differ. */
export interface Setting {
  readonly name: string;
  readonly goal: Goal | null;
  readonly options: Partial<RunOptions>;
}

/** The mean of the seeds. */
export interface MeanFigures extends Pick<RunFigures, 'goodput' | 'refused' | 'slowdown' | 'done'> {
  readonly load: string;
}

/** Nobody has looked at them while the rules were made: those were chosen on seeds 1 to 20 and 101 to 104. */
export const SEEDS = [201, 202, 203, 204] as const;

const SCALE: Limits = { requests: 1_000, inputTokens: 450_000, outputTokens: 90_000 };
const LOWEST: Limits = { requests: 50, inputTokens: 30_000, outputTokens: 8_000 };

const BASE = {
  limits: SCALE,
  binding: 'inputTokens',
  processes: 1,
  store: 'shared',
  limiter: {},
  minutes: 14,
  warmUp: 2,
  strategy: 'paced',
} as const satisfies Partial<RunOptions>;

const AT_ONCE: Goal = { goodput: 0.98, refused: 0.001, slowdown: 1.1 };
const WINDOWS: Goal = { goodput: 0.98, refused: 0.01, slowdown: 1.2 };
const AT_START: Goal = { goodput: 0.96, refused: 0.012, slowdown: 1.2 };
const SMALL: Goal = { goodput: 0.93, refused: 0.02, slowdown: 2 };

const OUTPUT: Binding = 'outputTokens';

/** All settings, in the order of the table. */
export const SETTINGS: readonly Setting[] = [
  { name: 'one process, input binds', goal: AT_ONCE, options: {} },
  { name: 'one process, output binds', goal: AT_ONCE, options: { binding: OUTPUT } },
  { name: 'one process, requests bind', goal: AT_ONCE, options: { binding: 'requests' } },
  { name: 'one process, headers as old as the call', goal: AT_ONCE, options: { headers: 'stale' } },
  { name: '20 processes and a store, input binds', goal: AT_ONCE, options: { processes: 20 } },
  { name: '20 processes and a store, output binds', goal: AT_ONCE, options: { processes: 20, binding: OUTPUT } },
  { name: 'limits halved in the middle', goal: AT_ONCE, options: { change: { atMinute: 8, factor: 0.5 } } },
  {
    name: 'limits doubled in the middle, 20 processes and a store',
    goal: AT_ONCE,
    options: { change: { atMinute: 8, factor: 2 }, processes: 20 },
  },
  { name: 'estimates twice too high', goal: AT_ONCE, options: { estimateFactor: 2 } },
  { name: 'estimates half of the truth', goal: AT_ONCE, options: { estimateFactor: 0.5 } },
  { name: 'one request in twenty answered with 529', goal: AT_ONCE, options: { overloaded: 0.05 } },
  { name: 'fixed windows', goal: WINDOWS, options: { limiter: { refill: 'window' } } },
  {
    name: 'fixed windows, headers as old as the call',
    goal: WINDOWS,
    options: { limiter: { refill: 'window' }, headers: 'stale' },
  },
  {
    name: 'fixed windows, 20 processes and a store',
    goal: WINDOWS,
    options: { limiter: { refill: 'window' }, processes: 20 },
  },
  {
    name: '`max_tokens` charged at the start, output binds',
    goal: AT_START,
    options: { limiter: { output: 'at_start' }, binding: OUTPUT },
  },
  {
    name: 'the lowest tier: 50 requests, 30,000 and 8,000 tokens',
    goal: SMALL,
    options: { limits: LOWEST },
  },
  {
    name: 'the lowest tier, fixed windows, 20 processes and a store',
    goal: SMALL,
    options: { limits: LOWEST, limiter: { refill: 'window' }, processes: 20 },
  },
  { name: 'a hidden bucket of 10 s', goal: null, options: { limiter: { hiddenSeconds: 10 } } },
  { name: 'a hidden bucket of 1 s', goal: null, options: { limiter: { hiddenSeconds: 1 } } },
  {
    name: 'an acceleration limit: the input of a minute at most twice that of the minute before',
    goal: null,
    options: { acceleration: { seconds: 60, growth: 2, floor: 0.25 } },
  },
  { name: '20 processes without a store', goal: null, options: { processes: 20, store: 'own' } },
  {
    name: '20 processes without a store, output binds',
    goal: null,
    options: { processes: 20, store: 'own', binding: OUTPUT },
  },
  {
    name: '20 processes without a store, `share: 0.05` each, output binds',
    goal: null,
    options: { processes: 20, store: 'own', share: 0.05, binding: OUTPUT },
  },
];

/** The traffic, of what the limit allows. */
export const LOADS = [
  { load: 0.5, shape: 'steady' },
  { load: 1, shape: 'steady' },
  { load: 2, shape: 'steady' },
  { load: 4, shape: 'steady' },
  { load: 1, shape: 'bursts' },
  { load: 2, shape: 'bursts' },
  { load: 4, shape: 'bursts' },
] as const;

export const STRATEGIES: Readonly<Record<StrategyName, string>> = {
  sdk: 'the SDK alone',
  article: '1, 2, 4 s + up to 1 s, 4 tries',
  plimsoll: '`retryPolicy()`',
  paced: '`retryPolicy()` and `pace()`',
};

/** The mean of the seeds, for one load. */
export function mean(
  options: Partial<RunOptions>,
  { load, shape }: (typeof LOADS)[number],
  seeds: readonly number[] = SEEDS,
): MeanFigures {
  const runs = seeds.map((seed) => run({ ...BASE, ...options, load, shape, seed }));
  const over = (of: (figures: RunFigures) => number): number =>
    runs.reduce((sum, figures) => sum + of(figures), 0) / runs.length;
  return {
    load: `${load} ×${shape === 'steady' ? '' : ' in bursts'}`,
    goodput: over(({ goodput }) => goodput),
    refused: over(({ refused }) => refused),
    slowdown: over(({ slowdown }) => slowdown),
    done: { interactive: over(({ done }) => done.interactive), batch: over(({ done }) => done.batch) },
  };
}

/** The loads at which the means are the worst, each figure for itself. */
interface Worst {
  readonly goodput: MeanFigures;
  readonly refused: MeanFigures;
  readonly slowdown: MeanFigures;
  /** Of the interactive calls, the fewest done. */
  readonly done: MeanFigures;
}

/** The worst of some means. */
export function worstOf(means: readonly [MeanFigures, ...MeanFigures[]]): Worst {
  const most = (of: (figures: MeanFigures) => number): MeanFigures =>
    means.reduce((worst, each) => (of(each) > of(worst) ? each : worst));
  return {
    goodput: most(({ goodput }) => -goodput),
    refused: most(({ refused }) => refused),
    slowdown: most(({ slowdown }) => slowdown),
    done: most(({ done }) => -done.interactive),
  };
}

/** The parts of a goal that the worst means miss. */
export function missed({ goodput, refused, slowdown }: Worst, goal: Goal): readonly (keyof Goal)[] {
  return [
    ...(goodput.goodput < goal.goodput ? (['goodput'] as const) : []),
    ...(refused.refused > goal.refused ? (['refused'] as const) : []),
    ...(slowdown.slowdown > goal.slowdown ? (['slowdown'] as const) : []),
  ];
}

/** The first minutes of a run that begins without knowing any limit, at twice the limit. */
export function warmUp(processes: number, seed: number): RunFigures['minutes'] {
  return run({ ...BASE, load: 2, shape: 'steady', processes, seed }).minutes.slice(0, 4);
}
