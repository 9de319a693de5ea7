/**
 * What the page shows, as data: the answer of `GET data`, of which the page computes nothing. Money is in US dollars, times
 * named `…Ms` are milliseconds since the Unix epoch. `null` is a figure that is not known, never 0.
 */

import type { AdviceItem } from '../advice/item.ts';
import type { RangeSeconds } from './timeline.ts';

/** Ranges that are longer than what is in memory, in seconds: they are read from Prometheus. */
export const LONG_RANGES = [21_600, 86_400] as const;

export type ShownSeconds = RangeSeconds | (typeof LONG_RANGES)[number];

/** Why a Prometheus did not answer, as the page says it. */
export type PrometheusTrouble = 'cannot be reached' | 'took too long' | 'refused the query' | 'is no Prometheus';

/** The choice of a reader. Labels that are absent are not filtered by. */
export interface Query {
  /** Absent is the shortest range that holds all that was observed. */
  readonly rangeSeconds?: ShownSeconds;
  /** The pinned moment: the range is such that it holds it, where it is known. */
  readonly pinnedMs?: number;
  /** `key`, `model` and attribution labels, each with the chosen value. */
  readonly filter: Readonly<Record<string, string>>;
  /** The label of the table's rows; the first one there is, if absent. */
  readonly by?: string;
}

export interface View {
  /** The name of the service, as its owner gave it. */
  readonly name: string;
  readonly atMs: number;
  readonly rangeSeconds: ShownSeconds;
  /** Figures, charts and the table are counted in memory, or read from Prometheus. */
  readonly from: 'memory' | 'prometheus';
  /** The Prometheus that older moments and longer ranges are read from, and why it did not answer; `null` without one. */
  readonly prometheus: { readonly host: string; readonly trouble: PrometheusTrouble | null } | null;
  /** Whether the pinned moment is in the range; one that is older than the memory is unknown without Prometheus. */
  readonly pinned: 'shown' | 'unknown' | null;
  /** The earliest moment that is in memory. */
  readonly sinceMs: number;
  /** Calls are read in this process, or from the counters of metrics pages, where `unfiltered` names what that costs. */
  readonly source: 'calls' | 'metrics';
  /** Panels that do not follow the filter, because their metrics lack its labels. */
  readonly unfiltered: readonly PanelName[];
  /** The labels that can be filtered by, with the values of the last hour. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  /** The pages that are read; empty for a process that shows itself. */
  readonly replicas: readonly Replica[];
  /** Series that vanished from the pages of all replicas and were forgotten. What they had counted stays counted. */
  readonly forgottenSeries: number;
  readonly advice: readonly AdviceItem[];
  readonly numbers: Numbers;
  readonly charts: Charts;
  readonly limits: readonly LimitView[];
  readonly budgets: readonly BudgetView[];
  readonly tier: TierView | null;
  /** `null` where nobody paces. It follows no filter. */
  readonly pace: PaceView | null;
  readonly cache: CacheView | null;
  readonly bill: BillView | null;
  readonly credit: CreditView | null;
  readonly table: Table;
  /** Newest first; equal ones are one with a count. */
  readonly problems: readonly ProblemView[];
}

export type PanelName = 'rateLimited' | 'latency' | 'firstToken' | 'waits';

export interface Replica {
  /** Host and port. */
  readonly name: string;
  /** `null` if it never answered. */
  readonly seenAtMs: number | null;
  /** What it gave in place of its metrics, last: `status 404`. Its numbers are its last. `null` if it answers. */
  readonly trouble: string | null;
}

/** A p50 and a p95 in seconds, right to 5%; `null` where fewer than 20 calls were measured. */
export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
}

/** The range in numbers. */
export interface Numbers {
  readonly calls: number;
  readonly ok: number;
  readonly failed: number;
  /** Calls that their caller left: neither answered nor failed. */
  readonly left: number;
  /** `null` for a range of the past. */
  readonly lastMinute: number | null;
  /** Calls whose attribution found no room: they stand under `other`. */
  readonly folded: number;
  readonly attempts: number;
  readonly rateLimited: number;
  readonly retries: number;
  readonly waitSeconds: number;
  readonly latency: Quantiles | null;
  /** Waits included. */
  readonly firstToken: Quantiles | null;
  readonly costUsd: number;
  /** At the pace of the time that was really observed; `null` before a minute of it. */
  readonly costUsdPerHour: number | null;
  /** Seconds of the range that were observed. */
  readonly observedSeconds: number;
}

/** One value for each bin. `null` has no value in that bin. */
export type Row = readonly (number | null)[];

