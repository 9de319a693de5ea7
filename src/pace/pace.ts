import { systemClock, systemTimers, type Clock, type Timers } from '../clock.ts';
import { ConfigurationError, optionProblems, unfit, type Problem } from '../errors.ts';
import type { CallSpend, SpendGuard } from '../decisions.ts';
import { modelClass } from '../tier/tiers.ts';
import type { Call } from '../vocabulary.ts';
import { Expectations } from './expectations.ts';
import { PacedCall, type PaceListener } from './pace-guard.ts';
import { PaceLine, type PaceSettings } from './pace-line.ts';
import { LANES, type Amounts, type Lane, type PaceDimension } from './pace-state.ts';
import { memoryPace, type PaceStore, type PaceStoreKind } from './pace-store.ts';

/** Limits of a class of models per minute, as the organization has them. */
export interface PaceLimits {
  readonly requests?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

/** Options of `pace()`. All have defaults. */
export interface PaceOptions {
  /**
   * Whose limits: an organization, or a workspace with limits of its own. Paces with the same name and store share what they
   * know. Default: `default`.
   */
  readonly name?: string;
  /** Default: `memoryPace()`, for one process. `sqlitePace()` for the processes of a machine, `redisPace()` for a fleet. */
  readonly store?: PaceStore;
  /**
   * `interactive` calls go before `batch` calls. Default: `interactive`, also for a function that throws or gives anything else. A
   * call without a lane, `null`, is not paced.
   */
  readonly lane?: Lane | ((call: Call) => Lane | null);
  /** Names the organization of a key, by the key's alias: keys of one organization share its limits. Default: all keys are of one. */
  readonly organizationOf?: (key: string) => string;
  /** Shares a lane by the values of an attribution label: a value of weight 2 gets twice as much as one of 1, the default. */
  readonly weights?: { readonly label: string; readonly of: Readonly<Record<string, number>> };
  /**
   * The longest that a call waits for its turns, all attempts together; then it is refused. One for both lanes, or one each.
   * Default: a minute for interactive calls, and five for batch calls.
   */
  readonly maxWaitMs?: number | Readonly<Partial<Record<Lane, number>>>;
  /** Most calls that wait in a lane of this process; more are refused. Default: 1,000. */
  readonly maxWaiting?: number;
  /**
   * Limits by class of models (`sonnet-5.5`), until headers show them. Default: those that `watchOrganization()` reads into
   * the same registry, unless there is an `organizationOf`; else the first two calls find out.
   */
  readonly limits?: Readonly<Record<string, PaceLimits>>;
  /** The part of the limits that may be used, above 0 up to 1. Default: 1. With a store in memory, 1 ÷ the number of processes. */
  readonly share?: number;
  /** The limit of a workspace may count tokens that are read from a cache; the API's own do not. Default: `false`. */
  readonly countsCacheReads?: boolean;
  /** The longest that a call waits for the store; then it is not paced. Default: 250 ms. */
  readonly storeDeadlineMs?: number;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
  /** For tests. From 0 to 1. */
  readonly random?: () => number;
}

/** What a pace needs of a client. */
export interface PaceHost {
  readonly listener: PaceListener;
  /** Returns the label of a model; an unknown id as it is. */
  readonly canonicalModel: (model: string) => string;
  /** What the organization's books say, per minute; 0 where they are not read. */
  readonly organizationLimit?: (modelClass: string, dimension: PaceDimension) => number;
}

/** Makes calls wait until the rate limits have room for them, for one client or many. */
export interface Pace {
  readonly name: string;
  /** For `instrument()`. */
  attach(host: PaceHost): SpendGuard;
  /** Calls that wait in this process, and how long the first of them has waited. */
  waiting(lane: Lane): { readonly calls: number; readonly longestMs: number };
  readonly store: { readonly kind: PaceStoreKind; readonly up: boolean };
  /** Closes the store. Nothing is paced any more. */
  close(): Promise<void>;
}

/** What somebody waits for, and a job that has time. */
export const MAX_WAIT_MS: Readonly<Record<Lane, number>> = { interactive: 60_000, batch: 300_000 };

/** More than the classes of an organization, or of several. */
const MOST_LINES = 200;

/**
 * Sends calls no faster than the rate limits allow, by the limits that response headers show: a call that does not fit into
 * what is left waits its turn, and one that never fits is refused before anything is sent. Limits are shared by the clients that
 * have the same pace. Errors of the pace's own are counted, and the call goes on.
 *
 * Throws a `ConfigurationError` (`PLIMSOLL_PACE_INVALID`) with all problems of the options.
 *
 * @example
 * const claude = instrument(new Anthropic(), { retry: retryPolicy(), pace: pace({ maxWaitMs: 30_000 }) });
 */
export function pace(options: PaceOptions = {}): Pace {
  const problems = paceProblems(options);
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_PACE_INVALID', problems);
  return new OwnPace(options);
}

class OwnPace implements Pace {
  readonly name: string;
  readonly #options: PaceOptions;
  readonly #settings: PaceSettings;
  readonly #expectations = new Expectations();
  readonly #lines = new Map<string, PaceLine>();

