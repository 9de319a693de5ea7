import { utcMonth, type Span } from '../clock.ts';
import type { Call, CallCost, Outcome } from '../vocabulary.ts';
import type { Window } from './ledger.ts';

/** A limit on the cost of a scope's calls in a period, with all defaults filled in. Read from a `BudgetDefinition`. */
export interface Budget {
  readonly name: string;
  readonly scope: Scope;
  readonly period: Period;
  readonly limitNanoUsd: bigint;
  readonly mode: BudgetMode;
  /** Shares of the limit, ascending. */
  readonly thresholds: readonly number[];
  /** `block` refuses a call whose model has no price. */
  readonly onUnknownPrice: 'allow' | 'block';
  /** What becomes of calls while the ledger does not answer; `null`: what suits who asks. Only in mode `block`. */
  readonly onLedgerDown: OnLedgerDown | null;
}

/**
 * `closed` refuses calls while the ledger does not answer, `open` lets all of them through, and `bounded` as many as fit
 * into what the ledger last said was left, at most 5% of the limit for each process.
 */
export const ON_LEDGER_DOWN = ['bounded', 'closed', 'open'] as const;

/** What happens to calls while the ledger cannot be reached. */
export type OnLedgerDown = (typeof ON_LEDGER_DOWN)[number];

/** `observe` measures, `warn` also counts the calls that go over, `block` refuses them before they are sent. */
export const BUDGET_MODES = ['observe', 'warn', 'block'] as const;

/** What a budget does once its amount is reached: only reports, or refuses calls. */
export type BudgetMode = (typeof BUDGET_MODES)[number];

/** A budget's decision before a call. `unavailable`: its ledger did not respond, so `onLedgerDown` decided. */
export const DECISIONS = ['allowed', 'warned', 'blocked', 'unavailable'] as const;

/** What a budget decided about a call. */
export type Decision = (typeof DECISIONS)[number];

/** Counts what calls do to one budget. Must not throw. */
export interface BudgetCounts {
  /** Counts a decision about a call. */
  decided(decision: Decision): void;
  /** Counts what a call, or a batch result, has cost. */
  spent(nanoUsd: bigint): void;
}

/**
 * Names the budget's account in a ledger. Another period is another account; another limit or scope keeps the account.
 */
export function accountName({ name, period }: Budget): string {
  return `${name}/${periodName(period)}`;
}

/**
 * Tells whether a ledger in memory is wrong for the budget: a restart loses the month's spend, and each process blocks
 * by itself.
 */
export function isVolatileInMemory({ mode, period }: Budget): boolean {
  return mode === 'block' || period.kind === 'month';
}

const MILLIONTHS = 1_000_000;

/** The thresholds as spend in nano-dollars, ascending, each rounded up to a millionth of the limit. */
export function thresholdsNanoUsd({ thresholds, limitNanoUsd }: Budget): readonly bigint[] {
  const millionths = thresholds.map((part) => BigInt(Math.round(part * MILLIONTHS)));
  return millionths.map((part) => (limitNanoUsd * part + BigInt(MILLIONTHS - 1)) / BigInt(MILLIONTHS));
}

/** The calls that a budget counts. A model may be any id that the price table knows; a label is one that `attribution` declares. */
export type Scope =
  | { readonly kind: 'all' }
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'model'; readonly model: string }
  | { readonly kind: 'label'; readonly label: string; readonly value: string };

/** `all`, `key=prod-api`, `model=claude-opus-5-5`, `tenant=acme`: the value of the metric label `scope`. */
export function scopeName(scope: Scope): string {
  switch (scope.kind) {
    case 'all':
      return 'all';
    case 'key':
      return `key=${scope.key}`;
    case 'model':
      return `model=${scope.model}`;
    case 'label':
      return `${scope.label}=${scope.value}`;
  }
}

/** Replaces the model of a scope by its canonical id, which costs are counted under. */
export function canonicalScope(scope: Scope, canonicalModel: (id: string) => string): Scope {
  return scope.kind === 'model' ? { kind: 'model', model: canonicalModel(scope.model) } : scope;
}

/**
 * Tells whether a scope counts the call. A model's scope counts every call, because costs are divided by model later.
 */
export function inScope(scope: Scope, call: Pick<Call, 'key' | 'attribution'>): boolean {
  if (scope.kind === 'key') return call.key === scope.key;
  if (scope.kind === 'label') return call.attribution[scope.label] === scope.value;
  return true;
}

/** The expected cost of each model that may answer; `null` where one has no price. */
interface ExpectedCost {
  readonly parts: readonly { readonly model: string; readonly nanoUsd: bigint | null }[];
}

/**
 * Returns the expected cost on the models of the scope: `null` if one has no price, `undefined` if none is in the
 * scope.
 */
export function expectedInScope(scope: Scope, { parts }: ExpectedCost): bigint | null | undefined {
  let sum: bigint | undefined;
  for (const { model, nanoUsd } of parts) {
    if (scope.kind === 'model' && model !== scope.model) continue;
    if (nanoUsd === null) return null;
    sum = sum === undefined ? nanoUsd : sum + nanoUsd;
  }
  return sum;
}