/** Bars count what happened in a bin; lines measure. Bins stand on whole steps of the clock. */
export interface Charts {
  readonly stepMs: number;
  /** The starts of the bins, oldest first. The last one is still being filled. */
  readonly startsMs: readonly number[];
  readonly answered: Row;
  readonly failed: Row;
  readonly left: Row;
  /** By reason, those that occurred in the range. */
  readonly rateLimited: Readonly<Record<string, Row>>;
  readonly latency: { readonly p50: Row; readonly p95: Row };
  readonly firstToken: { readonly p50: Row; readonly p95: Row };
  /** Seconds waited between attempts, by model. */
  readonly waits: Readonly<Record<string, Row>>;
  /** US dollars, by model. */
  readonly cost: Readonly<Record<string, Row>>;
}

/** One rate limit of a key and class of models. */
export interface LimitView {
  readonly key: string;
  readonly modelClass: string;
  readonly dimension: string;
  readonly limit: number;
  /** Refilled until now. */
  readonly remaining: number;
  /** The lowest in the range; `null` if no response showed any. */
  readonly lowest: number | null;
  /** When it is full again. */
  readonly resetAtMs: number | null;
  /** When a response last showed it. Older than 5 minutes is old, not full. */
  readonly observedAtMs: number | null;
}

export interface BudgetView {
  readonly name: string;
  readonly period: string;
  readonly scope: string;
  readonly limitUsd: number;
  readonly spentUsd: number;
  /** `block` refuses calls, `warn` only counts; `null` where a metrics page does not say. */
  readonly mode: string | null;
  /** The share of the period that has passed: an even pace has spent as much. */
  readonly paceRatio: number | null;
  /** Expected at the end of the period; `null` is too early to say. */
  readonly expectedUsd: number | null;
  readonly endsAtMs: number | null;
  readonly blocked: number;
}

export interface TierView {
  readonly tier: string;
  readonly next: string | null;
  readonly spentUsd: number | null;
  readonly capUsd: number | null;
  /** The day the cap is met at this month's pace; `null` if it is not, or not known. */
  readonly capMetAtMs: number | null;
}

/** What paces do, all together. Waits and refusals are of the range, or of the last hour where that is longer. */
export interface PaceView {
  /** Calls that wait now, and how long the first of them has. */
  readonly waiting: number;
  readonly longestSeconds: number;
  /** A store does not answer, so calls are not paced. */
  readonly isUnpaced: boolean;
  /** Attempts that waited and went, by what they waited for last: the most seconds first. */
  readonly waits: readonly {
    readonly lane: string;
    readonly cause: string;
    readonly count: number;
    readonly seconds: number;
  }[];
  /** Calls that were refused, because they are larger than a limit. */
  readonly neverFits: number;
}

export interface CacheView {
  /** Tokens read from the cache, of all input tokens. */
  readonly readRatio: number;
  /** What reading saved, less what writing cost more; `null` without prices. */
  readonly savedUsd: number | null;
}

/** What Anthropic's report bills for complete UTC days, beside what plimsoll recorded of them. */
export interface BillView {
  readonly window: 'yesterday' | 'last_7_days' | 'month';
  /** After discounts. */
  readonly billedUsd: number;
  readonly listedUsd: number | null;
  /** `null` without daily totals that are older than the window. */
  readonly recordedUsd: number | null;
  /** Why billed is not recorded: the largest first, three at most. */
  readonly causes: readonly { readonly cause: string; readonly usd: number }[];
}

/** Prepaid credit, reckoned from the balance that the user gave. */
export interface CreditView {
  readonly leftUsd: number;
  /** By what others may have spent since the report. */
  readonly leastUsd: number | null;
  /** At the pace of the last seven complete days; `null` if nothing is spent. */
  readonly daysLeft: number | null;
}

export interface Table {
  /** The label of the rows, and those that could be chosen. */
  readonly by: string;
  readonly labels: readonly string[];
  readonly rows: readonly TableRow[];
}

export interface TableRow {
  readonly value: string;
  readonly calls: number;
  readonly ok: number;
  readonly failed: number;
  readonly tokens: number;
  readonly costUsd: number;
  /** What the same tokens cost on the next cheaper model; `null` if there is none, or no price. */
  readonly cheaper: { readonly model: string; readonly costUsd: number } | null;
}

/** A call that did not end well. It has no content: no prompt, no answer, no message. */
export interface ProblemView {
  readonly atMs: number;
  readonly model: string;
  readonly operation: string;
  readonly outcome: string;
  /** The reason of a 429, or the limit on spend. */
  readonly reason: string | null;
  readonly retries: number;
  /** Anthropic's id of the refusal that ended the call; `null` without one. */
  readonly requestId: string | null;
  /** How many equal ones stand behind it. */
  readonly count: number;
}
