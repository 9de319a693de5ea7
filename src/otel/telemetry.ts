import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { diag, metrics as meters, trace } from '@opentelemetry/api';
import type * as SdkNode from '@opentelemetry/sdk-node';
import { isDisabled } from '../environment/disabled.ts';
import { otelResource } from '../environment/service-version.ts';
import { ConfigurationError, optionProblems, refuseOptions } from '../errors.ts';
import { defaultRegistry, type MetricRegistry } from '../record/metrics/registry.ts';
import { prometheusNames } from '../record/otel/prometheus-names.ts';
import { tracerOf } from '../record/otel/spans.ts';

/** Options of `startTelemetry()`; all are optional. The `OTEL_*` variables set everything else. */
export interface TelemetryOptions {
  /** The name of the service, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` gives one. */
  readonly serviceName?: string;
  /**
   * `true` registers a meter provider too, so that the metrics of `otelMetrics()` are sent. `'prometheus-names'` sends all
   * metrics of plimsoll besides, over OTLP, under the names that Prometheus scrapes: every 15 seconds, unless
   * `OTEL_METRIC_EXPORT_INTERVAL` says otherwise. Default: `true` if `OTEL_METRICS_EXPORTER` is set, else `false`, because
   * Prometheus scrapes the same figures.
   */
  readonly metrics?: boolean | 'prometheus-names';
  /** The registry whose metrics `'prometheus-names'` sends. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
}

const NAMES: Readonly<Record<keyof TelemetryOptions, true>> = { serviceName: true, metrics: true, registry: true };

/** OpenTelemetry's SDK, as `startTelemetry()` has started it. */
export interface Telemetry {
  /** `false` if `OTEL_SDK_DISABLED` or `PLIMSOLL_DISABLED` is set, or if the program already has a tracer provider. */
  readonly started: boolean;
  /**
   * Sends spans and metrics now, as a function must before its platform freezes it; `flush()` of `plimsoll` calls it. Never
   * rejects: failures go to OpenTelemetry's `diag`. Where the program has providers of its own, those are flushed. Resolves
   * with whether all was taken.
   */
  flush(): Promise<boolean>;
  /**
   * Sends what is pending and stops. Never rejects: failures go to OpenTelemetry's `diag`. It is called automatically
   * when the process has nothing left to do, but not at `process.exit()` or a signal.
   */
  shutdown(): Promise<void>;
}

const NOT_STARTED: Telemetry = {
  started: false,
  flush: () => flushAll(null),
  shutdown: () => Promise.resolve(),
};

/**
 * Sends spans over OTLP, as protobuf over HTTP unless a variable says otherwise, with `@opentelemetry/sdk-node`, which is
 * only loaded here. All `OTEL_*` variables apply. If the program has registered a tracer provider, nothing is started and
 * plimsoll uses that one.
 * Throws a `ConfigurationError` (`PLIMSOLL_OPENTELEMETRY_SDK_MISSING`) if the package is not installed.
 *
 * @example
 * const telemetry = await startTelemetry({ serviceName: 'checkout-api' });
 * process.once('SIGTERM', () => void telemetry.shutdown().then(() => process.exit()));
 */
export async function startTelemetry(options: TelemetryOptions = {}): Promise<Telemetry> {
  refuseOptions(optionProblems(options, NAMES));
  const { env } = process;
  if (env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true' || isDisabled(env)) return NOT_STARTED;
  if (tracerOf(trace.getTracerProvider()) !== null) return NOT_STARTED;
  const { NodeSDK } = await loadSdk();
  const reader = options.metrics === 'prometheus-names' ? prometheusNamesReader(options.registry) : null;
  const sdk = new NodeSDK(configuration(options, reader));
  sdk.start();
  return runningTelemetry({ stop: () => sdk.shutdown(), flush: () => flushAll(reader) });
}

type Configuration = NonNullable<ConstructorParameters<typeof SdkNode.NodeSDK>[0]>;

type Reader = NonNullable<Configuration['metricReaders']>[number];

/** The packages of the exporters by protocol, which the SDK brings. */
const EXPORTERS: Readonly<Record<string, string>> = {
  grpc: '@opentelemetry/exporter-metrics-otlp-grpc',
  'http/json': '@opentelemetry/exporter-metrics-otlp-http',
  'http/protobuf': '@opentelemetry/exporter-metrics-otlp-proto',
};

const DEFAULT_PROTOCOL = 'http/protobuf';
const DEFAULT_INTERVAL_MS = 15_000;
const DEFAULT_TIMEOUT_MS = 10_000;

interface MetricsSdk {
  readonly PeriodicExportingMetricReader: new (options: object) => Reader;
}

interface Exporter {
  readonly OTLPMetricExporter: new () => object;
}

/** The reader that sends plimsoll's metrics. It and its exporter are those of the SDK, wherever npm has put them. */
function prometheusNamesReader(registry: MetricRegistry = defaultRegistry()): Reader {
  const { env } = process;
  const ofSdk = createRequire(import.meta.resolve(SDK_NODE));
  const protocol = env['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL'] ?? env['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? '';
  const exporter = EXPORTERS[protocol.trim() || DEFAULT_PROTOCOL] ?? EXPORTERS[DEFAULT_PROTOCOL] ?? '';
  const { OTLPMetricExporter } = ofSdk(exporter) as Exporter;
  const { PeriodicExportingMetricReader } = ofSdk('@opentelemetry/sdk-metrics') as MetricsSdk;
  const interval = milliseconds(env['OTEL_METRIC_EXPORT_INTERVAL']) ?? DEFAULT_INTERVAL_MS;
  const timeout = milliseconds(env['OTEL_METRIC_EXPORT_TIMEOUT']) ?? DEFAULT_TIMEOUT_MS;
  return new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis: interval,
    exportTimeoutMillis: Math.min(timeout, interval),
    metricProducers: [prometheusNames({ registry })],
  });
}

/** `null` for what is no number above 0, as OpenTelemetry's specification wants. */
function milliseconds(variable: string | undefined): number | null {
  const number = Number(variable);
  return number > 0 && number < Infinity ? number : null;
}

/** The configuration of the SDK. Settings with a variable are left to the SDK; an empty list turns a signal off. */
function configuration({ serviceName, metrics }: TelemetryOptions, reader: Reader | null): Configuration {
  const { env } = process;
  const attributes = resourceAttributes(env);
  const named = attributes['service.name'] ?? serviceName;
  return {
    ...(named === undefined ? {} : { serviceName: String(named) }),
    ...(isSet(env['OTEL_NODE_RESOURCE_DETECTORS']) ? {} : { resourceDetectors: [{ detect: () => ({ attributes }) }] }),
    ...(reader !== null && { metricReaders: [reader] }),
    ...((metrics ?? isSet(env['OTEL_METRICS_EXPORTER'])) ? {} : { metricReaders: [] }),
    ...(isSet(env['OTEL_LOGS_EXPORTER']) ? {} : { logRecordProcessors: [] }),
  };
}

function isSet(variable: string | undefined): boolean {
  return variable !== undefined && variable.trim() !== '';
}

async function loadSdk(): Promise<typeof SdkNode> {
  try {
    return await import('@opentelemetry/sdk-node');
  } catch (error) {
    if (isInstalled(SDK_NODE)) throw error;
    const [expected, advice] = [`the package ${SDK_NODE}`, `run \`npm install ${SDK_NODE}\``];
    throw new ConfigurationError('PLIMSOLL_OPENTELEMETRY_SDK_MISSING', [
      { kind: 'not_installed', field: 'startTelemetry', expected, got: 'none', advice },
    ]);
  }
}

const SDK_NODE = '@opentelemetry/sdk-node';

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}

