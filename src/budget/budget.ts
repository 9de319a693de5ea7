import type { Call, CallCost } from '../vocabulary.ts';

/** Which calls a budget counts. `model` is any id that a price table knows the model by; a label's name is one that `attribution` declares. */
export type Scope =
  | { readonly kind: 'all' }
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'model'; readonly model: string }
  | { readonly kind: 'label'; readonly label: string; readonly value: string };

/** `observe` measures, `warn` also counts the calls that go over, `block` refuses them before they are sent. */
export const BUDGET_MODES = ['observe', 'warn', 'block'] as const;

export type BudgetMode = (typeof BUDGET_MODES)[number];

/** What a budget came to before a call. `unavailable`: its ledger did not answer, and the call was not held to it. */
export const DECISIONS = ['allowed', 'warned', 'blocked', 'unavailable'] as const;

export type Decision = (typeof DECISIONS)[number];

/** An amount for a scope and a period, with every choice made. Made by `budgets()` from what the user wrote. */
export interface Budget {
  readonly name: string;
  readonly scope: Scope;
  readonly period: Period;
  readonly limitNanoUsd: bigint;
  readonly mode: BudgetMode;
  /** Parts of the limit, ascending. */
  readonly thresholds: readonly number[];
  /** What becomes of a call whose model has no price. */
  readonly onUnknownPrice: 'allow' | 'block';
  /** What becomes of a call while the ledger does not answer; `closed` refuses it. */
  readonly onLedgerDown: 'open' | 'closed';
}

/** `all`, `key=prod-api`, `model=claude-opus-5-5`, `tenant=acme`: the label. */
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

/** The scope with its model under the id that costs are kept by. */
export function canonicalScope(scope: Scope, canonicalModel: (id: string) => string): Scope {
  return scope.kind === 'model' ? { kind: 'model', model: canonicalModel(scope.model) } : scope;
}

/** What a ledger keeps the budget under: with another period it is another account, with another amount or scope the same. */
export function accountName({ name, period }: Budget): string {
  return `${name}/${periodName(period)}`;
}

/** Whether the call counts, its model left aside: whose money a model's is, is known part by part. */
export function inScope(scope: Scope, call: Pick<Call, 'key' | 'attribution'>): boolean {
  if (scope.kind === 'key') return call.key === scope.key;
  if (scope.kind === 'label') return call.attribution[scope.label] === scope.value;
  return true;
}

/**
 * What a finished call adds to a budget in whole nano-dollars; 0 for a call out of scope. For a budget of a model only
 * the parts that ran on it count, and they count whatever model the call asked for. Unpriced parts add nothing. The
 * scope is a canonical one.
 */
export function shareOf(scope: Scope, call: Pick<Call, 'key' | 'attribution'>, cost: CallCost): bigint {
  if (!inScope(scope, call)) return 0n;
  if (scope.kind !== 'model') return BigInt(cost.totalNanoUsd);
  const own = cost.parts.filter(({ model }) => model === scope.model);
  return own.reduce((sum, { cost: kinds }) => sum + BigInt(kinds === null ? 0 : total(kinds)), 0n);
}

function total(kinds: Readonly<Record<string, number>>): number {
  return Object.values(kinds).reduce((sum, nanoUsd) => sum + nanoUsd, 0);
}

/** A ledger of one process serves it badly: it forgets a month at every restart, and blocks for itself alone. */
export function isVolatileInMemory({ mode, period }: Budget): boolean {
  return mode === 'block' || period.kind === 'month';
}

const PARTS_OF_LIMIT = 1_000_000;

/** The thresholds as spend in nano-dollars, ascending, each rounded up to a millionth of the limit. */
export function thresholdsNanoUsd({ thresholds, limitNanoUsd }: Budget): readonly bigint[] {
  const millionths = thresholds.map((part) => BigInt(Math.round(part * PARTS_OF_LIMIT)));
  return millionths.map((part) => (limitNanoUsd * part + BigInt(PARTS_OF_LIMIT - 1)) / BigInt(PARTS_OF_LIMIT));
}

/** How long a budget's amount lasts. Days and months are those of the calendar in UTC, as the API's own caps are. */
export type Period =
  { readonly kind: 'day' } | { readonly kind: 'month' } | { readonly kind: 'rolling'; readonly lengthMs: number };

/** One period of a budget: from `startMs` to before `endMs`. A rolling one ends where its length from now would be over. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

const HOUR_MS = 3_600_000;

const DAY_MS = 24 * HOUR_MS;

/** A rolling window is kept in so many parts: spend leaves it up to one part late, never early. */
const ROLLING_PARTS = 60;

/** How long the hours of a calendar budget are kept, for the forecast: five weeks. */
export const HISTORY_MS = 35 * DAY_MS;

/** The period that `atMs` lies in. */
export function spanAt(period: Period, atMs: number): Span {
  switch (period.kind) {
    case 'day': {
      const startMs = Math.floor(atMs / DAY_MS) * DAY_MS;
      return { startMs, endMs: startMs + DAY_MS };
    }
    case 'month': {
      const at = new Date(atMs);
      const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
      return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
    }
    case 'rolling':
      return { startMs: atMs - period.lengthMs, endMs: atMs + period.lengthMs };
  }
}

/** How fine spend is kept by time: hours for the calendar's periods, parts of the window for a rolling one. */
export function bucketMs(period: Period): number {
  return period.kind === 'rolling' ? Math.ceil(period.lengthMs / ROLLING_PARTS) : HOUR_MS;
}

/** The start of the bucket that `atMs` lies in. */
export function bucketAt(period: Period, atMs: number): number {
  const length = bucketMs(period);
  return Math.floor(atMs / length) * length;
}

/** `day`, `month`, `rolling_24h`, `rolling_90s`: the label, and part of what a ledger keeps the budget under. */
export function periodName(period: Period): string {
  if (period.kind !== 'rolling') return period.kind;
  const { lengthMs } = period;
  if (lengthMs % HOUR_MS === 0) return `rolling_${lengthMs / HOUR_MS}h`;
  return lengthMs % 1000 === 0 ? `rolling_${lengthMs / 1000}s` : `rolling_${lengthMs}ms`;
}
