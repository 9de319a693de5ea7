import { KEEP_DAYS, dayAfter, dayStartMs, utcDay } from '../totals/day-totals.ts';
import type { ReportText } from '../totals/report-store.ts';
import type { ReadDays } from './organization.ts';
import { NOTHING, byKind, REPORT_KINDS, type ByKind, type DayReport, type Reading, type ReportCell } from './report.ts';

/** A day as it was last read, and as it was when it was first complete, if that was otherwise. */
interface KeptDay {
  readonly report: DayReport;
  readonly wasComplete: boolean;
  readonly first: DayReport | null;
}

/** These are read again at each poll: reports come late, and change in the first days. */
const FRESH_DAYS = 3;

/** These are read again once a day: amounts are corrected for 30 days. */
const REVISED_DAYS = 31;

/** Older days are kept as one sum for each key. */
const WHOLE_DAYS = 40;

/** So many days are read at once: what was read is kept, even if a later part fails. */
const DAYS_AT_ONCE = 7;

const DAY_MS = 86_400_000;

/** Days from one to before another. */
interface DayRange {
  readonly fromDay: string;
  readonly toDay: string;
}

/** The days of the reports that were read before, and which of them are due again. */
export class KeptDays {
  readonly #days = new Map<string, KeptDay>();
  #last: Pick<Reading, 'refreshedAtMs' | 'source'> = { refreshedAtMs: null, source: 'analytics' };

  constructor(texts: ReadonlyMap<string, string>) {
    for (const [day, text] of texts) this.#days.set(day, keptFrom(text));
  }

  /** What is due, the newest days first: those that are new, fresh, or not read for a day. */
  due({ fromDay, toDay }: DayRange, nowMs: number): readonly DayRange[] {
    const today = utcDay(nowMs);
    const freshDay = dayAfter(today, -FRESH_DAYS);
    const ranges: { fromDay: string; toDay: string }[] = [{ fromDay: later(freshDay, fromDay), toDay }];
    for (let day = dayAfter(freshDay, -1); day >= fromDay; day = dayAfter(day, -1)) {
      if (!this.#isDue(day, nowMs)) continue;
      const last = ranges.at(-1);
      const isNext = last !== undefined && ranges.length > 1 && last.fromDay === dayAfter(day);
      if (isNext && dayAfter(day, DAYS_AT_ONCE) >= last.toDay) last.fromDay = day;
      else ranges.push({ fromDay: day, toDay: dayAfter(day) });
    }
    return ranges;
  }

  #isDue(day: string, nowMs: number): boolean {
    const kept = this.#days.get(day);
    if (kept === undefined || !kept.wasComplete) return true;
    return day >= firstRevisedDay(nowMs) && nowMs - kept.report.readAtMs >= DAY_MS;
  }

  /** Takes what was read, and returns what is to be stored. */
  add({ days, refreshedAtMs, source }: Reading, isNewest: boolean): readonly ReportText[] {
    if (isNewest) this.#last = { refreshedAtMs, source };
    return days.map((report) => {
      const before = this.#days.get(report.day);
      const kept = { report, wasComplete: isComplete(report.day, refreshedAtMs), first: firstOf(before, report) };
      this.#days.set(report.day, kept);
      return { folder: 'days', name: report.day, text: keptText(kept) };
    });
  }

  /** Folds what is old, drops what is older, and returns what is to be stored. */
  age(nowMs: number): readonly ReportText[] {
    const today = utcDay(nowMs);
    const changes: ReportText[] = [];
    for (const [day, { report, wasComplete }] of this.#days) {
      if (day < dayAfter(today, -KEEP_DAYS)) {
        this.#days.delete(day);
        changes.push({ folder: 'days', name: day, text: null });
      } else if (day < dayAfter(today, -WHOLE_DAYS) && report.cells.some(({ model }) => model !== FOLDED)) {
        const kept = { report: folded(report), wasComplete, first: null };
        this.#days.set(day, kept);
        changes.push({ folder: 'days', name: day, text: keptText(kept) });
      }
    }
    return changes;
  }

