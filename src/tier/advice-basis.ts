import type { TierProgress } from './progress.ts';
import type { PeakUse, Throttling } from './throttles.ts';
import type { TierVerdict } from './verdict.ts';

/** A budget for all calls of a calendar month. */
export interface MonthBudget {
  readonly name: string;
  readonly limitUsd: number;
  /** The budget refuses calls when it is spent; others only report it. */
  readonly blocks: boolean;
}

/** The facts that advice is based on. Unknown facts are `null` or absent. */
export interface AdviceBasis {
  readonly atMs: number;
  readonly verdict: TierVerdict;
  /** The time of the last change of tier; `null` if there was none. */
  readonly tierChangedAtMs: number | null;
  readonly progress: TierProgress | null;
  readonly week: readonly Throttling[];
  readonly peaks: readonly PeakUse[];
  readonly monthBudgets: readonly MonthBudget[];
}

/** Most important first. */
export const SEVERITIES = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The kinds of advice; of equal severity, the first is more important. */
export const ADVICE_KINDS = [
  'spend_cap_reached',
  'spend_cap_ahead',
  'budget_above_cap',
  'tier_stagnation',
  'throttled',
  'acceleration',
  'limits_near',
  'tier_unknown',
  'limits_ample',
  'budget_below_cap',
  'next_threshold',
] as const;
type AdviceKind = (typeof ADVICE_KINDS)[number];

/** One piece of advice. */
export interface Advice {
  readonly kind: AdviceKind;
  readonly severity: Severity;
  /** Plain text, at most 200 characters. */
  readonly text: string;
  /** The figures behind it. Money in USD, shares from 0 to 1, times in milliseconds since the epoch. */
  readonly evidence: Readonly<Record<string, string | number | null>>;
}
