/** One run of a fleet against the simulator's buckets, in virtual time. */
import type { Clock, Timers } from '../../src/clock.ts';
import { memoryPace } from '../../src/pace/pace-store.ts';
import type { Lane } from '../../src/pace/pace-state.ts';
import type { PaceRefusal, SeenLimit } from '../../src/pace/settle.ts';
import type { LimiterOptions } from '../../src/simulator/bucket.ts';
import { Limits as SimulatedLimits, type LimitScope } from '../../src/simulator/limits.ts';
import { exponentialBackoff, plimsoll, sdkDefault, type Strategy } from '../../testing/retry-strategies.ts';
import { seededRandom } from '../../testing/seeded-random.ts';
import { VirtualTime } from '../../testing/virtual-time.ts';
import { Acceleration, type AccelerationOptions } from './acceleration.ts';
import { PacedProcess, type PacedCall } from './paced-process.ts';
import { amountOf, traffic, type Limits, type TrafficCall, type TrafficOptions } from './traffic.ts';

export type StrategyName = 'sdk' | 'article' | 'plimsoll' | 'paced';

export interface RunOptions extends TrafficOptions {
  readonly strategy: StrategyName;
  readonly limiter: LimiterOptions;
  /** `shared`: all processes have one store. `own`: each has its own memory. */
  readonly store: 'shared' | 'own';
  /** Told at the end of the answer, or as they were when the request was let in. */
  readonly headers?: 'fresh' | 'stale';
  /** The part of the limits that each process may use. Default 1. */
  readonly share?: number;
  /** Minutes that are not counted. */
  readonly warmUp: number;
  /** At this minute the limits become this many times what they were. */
  readonly change?: { readonly atMinute: number; readonly factor: number };
  /** The share of requests that are answered with 529, at random. */
  readonly overloaded?: number;
  /** The server has an acceleration limit on input, besides its buckets. */
  readonly acceleration?: AccelerationOptions;
}

/** What came of a run after its warm-up. */
export interface RunFigures {
  /** Units let in, of those that a queue could have let in by the end that has the limit's rate and no more. */
  readonly goodput: number;
  /** Of all attempts. */
  readonly refused: number;
  readonly attempts: number;
  /** The 95th percentile of what interactive calls took, of what they would have taken alone. */
  readonly slowdown: number;
  readonly done: Readonly<Record<Lane, number>>;
  /** Of each minute from the start: units let in, of the limit; and the share of attempts refused. */
  readonly minutes: readonly { readonly used: number; readonly refused: number }[];
}

const EPOCH_MS = Date.UTC(2026, 10, 2, 9);
const SCOPE: LimitScope = { organization: null, class: 'other', fast: false };
const DIMENSIONS = ['requests', 'input-tokens', 'output-tokens'] as const;

/** Runs one case. The same options give the same figures. */
export function run(options: RunOptions): RunFigures {
  const fleet = new Fleet(options);
  return fleet.run();
}

/** A 429 of the simulated server. */
interface ServerRefusal {
  readonly by: PaceRefusal['by'];
  readonly retryAfterSeconds: number;
  readonly errorCode: string | null;
}

/** What the made-up acceleration limit says in `retry-after`. */
const RAMP_RETRY_SECONDS = 5;

interface Sent extends PacedCall {
  attempts: number;
}

