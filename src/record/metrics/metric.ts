/** Sections of the catalogue, in printed order. */
export const SECTIONS = [
  'calls',
  'attempts',
  'tokens',
  'routes',
  'rate_limits',
  'pace',
  'budgets',
  'tier',
  'bill',
  'gateway',
  'plimsoll',
] as const;

export type Section = (typeof SECTIONS)[number];

/** The function by which prom-client's `AggregatorRegistry` joins the same series of several cluster workers. */
type Aggregator = 'sum' | 'min' | 'max' | 'first' | 'omit';

/** A metric as data. Its name, labels and unit are public: dashboards, rules and users rely on them. */
export interface MetricDeclaration {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly section: Section;
  readonly help: string;
  /** The base unit that the name carries; `null` for plain counts and for `…_info`. */
  readonly unit: 'seconds' | 'ratio' | 'usd' | null;
  readonly labels: readonly string[];
  /** Counters and histograms add up; a gauge says how the values of several workers combine. */
  readonly aggregator: Aggregator;
  /** Declared attribution labels are added to it. */
  readonly attributed?: true;
  /** Its series are shown as 0 before anything has happened, so that `increase()` sees the first event. */
  readonly bornAtZero?: true;
  /** Upper bounds, ascending, without `+Inf`; only for histograms. */
  readonly buckets?: readonly number[];
}

/** The SDK waits up to 10 minutes for a response. */
export const CALL_SECONDS = [0.25, 0.5, 1, 2, 4, 8, 10, 16, 30, 32, 60, 64, 128, 300, 600] as const;

export const ATTEMPT_SECONDS = [0.025, 0.05, 0.1, ...CALL_SECONDS] as const;

export const FIRST_TOKEN_SECONDS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 60, 120] as const;

export const OUTPUT_TOKEN_SECONDS = [0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64] as const;

export const RATIOS = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1] as const;

/** The stages at which plimsoll can fail and let the call through: the closed set of the label `stage`. */
export const STAGES = [
  'middleware',
  'guard',
  'body',
  'usage',
  'pricing',
  'recorder',
  'registry',
  'scrape',
  'attribution',
  'budget',
  'ledger',
  'pace',
  'retry',
  'gateway',
  'on_call',
  'organization',
] as const;

export type Stage = (typeof STAGES)[number];

/** Called with an error that was swallowed. */
export type OnError = (stage: Stage, error: unknown) => void;
