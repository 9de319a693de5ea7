import type { MetricDeclaration } from './metric.ts';

/** What was done about the `max_tokens` of calls. Truncated answers are in `anthropic_stop_reasons_total`. */
export const ROUTE_METRICS = [
  {
    name: 'anthropic_max_tokens_decisions_total',
    type: 'counter',
    section: 'routes',
    help: 'Calls whose max_tokens was missing (filled) or above the ceiling of their route (warned, clamped, rejected).',
    unit: null,
    labels: ['route', 'key', 'decision'],
    aggregator: 'sum',
  },
] as const satisfies readonly MetricDeclaration[];