class Fleet {
  readonly #options: RunOptions;
  readonly #time = new VirtualTime();
  readonly #server: SimulatedLimits;
  readonly #acceleration: Acceleration | null;
  readonly #random: () => number;
  readonly #strategies: readonly Strategy[];
  readonly #paced: readonly PacedProcess[];
  readonly #count: Count;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#server = new SimulatedLimits('scale', { other: options.limits }, options.limiter);
    const { acceleration, limits } = options;
    this.#acceleration = acceleration === undefined ? null : new Acceleration(acceleration, limits.inputTokens);
    this.#random = seededRandom(options.seed + 77);
    this.#count = new Count(options);
    const surroundings = { nowMs: () => this.#time.nowMs, random: this.#random };
    const each = Array.from({ length: options.processes });
    this.#strategies = each.map(() => {
      if (options.strategy === 'sdk') return sdkDefault(surroundings);
      return options.strategy === 'article' ? exponentialBackoff(surroundings) : plimsoll(surroundings, true);
    });
    this.#paced = options.strategy === 'paced' ? this.#pacedProcesses() : [];
  }

  #pacedProcesses(): readonly PacedProcess[] {
    const { processes, store, share = 1 } = this.#options;
    const clock: Clock = { epochMs: () => this.#nowMs, monotonicMs: () => this.#time.nowMs };
    const after = (waitMs: number, task: () => void): (() => void) => {
      let isOn = true;
      this.#time.after(waitMs, () => {
        if (isOn) task();
      });
      return () => (isOn = false);
    };
    const timers: Timers = { whileWaiting: after, inBackground: after, soon: (task) => task() };
    const shared = memoryPace();
    return Array.from({ length: processes }, () => {
      const own = store === 'shared' ? shared : memoryPace();
      return new PacedProcess({ store: own, clock, timers, random: this.#random, share });
    });
  }

  get #nowMs(): number {
    return EPOCH_MS + this.#time.nowMs;
  }

  run(): RunFigures {
    const { minutes, change, limits } = this.#options;
    for (const call of traffic(this.#options)) this.#time.after(call.arrivedMs, () => this.#arrive(call));
    if (change !== undefined) {
      const other = scaled(limits, change.factor);
      this.#time.after(change.atMinute * 60_000, () => this.#server.change({ other }, this.#nowMs));
    }
    this.#time.run(minutes * 60_000);
    return this.#count.figures();
  }

  #arrive(call: TrafficCall): void {
    const sent: Sent = { call, charge: null, place: null, waitedMs: 0, attempts: 0 };
    this.#count.arrived(call);
    this.#strategies[call.process]?.began();
    this.#try(sent);
  }

  #try(sent: Sent): void {
    const process = this.#paced[sent.call.process];
    if (process === undefined) return this.#send(sent);
    process.admit(sent, (kind) => {
      if (kind === 'go' || kind === 'unpaced') this.#send(sent);
      else this.#count.failed(sent.call);
    });
  }

  #send(sent: Sent): void {
    const sentAtMs = this.#nowMs;
    sent.attempts += 1;
    this.#time.after(20 + 60 * this.#random(), () => {
      const isOverloaded = this.#random() < (this.#options.overloaded ?? 0);
      if (isOverloaded) return this.#time.after(20 + 40 * this.#random(), () => this.#overloaded(sent, sentAtMs));
      this.#reach(sent, sentAtMs);
    });
  }

  #reach(sent: Sent, sentAtMs: number): void {
    const { call } = sent;
    const refusal = this.#refusalOf(call);
    this.#count.attempt(this.#time.nowMs, refusal !== null);
    const late = 20 + 40 * this.#random();
    const then = this.#seen();
    if (refusal !== null) {
      this.#time.after(late, () => {
        const { by, retryAfterSeconds, errorCode } = refusal;
        const retryAfterMs = retryAfterSeconds * 1_000;
        this.#paced[call.process]?.refused(sent, { by, retryAfterMs }, { seen: then, sentAtMs });
        this.#refused(sent, { status: 429, retryAfterSeconds, errorCode });
      });
      return;
    }
    this.#count.letIn(call, this.#time.nowMs);
    this.#time.after(call.durationMs, () => {
      this.#server.addOutput(SCOPE, call.outputTokens, this.#nowMs);
      this.#server.endOutput(SCOPE, call.maxTokens - call.outputTokens, this.#nowMs);
      const seen = this.#options.headers === 'stale' ? then : this.#seen();
      this.#time.after(late, () => {
        this.#count.done(call, this.#time.nowMs);
        this.#paced[call.process]?.answered(sent, seen, sentAtMs);
      });
    });
  }

  #refusalOf(call: TrafficCall): ServerRefusal | null {
    if (this.#acceleration?.allows(call.inputTokens, this.#nowMs) === false)
      return { by: 'acceleration', retryAfterSeconds: RAMP_RETRY_SECONDS, errorCode: 'ramp_limit_exceeded' };
    const refused = this.#server.admit(SCOPE, call, this.#nowMs);
    if (refused === null) {
      this.#acceleration?.take(call.inputTokens, this.#nowMs);
      return null;
    }
    const by = ['requests_limit', 'input_tokens_limit', 'output_tokens_limit'].indexOf(refused.refusal);
    return { by, retryAfterSeconds: refused.retryAfterSeconds, errorCode: null };
  }

  #overloaded(sent: Sent, sentAtMs: number): void {
    this.#paced[sent.call.process]?.refused(sent, null, { seen: this.#seen(), sentAtMs });
    this.#refused(sent, { status: 529, retryAfterSeconds: null, errorCode: null });
  }

  #refused(sent: Sent, refusal: Parameters<Strategy['waitMs']>[0]): void {
    const elapsedMs = this.#time.nowMs - sent.call.arrivedMs;
    const waitMs = this.#strategies[sent.call.process]?.waitMs(refusal, sent.attempts, elapsedMs) ?? null;
    if (waitMs === null) this.#count.failed(sent.call);
    else this.#time.after(waitMs, () => this.#try(sent));
  }

  #seen(): readonly [SeenLimit, SeenLimit, SeenLimit] {
    const headers = this.#server.headers(SCOPE, this.#nowMs);
    const [requests, input, output] = DIMENSIONS.map((name): SeenLimit => {
      const field = (what: string): string => headers[`anthropic-ratelimit-${name}-${what}`] ?? '';
      return {
        limit: Number(field('limit')),
        remaining: Number(field('remaining')),
        resetAtMs: Date.parse(field('reset')),
      };
    });
    return [requests as SeenLimit, input as SeenLimit, output as SeenLimit];
  }
}