  constructor(options: PaceOptions) {
    this.#options = options;
    this.name = options.name ?? 'default';
    this.#settings = {
      name: this.name,
      store: options.store ?? memoryPace(),
      clock: options.clock ?? systemClock,
      timers: options.timers ?? systemTimers,
      random: options.random ?? Math.random,
      maxWaiting: options.maxWaiting ?? 1_000,
      share: options.share ?? 1,
      storeDeadlineMs: options.storeDeadlineMs ?? 250,
    };
  }

  attach(paceHost: PaceHost): SpendGuard {
    const { listener, canonicalModel } = paceHost;
    const { maxWaitMs, countsCacheReads = false } = this.#options;
    const host = {
      listener,
      expectations: this.#expectations,
      maxWaitMs:
        typeof maxWaitMs === 'number' ? { interactive: maxWaitMs, batch: maxWaitMs } : { ...MAX_WAIT_MS, ...maxWaitMs },
      storeDeadlineMs: this.#settings.storeDeadlineMs,
      countsCacheReads,
      laneOf: (call: Call) => this.#laneOf(call),
      flowOf: (call: Call) => this.#flowOf(call),
      classOf: (model: string) => modelClass(canonicalModel(model)),
      lineOf: (modelClass: string, key: string) => this.#lineOf({ modelClass, key }, paceHost),
    };
    return { started: (call): CallSpend => new PacedCall(call, host) };
  }

  waiting(lane: Lane): { readonly calls: number; readonly longestMs: number } {
    let [calls, longestMs] = [0, 0];
    for (const { turns } of this.#lines.values()) {
      calls += turns.waiting(lane);
      longestMs = Math.max(longestMs, turns.waiting(lane) === 0 ? 0 : turns.longestWaitMs(lane));
    }
    return { calls, longestMs };
  }

  get store(): { readonly kind: PaceStoreKind; readonly up: boolean } {
    return { kind: this.#settings.store.kind, up: [...this.#lines.values()].every(({ isUp }) => isUp) };
  }

  async close(): Promise<void> {
    await this.#settings.store.close();
  }

  #laneOf(call: Call): Lane | null {
    const { lane = 'interactive' } = this.#options;
    if (typeof lane !== 'function') return lane;
    try {
      const chosen = lane(call);
      return chosen === 'batch' || chosen === null ? chosen : 'interactive';
    } catch {
      return 'interactive';
    }
  }

