export { attribution } from './attribution.ts';
export type { AttributionOptions, RequestLabels } from './attribution.ts';
export { metrics } from './metrics.ts';
export type { MetricsHandlerOptions } from '../record/metrics/page.ts';
