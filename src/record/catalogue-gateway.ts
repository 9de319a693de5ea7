import type { MetricDeclaration } from './metric.ts';

/** What the gateway says besides its calls, which are in the other sections. */
export const GATEWAY_METRICS = [
  {
    name: 'plimsoll_gateway_refusals_total',
    type: 'counter',
    section: 'gateway',
    help: 'Requests that the gateway refused before they were calls: without a token that holds, or not to be forwarded.',
    unit: null,
    labels: ['reason'],
    aggregator: 'sum',
  },
] as const satisfies readonly MetricDeclaration[];
