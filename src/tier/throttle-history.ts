import type { LimitDimension, Limiter, RateLimitReason } from '../vocabulary.ts';
import { MinuteMarks, WEEK_MS } from './minute-marks.ts';

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
