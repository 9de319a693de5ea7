import type { Clock } from '../../clock.ts';
import type { LimitDimension, Limiter } from '../../limiter.ts';
import type { FailoverReason, KeyState } from '../../record/metrics/catalogue-gateway.ts';
import { remainingAt } from '../../tier/headroom.ts';

/** Why a key is not asked, and until when. */
interface Rest {
  readonly reason: FailoverReason;
  /** Monotonic. */
  untilMs: number;
  /** Refusals in a row. */
  readonly failures: number;
  /** A request tries it. */
  isTried: boolean;
}

/** One limit as a response showed it. */
interface SeenLimit {
  readonly limit: number;
  readonly remaining: number;
  readonly resetAtMs: number | null;
  readonly atMs: number;
}

/** One model class of a key, or the whole key. */
interface Part {
  rest: Rest | null;
  readonly limits: Map<LimitDimension, SeenLimit>;
}

/** A refusal of a key. */
interface KeyRefusal {
  readonly reason: FailoverReason;
  /** The wait that the API asked for; `null` for none. */
  readonly retryAfterMs: number | null;
}

interface RestRule {
  /** Whether one model class rests, or the whole key. */
  readonly scope: 'class' | 'key';
  readonly firstMs: number;
  readonly mostMs: number;
  /** The limit refills by itself: no request has to try it first. */
  readonly isTimed: boolean;
  /** Whether a response of this status shows that the reason is gone, though it is no success. */
  readonly isOverAt: (status: number) => boolean;
}

const never = (): boolean => false;

/** The API looks at the key before it looks at the request. */
const isAuthorized = (status: number): boolean => status >= 400 && status < 500 && status !== 401;

/** Rests double with each refusal in a row. A cap may be raised, and a key made valid again, at any time. */
const RESTS: Readonly<Record<FailoverReason, RestRule>> = {
  rate_limited: { scope: 'class', firstMs: 5_000, mostMs: 5_000, isTimed: true, isOverAt: never },
  overloaded: { scope: 'class', firstMs: 1_000, mostMs: 30_000, isTimed: false, isOverAt: never },
  spend_limited: { scope: 'key', firstMs: 60_000, mostMs: 600_000, isTimed: false, isOverAt: never },
  unauthorized: { scope: 'key', firstMs: 60_000, mostMs: 600_000, isTimed: false, isOverAt: isAuthorized },
  unreachable: { scope: 'key', firstMs: 1_000, mostMs: 30_000, isTimed: false, isOverAt: () => true },
};

/** Waits that the API asks for keep a key away for no less and no longer. */
const LEAST_ASKED_MS = 1_000;
const LONGEST_ASKED_MS = 600_000;

/** A request that tries a resting key has this long, then another tries it. */
const TRIAL_MS = 10_000;

/** A rest that has been over for so long without a request that tries the key says nothing any more. */
const RESTS_STAND_MS = 600_000;

/** More than the API has. Clients name models as they like: the classes beyond share one. */
const MOST_CLASSES = 64;

const OTHER_CLASS = 'other';

/** Limits seen longer ago say nothing. */
const LIMITS_STAND_MS = 5 * 60_000;

/** The least part of a key's weight: one without headroom still gets a request now and then. */
const LEAST_HEADROOM = 0.01;

/**
 * The circuit breaker of one key, and what is left of its limits, by model class. In memory alone: each replica learns by
 * itself.
 */
export class KeyHealth {
  readonly #clock: Clock;
  readonly #whole: Part = { rest: null, limits: new Map() };
  readonly #classes = new Map<string, Part>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the key is not to be asked for the class now, and until when; `null` if it may be. */
  rest(modelClass: string): Pick<Rest, 'reason' | 'untilMs'> | null {
    const nowMs = this.#clock.monotonicMs();
    const rests = this.#parts(modelClass).map((part) => restOf(part, nowMs));
    return rests.find((rest) => rest !== null && rest.untilMs > nowMs) ?? null;
  }

  /** A request is about to be sent. A key that rested is then tried by this one alone; tells whether it is. */
  begin(modelClass: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    let isTrial = false;
    for (const part of this.#parts(modelClass)) {
      const rest = restOf(part, nowMs);
      if (rest === null || rest.untilMs > nowMs) continue;
      rest.isTried = true;
      rest.untilMs = nowMs + TRIAL_MS;
      isTrial = true;
    }
    return isTrial;
  }