/** Counts what came of the calls after the warm-up. */
class Count {
  readonly #options: RunOptions;
  readonly #minutes: { used: number; attempts: number; refused: number }[];
  readonly #took: number[] = [];
  readonly #alone: number[] = [];
  readonly #arrived: Record<Lane, number> = { interactive: 0, batch: 0 };
  readonly #done: Record<Lane, number> = { interactive: 0, batch: 0 };
  /** Units that came, for each second after the warm-up. */
  readonly #offered: number[];

  constructor(options: RunOptions) {
    this.#options = options;
    this.#minutes = Array.from({ length: options.minutes }, () => ({ used: 0, attempts: 0, refused: 0 }));
    this.#offered = Array.from({ length: (options.minutes - options.warmUp) * 60 }, () => 0);
  }

  arrived(call: TrafficCall): void {
    const second = Math.floor(call.arrivedMs / 1_000) - this.#options.warmUp * 60;
    if (second >= 0) this.#offered[second] = (this.#offered[second] ?? 0) + amountOf(call, this.#options.binding);
    if (this.#isFollowed(call)) this.#arrived[call.lane] += 1;
  }

  attempt(atMs: number, isRefused: boolean): void {
    const minute = this.#minute(atMs);
    minute.attempts += 1;
    if (isRefused) minute.refused += 1;
  }

  letIn(call: TrafficCall, atMs: number): void {
    this.#minute(atMs).used += amountOf(call, this.#options.binding);
  }

  done(call: TrafficCall, atMs: number): void {
    if (!this.#isFollowed(call)) return;
    this.#done[call.lane] += 1;
    if (call.lane !== 'interactive') return;
    this.#took.push(atMs - call.arrivedMs);
    this.#alone.push(call.durationMs + 100);
  }

  failed(_call: TrafficCall): void {
    // Counted as what did not get done.
  }

  figures(): RunFigures {
    const counted = this.#minutes.slice(this.#options.warmUp);
    const sum = (of: (minute: (typeof counted)[number]) => number): number =>
      counted.reduce((all, each) => all + of(each), 0);
    const share = (lane: Lane): number => this.#done[lane] / Math.max(1, this.#arrived[lane]);
    return {
      goodput: sum(({ used }) => used) / this.#achievable(),
      refused:
        sum(({ refused }) => refused) /
        Math.max(
          1,
          sum(({ attempts }) => attempts),
        ),
      attempts: sum(({ attempts }) => attempts),
      slowdown: percentile(this.#took, 0.95) / percentile(this.#alone, 0.95),
      done: { interactive: share('interactive'), batch: share('batch') },
      minutes: this.#minutes.map(({ used, attempts, refused }, at) => ({
        used: used / this.#limitAt(at),
        refused: refused / Math.max(1, attempts),
      })),
    };
  }

  /** What comes in the last seconds beyond the limit can be let in by nobody: what is offered or allowed is the less at each moment. */
  #achievable(): number {
    let [letIn, waiting] = [0, 0];
    for (const [second, offered] of this.#offered.entries()) {
      const now = Math.min(waiting + offered, this.#limitAt(this.#options.warmUp + Math.floor(second / 60)) / 60);
      waiting += offered - now;
      letIn += now;
    }
    return letIn;
  }

  #limitAt(minute: number): number {
    const { change, limits, binding } = this.#options;
    return limits[binding] * (change !== undefined && minute >= change.atMinute ? change.factor : 1);
  }

  #minute(atMs: number): { used: number; attempts: number; refused: number } {
    const at = Math.min(this.#minutes.length - 1, Math.floor(atMs / 60_000));
    return this.#minutes[at] ?? { used: 0, attempts: 0, refused: 0 };
  }

  /** Calls that come in the last minutes may not be over at the end: a batch call may wait for five, and take one. */
  #isFollowed({ arrivedMs }: TrafficCall): boolean {
    const { warmUp, minutes } = this.#options;
    return arrivedMs >= warmUp * 60_000 && arrivedMs < (minutes - 6) * 60_000;
  }
}

function scaled({ requests, inputTokens, outputTokens }: Limits, factor: number): Limits {
  return { requests: requests * factor, inputTokens: inputTokens * factor, outputTokens: outputTokens * factor };
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
