import type { LimitDimension, Limiter } from '../limiter.ts';
import type { RateLimitReason } from '../vocabulary.ts';

const MINUTE_MS = 60_000;

const MINUTES = 7 * 24 * 60;

/** The length of the week that is kept. */
const WEEK_MS = MINUTES * MINUTE_MS;

/** Marks minutes of the last seven days: one bit each, 1,260 bytes in all. */
export class MinuteMarks {
  readonly #bits = new Uint8Array(MINUTES / 8);
  #newest = -Infinity;
  /** The minute that was marked last. */
  #last = Number.NaN;

  /**
   * Marks the minute that contains this time. A time a week or more before the newest mark, from a clock that was set
   * back, clears all marks.
   */
  mark(atMs: number): void {
    const minute = Math.floor(atMs / MINUTE_MS);
    if (minute === this.#last) return;
    this.#last = minute;
    if (Math.abs(minute - this.#newest) >= MINUTES) {
      this.#bits.fill(0);
      this.#newest = minute;
    }
    for (let skipped = this.#newest + 1; skipped <= minute; skipped += 1) this.#write(skipped, false);
    this.#newest = Math.max(this.#newest, minute);
    this.#write(minute, true);
  }

  /** Counts the marked minutes from `fromMs` to before `toMs`. */
  count(fromMs: number, toMs: number): number {
    const first = Math.max(Math.floor(fromMs / MINUTE_MS), this.#newest - MINUTES + 1);
    const last = Math.min(Math.ceil(toMs / MINUTE_MS) - 1, this.#newest);
    let marked = 0;
    for (let minute = first; minute <= last; minute += 1) if (this.#read(minute)) marked += 1;
    return marked;
  }

  #write(minute: number, on: boolean): void {
    const slot = minute % MINUTES;
    const byte = this.#bits[slot >> 3] ?? 0;
    this.#bits[slot >> 3] = on ? byte | (1 << (slot & 7)) : byte & ~(1 << (slot & 7));
  }

  #read(minute: number): boolean {
    const slot = minute % MINUTES;
    return ((this.#bits[slot >> 3] ?? 0) & (1 << (slot & 7))) !== 0;
  }
}

const DAY_MS = 24 * 60 * 60_000;

const DAYS = WEEK_MS / DAY_MS;

/** Minutes of one UTC day; the first and the last day of a week may be partial. */
export interface DayOfMinutes {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  /** Minutes with a 429. */
  readonly throttledMinutes: number;
  /** Minutes with any response of the model class, including throttled ones. */
  readonly activeMinutes: number;
}

/** The refusals of one model class for one reason in the last seven days. */
export interface Throttling {
  readonly modelClass: string;
  readonly reason: RateLimitReason;
  /** Oldest first, days without traffic included. */
  readonly days: readonly DayOfMinutes[];
}

/** The highest use of one limit in any response of the last seven days. */
export interface PeakUse {
  readonly modelClass: string;
  readonly dimension: LimitDimension;
  /** 0 to 1. */
  readonly usedRatio: number;
}

/** More model classes than exist; any others are ignored. */
const MOST_CLASSES = 100;

/**
 * Remembers when model classes were refused in the last seven days, and how close to their limits they came. Bounded.
 */
export class ThrottleHistory {
  readonly #classes = new Map<string, ClassThrottles>();

  /** The history of one model class; `null` if there are too many of them. */
  of(modelClass: string): ClassThrottles | null {
    const known = this.#classes.get(modelClass);
    if (known !== undefined) return known;
    if (this.#classes.size >= MOST_CLASSES) return null;
    const created = new ClassThrottles();
    this.#classes.set(modelClass, created);
    return created;
  }

  /** Returns the last seven days, for each model class and each reason of its refusals. */
  week(nowMs: number): readonly Throttling[] {
    return [...this.#classes].flatMap(([modelClass, { active, throttled }]) =>
      [...throttled].map(([reason, marks]) => ({ modelClass, reason, days: daysOf(marks, active, nowMs) })),
    );
  }

  /** Returns the highest use of each limit in the last seven days. */
  peaks(nowMs: number): readonly PeakUse[] {
    const oldestDay = dayOf(nowMs) - DAYS + 1;
    return [...this.#classes].flatMap(([modelClass, { peaks }]) =>
      [...peaks].flatMap(([dimension, byDay]) => {
        const week = [...byDay].filter(([day]) => day >= oldestDay && day <= dayOf(nowMs));
        return week.length === 0
          ? []
          : [{ modelClass, dimension, usedRatio: Math.max(...week.map(([, ratio]) => ratio)) }];
      }),
    );
  }
}

/** Remembers when one model class was refused, and how close to its limits it came. */
export class ClassThrottles {
  readonly active = new MinuteMarks();
  readonly throttled = new Map<RateLimitReason, MinuteMarks>();
  /** By dimension, the highest use of each day: 0 to 1. */
  readonly peaks = new Map<LimitDimension, Map<number, number>>();
  /** The peaks of the day of the last response. */
  readonly #ofDay = new Map<LimitDimension, number>();
  #day = Number.NaN;

  /** Records a response with these limiters; `reason` is set if it was a 429. */
  see(limiters: readonly Limiter[], reason: RateLimitReason | null, atMs: number): void {
    this.active.mark(atMs);
    const day = dayOf(atMs);
    if (day !== this.#day) this.#ofDay.clear();
    this.#day = day;
    for (const { dimension, limit, remaining } of limiters) {
      if (limit === null || limit <= 0 || remaining === null) continue;
      const usedRatio = Math.min(1, Math.max(0, 1 - remaining / limit));
      const known = this.#ofDay.get(dimension);
      if (known === undefined || known < usedRatio) this.#raise(dimension, { day, usedRatio });
    }
    if (reason === null) return;
    const marks = this.throttled.get(reason) ?? new MinuteMarks();
    this.throttled.set(reason, marks);
    marks.mark(atMs);
  }

  /** Keeps the peak of each day for a week, so that old ones drop out one by one. */
  #raise(dimension: LimitDimension, { day, usedRatio }: { readonly day: number; readonly usedRatio: number }): void {
    const byDay = this.peaks.get(dimension) ?? new Map<number, number>();
    this.peaks.set(dimension, byDay);
    const isNew = !byDay.has(day);
    this.#ofDay.set(dimension, usedRatio);
    byDay.set(day, Math.max(usedRatio, byDay.get(day) ?? 0));
    if (!isNew || byDay.size <= DAYS) return;
    const away = (other: number): number => Math.abs(other - day);
    byDay.delete([...byDay.keys()].reduce((far, one) => (away(one) > away(far) ? one : far), day));
  }
}

function daysOf(throttled: MinuteMarks, active: MinuteMarks, nowMs: number): readonly DayOfMinutes[] {
  const fromMs = nowMs - WEEK_MS;
  const today = dayOf(nowMs);
  return Array.from({ length: DAYS + 1 }, (_, index) => {
    const startMs = (today - DAYS + index) * DAY_MS;
    const [first, last] = [Math.max(startMs, fromMs), Math.min(startMs + DAY_MS, nowMs + 1)];
    return {
      day: new Date(startMs).toISOString().slice(0, 10),
      throttledMinutes: throttled.count(first, last),
      activeMinutes: active.count(first, last),
    };
  });
}

function dayOf(atMs: number): number {
  return Math.floor(atMs / DAY_MS);
}

/** The names of limits in a sentence; `null` for what a higher tier does not raise. */
const LIMIT_NAMES: Readonly<Record<RateLimitReason | LimitDimension, string | null>> = {
  requests: 'requests',
  input_tokens: 'input tokens',
  output_tokens: 'output tokens',
  tokens: 'tokens',
  fast_mode: 'fast mode',
  acceleration: null,
  concurrency: 'concurrent connections',
  prompt_too_large: 'input tokens, by a single prompt',
  long_context: null,
  spend_limit: null,
  contract_spend_limit: null,
  client_limit: null,
  unknown: 'a limit that was not named',
  fast_input_tokens: null,
  fast_output_tokens: null,
  priority_input_tokens: null,
  priority_output_tokens: null,
};

/**
 * Returns the name of a limit for a sentence; `null` for limits that a higher tier does not raise, such as a spend cap.
 */
export function limitName(limit: RateLimitReason | LimitDimension): string | null {
  return LIMIT_NAMES[limit];
}

type Minutes = Omit<DayOfMinutes, 'day'>;

/** Sums the minutes of several days. */
export function total(days: readonly DayOfMinutes[]): Minutes {
  return {
    throttledMinutes: days.reduce((sum, { throttledMinutes }) => sum + throttledMinutes, 0),
    activeMinutes: days.reduce((sum, { activeMinutes }) => sum + activeMinutes, 0),
  };
}

/** Returns the share of active minutes that were throttled: 0 to 1, and 0 if none was active. */
export function throttledShare({ throttledMinutes, activeMinutes }: Minutes): number {
  return activeMinutes === 0 ? 0 : Math.min(1, throttledMinutes / activeMinutes);
}
