import type { ExactUsd } from './exact-usd.ts';
import type { ReportKind } from './report.ts';

/**
 * Why the bill is not what plimsoll recorded, in the order in which the way from one to the other is walked. Each cause is
 * worth what replacing one ingredient of plimsoll's number by the report's changes; so the parts add up, whatever the data.
 */
const CAUSES = [
  'rounding',
  'open',
  'discount',
  'code_execution',
  'session_time',
  'other_costs',
  'no_key',
  'unwatched_keys',
  'no_such_key',
  'priority',
  'unpriced',
  'folded',
  'refusals',
  'day_boundary',
  'lost',
  'no_usage',
  'cut',
  'counted',
  'not_seen',
  'not_in_report',
  'inseparable',
  'price',
  'price_band',
  'price_or_discount',
  'revision',
  'unexplained',
] as const;

/** Why the bill and what plimsoll saw differ. */
export type Cause = (typeof CAUSES)[number];

/** What a cause is a case of: for metrics, and for the first look. */
export const CAUSE_GROUPS = {
  rounding: 'rounding',
  open: 'not_comparable_yet',
  discount: 'discount',
  code_execution: 'not_seen',
  session_time: 'not_seen',
  other_costs: 'not_seen',
  no_key: 'not_seen',
  unwatched_keys: 'not_seen',
  no_such_key: 'not_in_report',
  priority: 'price',
  unpriced: 'price',
  folded: 'inseparable',
  refusals: 'refusals',
  day_boundary: 'day_boundary',
  lost: 'not_seen',
  no_usage: 'estimated_or_unseen',
  cut: 'estimated_or_unseen',
  counted: 'counted_otherwise',
  not_seen: 'not_seen',
  not_in_report: 'not_in_report',
  inseparable: 'inseparable',
  price: 'price',
  price_band: 'price',
  price_or_discount: 'price',
  revision: 'revision',
  unexplained: 'unexplained',
} as const satisfies Readonly<Record<Cause, string>>;

/** One part of the difference: exact, and as fine as it can be told. */
export interface Part {
  readonly cause: Cause;
  readonly units: ExactUsd;
  /** The UTC day. */
  readonly day: string;
  /** The group of key aliases, or the id of a key that is not watched; `null` for use without a key. */
  readonly key: string | null;
  readonly model: string | null;
  readonly kind: ReportKind | 'searches' | null;
  /** Calls or requests that it is about; 0 where that is not known. */
  readonly calls: number;
}

/** Collects parts; those of nothing are none. */
export class Parts {
  readonly all: Part[] = [];

  add(cause: Cause, units: ExactUsd, about: Partial<Omit<Part, 'cause' | 'units'>> & Pick<Part, 'day'>): void {
    if (units === 0n) return;
    this.all.push({ cause, units, key: null, model: null, kind: null, calls: 0, ...about });
  }
}

/** The sum of each cause; those of nothing are left out. */
export function sumsByCause(parts: readonly Part[]): ReadonlyMap<Cause, ExactUsd> {
  const sums = new Map<Cause, ExactUsd>();
  for (const { cause, units } of parts) sums.set(cause, (sums.get(cause) ?? 0n) + units);
  return new Map(CAUSES.flatMap((cause) => (sums.get(cause) ? [[cause, sums.get(cause) ?? 0n] as const] : [])));
}