  #flowOf({ attribution }: Call): { readonly flow: string; readonly weight: number } {
    const { weights } = this.#options;
    if (weights === undefined) return ONE_FLOW;
    const flow = attribution[weights.label] ?? '';
    return { flow, weight: (Object.hasOwn(weights.of, flow) ? weights.of[flow] : undefined) ?? 1 };
  }

  #lineOf({ modelClass, key }: LinePlace, { listener, organizationLimit }: PaceHost): PaceLine {
    const { organizationOf, limits } = this.#options;
    const id = organizationOf === undefined ? modelClass : `${organizationOf(key)} ${modelClass}`;
    const own = this.#lines.get(id);
    if (own !== undefined) return own;
    const isFull = this.#lines.size >= MOST_LINES && !this.#forgetIdle();
    const other = isFull ? this.#lines.get(OTHER) : undefined;
    if (other !== undefined) return other;
    const place = isFull ? OTHER : id;
    const line = new PaceLine(
      { place, modelClass: isFull ? OTHER : modelClass },
      () =>
        configured(
          limits?.[modelClass],
          isFull || organizationOf ? noLimit : (of) => organizationLimit?.(modelClass, of) ?? 0,
        ),
      this.#settings,
    );
    line.onError((error) => listener.failed(error));
    this.#lines.set(place, line);
    return line;
  }

  /** Makes room by the oldest line that nobody waits in; what its limits are, the store knows. Models may be made up. */
  #forgetIdle(): boolean {
    for (const [id, { turns }] of this.#lines)
      if (LANES.every((lane) => turns.waiting(lane) === 0)) return this.#lines.delete(id);
    return false;
  }
}

/** Whose calls share a line. */
interface LinePlace {
  readonly modelClass: string;
  readonly key: string;
}

const OTHER = 'other';

const ONE_FLOW = { flow: '', weight: 1 };

const noLimit = (): number => 0;

/** What the options say, else the organization's books. */
function configured(limits: PaceLimits = {}, ofBooks: (dimension: PaceDimension) => number): Amounts {
  const { requests, inputTokens, outputTokens } = limits;
  return [
    requests ?? ofBooks('requests'),
    inputTokens ?? ofBooks('input_tokens'),
    outputTokens ?? ofBooks('output_tokens'),
  ];
}

/** All of them, which the compiler holds to. */
const NAMES: Readonly<Record<keyof PaceOptions, true>> = {
  name: true,
  store: true,
  lane: true,
  organizationOf: true,
  weights: true,
  maxWaitMs: true,
  maxWaiting: true,
  limits: true,
  share: true,
  countsCacheReads: true,
  storeDeadlineMs: true,
  clock: true,
  timers: true,
  random: true,
};

function paceProblems(options: PaceOptions): readonly Problem[] {
  const { name, lane, share, maxWaitMs, maxWaiting, storeDeadlineMs, weights, limits } = options;
  const atLeast = (field: string, value: unknown, least: number): readonly Problem[] =>
    value === undefined || (typeof value === 'number' && value >= least && value < Infinity)
      ? []
      : [unfit(field, value, { expected: `a number from ${least} up`, advice: 'correct it, or leave it out' })];
  return [
    ...optionProblems(options, NAMES),
    ...(name === undefined || /^[\w.-]{1,64}$/.test(name)
      ? []
      : [unfit('name', name, { expected: 'up to 64 letters, digits, ".", "_" and "-"', advice: 'shorten it' })]),
    ...(lane === undefined || typeof lane === 'function' || LANES.includes(lane)
      ? []
      : [unfit('lane', lane, { expected: LANES.join(' or '), advice: "pass 'batch', or a function" })]),
    ...(share === undefined || (share > 0 && share <= 1)
      ? []
      : [unfit('share', share, { expected: 'above 0 up to 1', advice: 'pass 0.25 for one of four processes' })]),
    ...(typeof maxWaitMs === 'object'
      ? Object.entries(maxWaitMs).flatMap(([of, waitMs]) => atLeast(`maxWaitMs.${of}`, waitMs, 0))
      : atLeast('maxWaitMs', maxWaitMs, 0)),
    ...atLeast('maxWaiting', maxWaiting, 0),
    ...atLeast('storeDeadlineMs', storeDeadlineMs, 1),
    ...Object.entries(weights?.of ?? {}).flatMap(([of, weight]) =>
      weight > 0 && weight < Infinity
        ? []
        : [unfit(`weights.${of}`, weight, { expected: 'a number above 0', advice: 'pass 2 for twice as much' })],
    ),
    ...Object.entries(limits ?? {}).flatMap(([of, given]) =>
      Object.entries(given).flatMap(([dimension, limit]) => atLeast(`limits.${of}.${dimension}`, limit, 1)),
    ),
  ];
}
