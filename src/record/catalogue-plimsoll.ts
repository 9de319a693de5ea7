import type { MetricDeclaration } from './metric.ts';

/** What plimsoll says of itself. */
export const PLIMSOLL_METRICS = [
  {
    name: 'plimsoll_build_info',
    type: 'gauge',
    section: 'plimsoll',
    help: 'The version of plimsoll, always 1.',
    unit: null,
    labels: ['version'],
    aggregator: 'first',
  },
  {
    name: 'plimsoll_errors_total',
    type: 'counter',
    section: 'plimsoll',
    help: 'Errors of its own that plimsoll swallowed to let the call through, by the stage they came from.',
    unit: null,
    labels: ['stage'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_label_values_dropped_total',
    type: 'counter',
    section: 'plimsoll',
    help: 'Calls with a label value that was counted as other: over the cap, not of the closed set, or unfit for a label.',
    unit: null,
    labels: ['label'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_attribution_missing_total',
    type: 'counter',
    section: 'plimsoll',
    help: 'Calls without a value for a declared attribution label.',
    unit: null,
    labels: ['label'],
    aggregator: 'sum',
  },
] as const satisfies readonly MetricDeclaration[];