interface Provider {
  forceFlush?(): Promise<void>;
}

/** Flushes the registered providers; of the metrics the reader, where there is one. */
async function flushAll(reader: Reader | null): Promise<boolean> {
  const registered = trace.getTracerProvider() as Provider & { getDelegate?(): Provider };
  const spans = registered.getDelegate?.() ?? registered;
  const figures: Provider = reader ?? (meters.getMeterProvider() as Provider);
  const flushed = await Promise.allSettled([spans, figures].map(async (each) => each.forceFlush?.()));
  const failures = flushed.filter((each) => each.status === 'rejected');
  for (const { reason } of failures) failed(reason);
  return failures.length === 0;
}

function failed(error: unknown): void {
  diag.error('plimsoll: telemetry could not be sent', error);
}

type RunningSdk = Readonly<{ stop: () => Promise<void>; flush: () => Promise<boolean> }>;

function runningTelemetry(sdk: RunningSdk): Telemetry {
  let stopped: Promise<void> | null = null;
  const shutdown = (): Promise<void> => {
    process.off('beforeExit', onExit);
    stopped ??= sdk.stop().catch(failed);
    return stopped;
  };
  const onExit = (): void => void shutdown();
  process.once('beforeExit', onExit);
  return { started: true, flush: sdk.flush, shutdown };
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The resource attributes of this process: host, process id, and those of `OTEL_RESOURCE_ATTRIBUTES`; `OTEL_SERVICE_NAME` has
 * precedence. The SDK's default detectors would add the command line, which may contain keys.
 */
function resourceAttributes(env: Environment): Readonly<Record<string, string | number>> {
  const serviceName = env['OTEL_SERVICE_NAME'] ?? '';
  return {
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'process.pid': process.pid,
    ...otelResource(env),
    ...(serviceName === '' ? {} : { 'service.name': serviceName }),
  };
}
