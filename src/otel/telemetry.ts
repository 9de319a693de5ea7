import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { diag, trace } from '@opentelemetry/api';
import type * as SdkNode from '@opentelemetry/sdk-node';
import { isDisabled } from '../environment/disabled.ts';
import { otelResource } from '../environment/service-version.ts';
import { ConfigurationError } from '../errors.ts';
import { tracerOf } from '../record/otel/spans.ts';

/** Options of `startTelemetry()`; all are optional. The `OTEL_*` variables set everything else. */
export interface TelemetryOptions {
  /** The name of the service, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` gives one. */
  readonly serviceName?: string;
  /**
   * Registers a meter provider too, so that the metrics of `otelMetrics()` are sent. Default: only if
   * `OTEL_METRICS_EXPORTER` is set, because Prometheus scrapes the same figures.
   */
  readonly metrics?: boolean;
}

export interface Telemetry {
  /** `false` if `OTEL_SDK_DISABLED` or `PLIMSOLL_DISABLED` is set, or if the program already has a tracer provider. */
  readonly started: boolean;
  /**
   * Sends what is pending and stops. Never rejects: failures go to OpenTelemetry's `diag`. It is called automatically
   * when the process has nothing left to do, but not at `process.exit()` or a signal.
   */
  shutdown(): Promise<void>;
}

const NOT_STARTED: Telemetry = { started: false, shutdown: () => Promise.resolve() };

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
  const { env } = process;
  if (env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true' || isDisabled(env)) return NOT_STARTED;
  if (tracerOf(trace.getTracerProvider()) !== null) return NOT_STARTED;
  const { NodeSDK } = await loadSdk();
  const sdk = new NodeSDK(configuration(options));
  sdk.start();
  return runningTelemetry(() => sdk.shutdown());
}

type Configuration = NonNullable<ConstructorParameters<typeof SdkNode.NodeSDK>[0]>;

/** The configuration of the SDK. Settings with a variable are left to the SDK; an empty list turns a signal off. */
function configuration({ serviceName, metrics }: TelemetryOptions): Configuration {
  const { env } = process;
  const attributes = resourceAttributes(env);
  const named = attributes['service.name'] ?? serviceName;
  return {
    ...(named === undefined ? {} : { serviceName: String(named) }),
    ...(isSet(env['OTEL_NODE_RESOURCE_DETECTORS']) ? {} : { resourceDetectors: [{ detect: () => ({ attributes }) }] }),
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

function runningTelemetry(stop: () => Promise<void>): Telemetry {
  let stopped: Promise<void> | null = null;
  const shutdown = (): Promise<void> => {
    process.off('beforeExit', onExit);
    stopped ??= stop().catch((error: unknown) => diag.error('plimsoll: telemetry could not be sent', error));
    return stopped;
  };
  const onExit = (): void => void shutdown();
  process.once('beforeExit', onExit);
  return { started: true, shutdown };
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
