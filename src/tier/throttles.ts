import type { LimitDimension, Limiter, RateLimitReason } from '../vocabulary.ts';

const MINUTE_MS = 60_000;

const MINUTES = 7 * 24 * 60;

/** The length of the week that is kept. */
const WEEK_MS = MINUTES * MINUTE_MS;

/** Marks minutes of the last seven days: one bit each, 1,260 bytes in all. */
export class MinuteMarks {
  readonly #bits = new Uint8Array(MINUTES / 8);
  #newest = -Infinity;

  /** Marks the minute that holds this time. A time a week or more before the newest mark, by a clock that was set back, starts anew. */
  mark(atMs: number): void {
    const minute = Math.floor(atMs / MINUTE_MS);
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

/** Minutes of one UTC day; the first and the last day of a week may be there in part. */
export interface DayOfMinutes {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  /** Minutes in which a 429 came. */
  readonly throttledMinutes: number;
  /** Minutes with any answer of the model class, throttled ones included. */
  readonly activeMinutes: number;
}

/** The refusals of one model class for one reason in the last seven days. */
export interface Throttling {
  readonly modelClass: string;
  readonly reason: RateLimitReason;
  /** Oldest first, days without traffic included. */
  readonly days: readonly DayOfMinutes[];
}

/** The most that was used of one limit at any response of the last seven days. */
export interface PeakUse {
  readonly modelClass: string;
  readonly dimension: LimitDimension;
  /** 0 to 1. */
  readonly usedRatio: number;
}

/** More model classes than there are; the rest is not followed. */
const MOST_CLASSES = 100;

/** Remembers when model classes were refused in the last seven days, and how near to their limits they came. Bounded. */
export class ThrottleHistory {
  readonly #classes = new Map<string, ClassThrottles>();

  /** The history of one model class; `null` where there are too many of them. */
  of(modelClass: string): ClassThrottles | null {
    const known = this.#classes.get(modelClass);
    if (known !== undefined) return known;
    if (this.#classes.size >= MOST_CLASSES) return null;
    const created = new ClassThrottles();
    this.#classes.set(modelClass, created);
    return created;
  }

  /** The seven days that end now, for each model class and each reason it was refused for. */
  week(nowMs: number): readonly Throttling[] {
    return [...this.#classes].flatMap(([modelClass, { active, throttled }]) =>
      [...throttled].map(([reason, marks]) => ({ modelClass, reason, days: daysOf(marks, active, nowMs) })),
    );
  }

  /** The highest use of each limit that was seen in the seven days that end now. */
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

/** Remembers when one model class was refused, and how near to its limits it came. */
export class ClassThrottles {
  readonly active = new MinuteMarks();
  readonly throttled = new Map<RateLimitReason, MinuteMarks>();
  /** By dimension, for each day the most that was used: 0 to 1. */
  readonly peaks = new Map<LimitDimension, Map<number, number>>();

  /** Takes in a response with these limiters; `reason` is set where it was a 429. */
  see(limiters: readonly Limiter[], reason: RateLimitReason | null, atMs: number): void {
    this.active.mark(atMs);
    const day = dayOf(atMs);
    for (const { dimension, limit, remaining } of limiters) {
      if (limit === null || limit <= 0 || remaining === null) continue;
      const usedRatio = Math.min(1, Math.max(0, 1 - remaining / limit));
      const known = this.peaks.get(dimension)?.get(day);
      if (known === undefined || known < usedRatio) this.#raise(dimension, { day, usedRatio });
    }
    if (reason === null) return;
    const marks = this.throttled.get(reason) ?? new MinuteMarks();
    this.throttled.set(reason, marks);
    marks.mark(atMs);
  }

  /** Keeps a peak for each day, a week of them, so that old ones fall out one by one. */
  #raise(dimension: LimitDimension, { day, usedRatio }: { readonly day: number; readonly usedRatio: number }): void {
    const byDay = this.peaks.get(dimension) ?? new Map<number, number>();
    this.peaks.set(dimension, byDay);
    const isNew = !byDay.has(day);
    byDay.set(day, usedRatio);
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
  unknown: 'a limit that was not named',
  fast_input_tokens: null,
  fast_output_tokens: null,
  priority_input_tokens: null,
  priority_output_tokens: null,
};

/** The name of a limit in a sentence; `null` for what a higher tier does not raise, such as a spend cap. */
export function limitName(limit: RateLimitReason | LimitDimension): string | null {
  return LIMIT_NAMES[limit];
}

type Minutes = Omit<DayOfMinutes, 'day'>;

/** The minutes of several days together. */
export function total(days: readonly DayOfMinutes[]): Minutes {
  return {
    throttledMinutes: days.reduce((sum, { throttledMinutes }) => sum + throttledMinutes, 0),
    activeMinutes: days.reduce((sum, { activeMinutes }) => sum + activeMinutes, 0),
  };
}

/** Throttled minutes among the active ones: 0 to 1, and 0 where none was active. */
export function throttledShare({ throttledMinutes, activeMinutes }: Minutes): number {
  return activeMinutes === 0 ? 0 : Math.min(1, throttledMinutes / activeMinutes);
}