  /** The days of a range. One that was not complete when it was read, and is by now, is left out until it is read again. */
  of({ fromDay, toDay }: DayRange): ReadDays {
    const { refreshedAtMs } = this.#last;
    const known = [...this.#days].filter(
      ([day, { wasComplete }]) => day >= fromDay && day < toDay && (wasComplete || !isComplete(day, refreshedAtMs)),
    );
    return {
      reading: { ...this.#last, days: known.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { report }]) => report) },
      firsts: known.flatMap(([, { first }]) => (first === null ? [] : [first])),
    };
  }
}

/** The earliest day that is read though nobody asks for it, so that corrections are found. */
export function firstRevisedDay(nowMs: number): string {
  return dayAfter(utcDay(nowMs), -REVISED_DAYS);
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}

function isComplete(day: string, refreshedAtMs: number | null): boolean {
  return refreshedAtMs !== null && dayStartMs(dayAfter(day)) <= refreshedAtMs;
}

/** Once a day is complete, its first reading is kept beside another one that says otherwise. */
function firstOf(before: KeptDay | undefined, report: DayReport): DayReport | null {
  if (before === undefined || !before.wasComplete) return null;
  if (before.first !== null) return before.first;
  const [old, now] = [before.report, report].map((each) => JSON.stringify(packed({ ...each, readAtMs: 0 })));
  return old === now ? null : before.report;
}

/** The model of days that are kept as sums. */
const FOLDED = 'other';

function folded(report: DayReport): DayReport {
  const byKey = new Map<string | null, ReportCell>();
  for (const { keyId, billed, listSearches, requests, list } of report.cells) {
    const sum = byKey.get(keyId);
    byKey.set(keyId, {
      ...{ keyId, model: FOLDED, tier: 'standard', speed: 'standard', geo: 'global', tokens: NOTHING, searches: 0n },
      list: list === null ? null : byKind((kind) => list[kind] + (sum?.list?.[kind] ?? 0n)),
      listSearches: listSearches + (sum?.listSearches ?? 0n),
      requests: requests === null ? null : requests + (sum?.requests ?? 0n),
      billed: billed + (sum?.billed ?? 0n),
    });
  }
  return { ...report, cells: [...byKey.values()] };
}

type PackedCell = readonly [
  keyId: string | null,
  mode: readonly [model: string, tier: string, speed: string, geo: string],
  tokens: readonly string[],
  counts: readonly [searches: string, requests: string | null],
  list: readonly string[] | null,
  amounts: readonly [listSearches: string, billed: string],
];

/** A day as JSON can hold it: whole numbers of any size are texts. */
interface PackedDay {
  readonly day: string;
  readonly readAtMs: number;
  readonly source: DayReport['source'];
  readonly cells: readonly PackedCell[];
  readonly others: readonly (readonly [costType: string, keyId: string | null, list: string, billed: string])[];
  readonly controlFailures: readonly string[];
}

function packed({ cells, others, ...day }: DayReport): PackedDay {
  return {
    ...day,
    cells: cells.map(({ keyId, model, tier, speed, geo, tokens, searches, requests, list, listSearches, billed }) => [
      keyId,
      [model, tier, speed, geo],
      REPORT_KINDS.map((kind) => String(tokens[kind])),
      [String(searches), requests === null ? null : String(requests)],
      list === null ? null : REPORT_KINDS.map((kind) => String(list[kind])),
      [String(listSearches), String(billed)],
    ]),
    others: others.map(({ costType, keyId, list, billed }) => [costType, keyId, String(list), String(billed)]),
  };
}

function unpacked({ cells, others, ...day }: PackedDay): DayReport {
  return {
    ...day,
    cells: cells.map(
      ([keyId, [model, tier, speed, geo], tokens, [searches, requests], list, [listSearches, billed]]) => ({
        ...{ keyId, model, tier, speed, geo, tokens: kindsIn(tokens), searches: BigInt(searches) },
        ...{ requests: requests === null ? null : BigInt(requests), list: list === null ? null : kindsIn(list) },
        ...{ listSearches: BigInt(listSearches), billed: BigInt(billed) },
      }),
    ),
    others: others.map(([costType, keyId, list, billed]) => ({
      ...{ costType, keyId, list: BigInt(list), billed: BigInt(billed) },
    })),
  };
}

function kindsIn(texts: readonly string[]): ByKind {
  return byKind((kind) => BigInt(texts[REPORT_KINDS.indexOf(kind)] ?? 0));
}

function keptText({ report, wasComplete, first }: KeptDay): string {
  return JSON.stringify({ report: packed(report), wasComplete, first: first === null ? null : packed(first) });
}

function keptFrom(text: string): KeptDay {
  const { report, wasComplete, first } = JSON.parse(text) as {
    readonly report: PackedDay;
    readonly wasComplete: boolean;
    readonly first: PackedDay | null;
  };
  return { report: unpacked(report), wasComplete, first: first === null ? null : unpacked(first) };
}
