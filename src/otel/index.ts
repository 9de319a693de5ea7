export { startTelemetry } from './telemetry.ts';
export type { Telemetry, TelemetryOptions } from './telemetry.ts';
export { otelMetrics } from '../record/otel/metrics.ts';
export type { OtelMetricsOptions } from '../record/otel/metrics.ts';
export { prometheusNames } from '../record/otel/prometheus-names.ts';
export type { PrometheusNames, PrometheusNamesOptions } from '../record/otel/prometheus-names.ts';
