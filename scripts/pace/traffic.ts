import { seededRandom } from '../../testing/seeded-random.ts';
import type { Lane } from '../../src/pace/pace-state.ts';
import { LANES } from '../../src/pace/pace-state.ts';

/** Limits per minute. */
export interface Limits {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The limit that the traffic is made to meet first. */
export type Binding = keyof Limits;

/** One call of the traffic. What it will use is the server's secret; `promptTokens` is what a client would estimate. */
export interface TrafficCall {
  readonly lane: Lane;
  readonly process: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly maxTokens: number;
  readonly promptTokens: number;
  readonly durationMs: number;
  readonly arrivedMs: number;
}

/** What kind of traffic. */
export interface TrafficOptions {
  readonly seed: number;
  readonly limits: Limits;
  readonly binding: Binding;
  /** Of the binding limit. Interactive calls are at most 0.4 of the limit, the rest is batch work. */
  readonly load: number;
  readonly shape: 'steady' | 'bursts';
  readonly processes: number;
  /** The factor by which every estimate of a prompt is wrong, before its kind has been learned. Default 1. */
  readonly estimateFactor?: number;
  readonly minutes: number;
}

const INTERACTIVE_SHARE = 0.4;

/** Mean tokens of a call, in and out, by the limit that binds. */
const MEANS: Readonly<Record<Binding, Readonly<Record<Lane, readonly [number, number]>>>> = {
  requests: { interactive: [150, 30], batch: [200, 40] },
  inputTokens: { interactive: [2_000, 200], batch: [5_000, 250] },
  outputTokens: { interactive: [600, 350], batch: [800, 700] },
};

/** On the lowest tier, calls are smaller. */
const smallness = ({ inputTokens }: Limits): number => (inputTokens < 100_000 ? 0.25 : 1);

/** Interactive traffic swells and ebbs; batch work comes in the first ten seconds of each minute. */
const BURSTS: Readonly<Record<Lane, (secondOfMinute: number) => number>> = {
  interactive: (second) => (second < 20 ? 2 : 0.5),
  batch: (second) => (second < 10 ? 6 : 0),
};

const PEAK: Readonly<Record<Lane, number>> = { interactive: 2, batch: 6 };

/** All calls of a run, in the order of their arrival. Sizes are lognormal, as those of real traffic; arrivals are random. */
export function traffic(options: TrafficOptions): readonly TrafficCall[] {
  return LANES.flatMap((lane, at) =>
    laneTraffic(lane, options, seededRandom(options.seed * 2 + at + 1_000_003)),
  ).toSorted((a, b) => a.arrivedMs - b.arrivedMs);
}

function laneTraffic(lane: Lane, options: TrafficOptions, random: () => number): readonly TrafficCall[] {
  const { load, limits, binding, minutes, shape } = options;
  const own = Math.min(INTERACTIVE_SHARE, INTERACTIVE_SHARE * load);
  const share = lane === 'interactive' ? own : load - own;
  const sample = seededRandom(5);
  const sizes = Array.from({ length: 4_000 }, () => amountOf(sized(lane, options, sample), binding));
  const perMs = (share * limits[binding]) / 60_000 / (sizes.reduce((sum, size) => sum + size, 0) / sizes.length);
  const peak = shape === 'steady' ? 1 : PEAK[lane];
  const calls: TrafficCall[] = [];
  for (let atMs = gap(random, perMs * peak); atMs < minutes * 60_000; atMs += gap(random, perMs * peak)) {
    const wanted = shape === 'steady' ? 1 : BURSTS[lane]((atMs / 1_000) % 60);
    if (random() < wanted / peak) calls.push({ ...sized(lane, options, random), arrivedMs: atMs });
  }
  return calls;
}

function gap(random: () => number, perMs: number): number {
  return -Math.log(1 - random()) / perMs;
}

function sized(lane: Lane, options: TrafficOptions, random: () => number): Omit<TrafficCall, 'arrivedMs'> {
  const { limits, binding, processes, estimateFactor = 1 } = options;
  const small = smallness(limits);
  const [meanIn, meanOut] = MEANS[binding][lane];
  const maxTokens = Math.ceil(meanOut * small * 4);
  const inputTokens = between(lognormal(random, meanIn * small, 1.1), 20, 0.4 * limits.inputTokens);
  const outputTokens = between(lognormal(random, meanOut * small, 0.9), 5, maxTokens);
  const promptTokens = Math.ceil(inputTokens * Math.exp(0.15 * normal(random)) * estimateFactor);
  const seconds = 0.8 + (outputTokens / small / 40) * Math.exp(0.5 * normal(random));
  const durationMs = Math.min(60, Math.max(1, seconds)) * 1_000;
  const process = Math.floor(random() * processes);
  return { lane, process, inputTokens, outputTokens, maxTokens, promptTokens, durationMs };
}

function between(value: number, least: number, most: number): number {
  return Math.round(Math.min(most, Math.max(least, value)));
}

function lognormal(random: () => number, mean: number, sigma: number): number {
  return mean * Math.exp(sigma * normal(random) - (sigma * sigma) / 2);
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** What a call takes of a limit. */
export function amountOf(call: Pick<TrafficCall, 'inputTokens' | 'outputTokens'>, binding: Binding): number {
  return binding === 'requests' ? 1 : call[binding];
}
