/**
 * Every metric of plimsoll, declared once. The registry, the reference page, dashboards, alert rules and checks read it
 * from here; metric names are written nowhere else.
 */
import { BILL_METRICS } from './catalogue-bill.ts';
import { ATTEMPT_METRICS, CALL_METRICS, ROUTE_METRICS, TOKEN_METRICS } from './catalogue-calls.ts';
import { GATEWAY_METRICS } from './catalogue-gateway.ts';
import { PACE_METRICS } from './catalogue-pace.ts';
import { BUDGET_METRICS, PLIMSOLL_METRICS, RATE_LIMIT_METRICS, TIER_METRICS } from './catalogue-limits.ts';

/** All metrics, in the order of the reference page. */
export const CATALOGUE = [
  ...CALL_METRICS,
  ...ATTEMPT_METRICS,
  ...TOKEN_METRICS,
  ...ROUTE_METRICS,
  ...RATE_LIMIT_METRICS,
  ...PACE_METRICS,
  ...BUDGET_METRICS,
  ...TIER_METRICS,
  ...BILL_METRICS,
  ...GATEWAY_METRICS,
  ...PLIMSOLL_METRICS,
] as const;

type Declared = (typeof CATALOGUE)[number];

export type MetricName = Declared['name'];

/** Counters of whole nano-dollars, shown as US dollars. */
export type MoneyName = Extract<Declared, { type: 'counter'; unit: 'usd' }>['name'];

export type CounterName = Exclude<Extract<Declared, { type: 'counter' }>['name'], MoneyName>;

export type GaugeName = Extract<Declared, { type: 'gauge' }>['name'];

export type HistogramName = Extract<Declared, { type: 'histogram' }>['name'];

/** A value for each label of a metric; attribution labels come on top. */
export type LabelsOf<Name extends MetricName> = Readonly<
  Record<Extract<Declared, { name: Name }>['labels'][number], string>
>;
