import type { ExactUsd } from './exact-usd.ts';

/** The kinds of tokens that reports tell apart, by the names of this project. */
export const REPORT_KINDS = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'output'] as const;

export type ReportKind = (typeof REPORT_KINDS)[number];

/** A number for each kind of tokens: counts, rates or amounts. */
export type ByKind<T = bigint> = Readonly<Record<ReportKind, T>>;

export function byKind<T>(of: (kind: ReportKind) => T): ByKind<T> {
  return {
    input: of('input'),
    cache_read: of('cache_read'),
    cache_write_5m: of('cache_write_5m'),
    cache_write_1h: of('cache_write_1h'),
    output: of('output'),
  };
}

export const NOTHING: ByKind = Object.freeze(byKind(() => 0n));

/** Everything that the price of tokens depends on and that reports tell, and whose they were. */
export interface Mode {
  /** Canonical id; the report's own name where the table does not know it. */
  readonly model: string;
  readonly tier: string;
  readonly speed: string;
  readonly geo: string;
}

/** Use and costs of one key in one mode on one UTC day. */
export interface ReportCell extends Mode {
  /** The id of the key; `null` for use without one, such as the Console's. */
  readonly keyId: string | null;
  readonly tokens: ByKind;
  readonly searches: bigint;
  /** `null` where the report does not count them. */
  readonly requests: bigint | null;
  /** List prices; `null` where the report has no costs by key: those of the table then stand in. */
  readonly list: ByKind<ExactUsd> | null;
  readonly listSearches: ExactUsd;
  /** What is charged after discounts, searches included. */
  readonly billed: ExactUsd;
}

/** Costs that are not of tokens or searches. */
export interface OtherCost {
  readonly costType: string;
  readonly keyId: string | null;
  readonly list: ExactUsd;
  readonly billed: ExactUsd;
}

/** What the report says of one UTC day, and when it said so. */
export interface DayReport {
  readonly day: string;
  readonly readAtMs: number;
  /** `analytics` has list and billed amounts by key; `legacy` has billed amounts of the whole organization. */
  readonly source: 'analytics' | 'legacy';
  readonly cells: readonly ReportCell[];
  readonly others: readonly OtherCost[];
  /** The sum of the day that was asked for by itself, and does not agree with the rows; empty where all do. */
  readonly controlFailures: readonly string[];
}

/** Days of the report, and how far it is complete. */
export interface Reading {
  readonly days: readonly DayReport[];
  /** The end of complete data; `null` where nothing has landed: unknown, not zero. */
  readonly refreshedAtMs: number | null;
  readonly source: DayReport['source'];
}