/**
 * Returns the part of a call's cost that counts for a canonical scope, in whole nano-dollars; the call is in the scope.
 * For a model's scope, only the parts that ran on it count, whatever model was requested. Unpriced parts add nothing.
 */
export function costInScope(scope: Scope, cost: CallCost): bigint {
  if (scope.kind !== 'model') return BigInt(cost.totalNanoUsd);
  let sum = 0n;
  for (const { model, cost: kinds } of cost.parts) {
    if (model !== scope.model || kinds === null) continue;
    for (const nanoUsd of Object.values(kinds)) sum += BigInt(nanoUsd);
  }
  return sum;
}

/** The cost of a call without its first `covered` attempts that were left: they were charged with what they held. */
export function dueCost({ cost, usage }: Pick<Call, 'cost' | 'usage'>, covered: number): CallCost | null {
  if (cost === null || covered === 0) return cost;
  let { totalNanoUsd } = cost;
  let seen = 0;
  const parts = cost.parts.filter(({ cost: kinds }, at) => {
    if (usage?.parts[at]?.role !== 'left' || ++seen > covered) return true;
    totalNanoUsd -= kinds?.input_estimated ?? 0;
    return false;
  });
  return { ...cost, parts, totalNanoUsd };
}

/** The ends of a call before its answer is whole. */
const LEFT: ReadonlySet<Outcome | null> = new Set<Outcome>([
  'cancelled',
  'timeout',
  'connection_error',
  'abandoned',
  'truncated',
  'stream_error',
]);

/**
 * Tells whether a call costs at least what it held: it was left while it was answered, or after it was sent, and the server
 * has not said what it cost. `isSent`: where nothing was reported; `always`: also where something was.
 */
export function costsItsHold(
  {
    outcome,
    stopReason,
    usage,
    isBilledToAnother,
  }: Pick<Call, 'outcome' | 'stopReason' | 'usage' | 'isBilledToAnother'>,
  isSent: boolean,
  always: boolean,
): boolean {
  if (isBilledToAnother || !LEFT.has(outcome) || stopReason !== null) return false;
  const isReported = usage?.parts.some(({ role }) => role !== 'left') === true;
  return isReported ? always : isSent;
}

/** The time that a budget's limit covers. Days and months follow the calendar in UTC, as the API's own caps do. */
export type Period =
  { readonly kind: 'day' } | { readonly kind: 'month' } | { readonly kind: 'rolling'; readonly lengthMs: number };

/** `day`, `month`, `rolling_24h`, `rolling_90s`: the value of the metric label `period`, and part of the account's name. */
export function periodName(period: Period): string {
  if (period.kind !== 'rolling') return period.kind;
  const { lengthMs } = period;
  if (lengthMs % HOUR_MS === 0) return `rolling_${lengthMs / HOUR_MS}h`;
  return lengthMs % 1000 === 0 ? `rolling_${lengthMs / 1000}s` : `rolling_${lengthMs}ms`;
}

const HOUR_MS = 3_600_000;

const DAY_MS = 24 * HOUR_MS;

/**
 * Returns the period that contains `atMs`. A rolling one starts its length before `atMs`, and ends when nothing that
 * was spent until `atMs` counts any more.
 */
export function spanAt(period: Period, atMs: number): Span {
  switch (period.kind) {
    case 'day': {
      const startMs = Math.floor(atMs / DAY_MS) * DAY_MS;
      return { startMs, endMs: startMs + DAY_MS };
    }
    case 'month':
      return utcMonth(atMs);
    case 'rolling':
      return { startMs: atMs - period.lengthMs, endMs: atMs + period.lengthMs };
  }
}

/** Parts of a rolling window: spend leaves the window up to one part late, never early. */
const ROLLING_PARTS = 60;

/** The length of a bucket of spend: an hour for calendar periods, a part of the window for a rolling one. */
export function bucketMs(period: Period): number {
  return period.kind === 'rolling' ? Math.ceil(period.lengthMs / ROLLING_PARTS) : HOUR_MS;
}

/** Returns the start of the bucket that contains `atMs`. */
export function bucketAt(period: Period, atMs: number): number {
  const length = bucketMs(period);
  return Math.floor(atMs / length) * length;
}

/** A forecast for a calendar period looks back five weeks. */
const HISTORY_MS = 35 * DAY_MS;

/** The buckets of spend that matter at a time. */
interface Horizon {
  /** The spend that makes up the balance. */
  readonly window: Window;
  /** Earlier buckets may be dropped. */
  readonly keepFromMs: number;
}

const CALENDAR: Window = { kind: 'calendar' };

/** Returns the horizon of a period now. */
export function horizonAt(period: Period, nowMs: number): Horizon {
  if (period.kind !== 'rolling') return { window: CALENDAR, keepFromMs: nowMs - HISTORY_MS };
  const keepFromMs = bucketAt(period, nowMs - period.lengthMs);
  // Spend in the future was recorded before the clock was set back. It still counts.
  const untilMs = nowMs + period.lengthMs;
  return { window: { kind: 'rolling', fromMs: keepFromMs, untilMs, bucketMs: bucketMs(period) }, keepFromMs };
}
