import type { LimitDimension, Limiter, RateLimitReason } from '../vocabulary.ts';

const MINUTE_MS = 60_000;

const MINUTES = 7 * 24 * 60;

/** The length of the week that is kept. */
export const WEEK_MS = MINUTES * MINUTE_MS;

/** Which minutes of the last seven days something was true of: one bit each, 1,260 bytes in all. */
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

  /** How many minutes from `fromMs` until before `toMs` are marked. */
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

/** How often one model class was refused for one reason in the last seven days. */
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

/** What one model class went through. */
interface ClassHistory {
  readonly active: MinuteMarks;
  readonly throttled: Map<RateLimitReason, MinuteMarks>;
  readonly peaks: Map<LimitDimension, Map<number, number>>;
}

/** More model classes than there are; what comes after is not followed. */
const MOST_CLASSES = 100;

/** When the model classes were refused in the last seven days, and how near to their limits they came. Bounded in memory. */
export class ThrottleHistory {
  readonly #classes = new Map<string, ClassHistory>();

  /** An attempt was answered with these limiters. */
  answered(modelClass: string, limiters: readonly Limiter[], atMs: number): void {
    const history = this.#class(modelClass);
    if (history === null) return;
    history.active.mark(atMs);
    for (const { dimension, limit, remaining } of limiters) {
      if (limit === null || limit <= 0 || remaining === null) continue;
      raise(history.peaks, dimension, { atMs, usedRatio: Math.min(1, Math.max(0, 1 - remaining / limit)) });
    }
  }

  /** An attempt was refused with a 429. */
  throttled(modelClass: string, reason: RateLimitReason, atMs: number): void {
    const history = this.#class(modelClass);
    if (history === null) return;
    const marks = history.throttled.get(reason) ?? new MinuteMarks();
    history.throttled.set(reason, marks);
    marks.mark(atMs);
  }

  /** The seven days that end now, for each model class and each reason it was refused for. */
  week(nowMs: number): readonly Throttling[] {
    return [...this.#classes].flatMap(([modelClass, { active, throttled }]) =>
      [...throttled].map(([reason, marks]) => ({ modelClass, reason, days: daysOf(marks, active, nowMs) })),
    );
  }

  /** Of each model class and dimension that was seen in the seven days that end now. */
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

  #class(modelClass: string): ClassHistory | null {
    const known = this.#classes.get(modelClass);
    if (known !== undefined) return known;
    if (this.#classes.size >= MOST_CLASSES) return null;
    const created: ClassHistory = { active: new MinuteMarks(), throttled: new Map(), peaks: new Map() };
    this.#classes.set(modelClass, created);
    return created;
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

interface Peak {
  readonly atMs: number;
  readonly usedRatio: number;
}

/** A peak for each day, a week of them: so that old ones fall out one by one. */
function raise(peaks: ClassHistory['peaks'], dimension: LimitDimension, { atMs, usedRatio }: Peak): void {
  const byDay = peaks.get(dimension) ?? new Map<number, number>();
  peaks.set(dimension, byDay);
  const day = dayOf(atMs);
  const known = byDay.get(day);
  if (known !== undefined && known >= usedRatio) return;
  byDay.set(day, usedRatio);
  if (known !== undefined || byDay.size <= DAYS) return;
  const farthest = [...byDay.keys()].reduce((far, one) => (Math.abs(one - day) > Math.abs(far - day) ? one : far), day);
  byDay.delete(farthest);
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

export type Minutes = Omit<DayOfMinutes, 'day'>;

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