  /** The request that tried the key was not sent, or was given up by its client: the next one tries it. */
  giveBack(modelClass: string): void {
    for (const { rest } of this.#parts(modelClass)) if (rest?.isTried === true) endTrial(rest, this.#clock);
  }

  /**
   * The request that tried the key got a response that is no success. One that the API gives for the request itself ends the
   * trial; one of the server's says nothing, and the next trial is ten seconds after this one.
   */
  answer(modelClass: string, status: number): void {
    for (const part of this.#parts(modelClass)) {
      const { rest } = part;
      if (rest?.isTried !== true) continue;
      if (RESTS[rest.reason].isOverAt(status)) part.rest = null;
      else if (status < 500) endTrial(rest, this.#clock);
    }
  }

  succeed(modelClass: string): void {
    for (const part of this.#parts(modelClass)) part.rest = null;
  }

  refuse(modelClass: string, { reason, retryAfterMs }: KeyRefusal): void {
    const { scope, firstMs, mostMs } = RESTS[reason];
    const [whole, ofClass] = this.#parts(modelClass);
    const part = scope === 'key' ? whole : ofClass;
    const failures = part.rest?.reason === reason ? part.rest.failures + 1 : 1;
    const ownMs = Math.min(firstMs * 2 ** (failures - 1), mostMs);
    const restMs = retryAfterMs === null ? ownMs : Math.min(Math.max(retryAfterMs, LEAST_ASKED_MS), LONGEST_ASKED_MS);
    part.rest = { reason, failures, untilMs: this.#clock.monotonicMs() + restMs, isTried: false };
  }

  /** Notes the limits that a response showed. */
  see(modelClass: string, limiters: readonly Limiter[]): void {
    const atMs = this.#clock.epochMs();
    const [, { limits }] = this.#parts(modelClass);
    for (const { dimension, limit, remaining, resetAtMs } of limiters) {
      if (limit !== null && limit > 0 && remaining !== null)
        limits.set(dimension, { limit, remaining, resetAtMs, atMs });
    }
  }

  /** The part that is left now of the tightest limit, at most 1, and never 0; 1 if no limit is known. */
  headroom(modelClass: string): number {
    const nowMs = this.#clock.epochMs();
    const [, { limits }] = this.#parts(modelClass);
    let least = 1;
    for (const seen of limits.values()) {
      if (Math.abs(nowMs - seen.atMs) > LIMITS_STAND_MS) continue;
      least = Math.min(least, remainingAt(seen, nowMs) / seen.limit);
    }
    return Math.max(LEAST_HEADROOM, least);
  }

  /** The state of the whole key, or of the first class that rests. */
  get state(): KeyState {
    const nowMs = this.#clock.monotonicMs();
    for (const part of [this.#whole, ...this.#classes.values()]) {
      const rest = restOf(part, nowMs);
      if (rest !== null) return rest.isTried || rest.untilMs <= nowMs ? 'half_open' : rest.reason;
    }
    return 'closed';
  }

  #parts(modelClass: string): readonly [whole: Part, ofClass: Part] {
    const known = this.#classes.get(modelClass);
    if (known !== undefined) return [this.#whole, known];
    const name = this.#classes.size < MOST_CLASSES ? modelClass : OTHER_CLASS;
    const made = this.#classes.get(name) ?? { rest: null, limits: new Map() };
    this.#classes.set(name, made);
    return [this.#whole, made];
  }
}

/** The rest of a part, which is over by itself where the limit refills, and where nobody has tried the key for long. */
function restOf(part: Part, nowMs: number): Rest | null {
  const { rest } = part;
  if (rest === null || rest.untilMs > nowMs) return rest;
  if (RESTS[rest.reason].isTimed || rest.untilMs + RESTS_STAND_MS <= nowMs) part.rest = null;
  return part.rest;
}

function endTrial(rest: Rest, clock: Clock): void {
  rest.isTried = false;
  rest.untilMs = clock.monotonicMs();
}

/** The health of keys by alias. A key of another text begins anew, whatever is still under way with the one before. */
export class KeyStates {
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly text: string; readonly health: KeyHealth }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(alias: string, text: string): KeyHealth {
    const known = this.#known.get(alias);
    if (known?.text === text) return known.health;
    const health = new KeyHealth(this.#clock);
    this.#known.set(alias, { text, health });
    return health;
  }

  /** `null` for a key that was not asked for. */
  state(alias: string): KeyState | null {
    return this.#known.get(alias)?.health.state ?? null;
  }
}
