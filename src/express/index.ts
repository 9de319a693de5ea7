export { attribution } from './attribution.ts';
export type { AttributionOptions, RequestLabels } from './attribution.ts';
export { livePage, metrics } from './metrics.ts';
export type { ReachedBy } from './metrics.ts';
export type { ConsoleOptions } from '../console/handler.ts';
export type { MetricsHandlerOptions } from '../record/metrics/page.ts';
