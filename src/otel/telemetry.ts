import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { diag, trace } from '@opentelemetry/api';
import type * as SdkNode from '@opentelemetry/sdk-node';
import { ConfigurationError } from '../errors.ts';
import { tracerOf } from '../record/otel/spans.ts';

/** Nothing is needed: what is not here is set by the variables of OpenTelemetry. */
export interface TelemetryOptions {
  /** The name of the service, where neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` gives one. */
  readonly serviceName?: string;
  /**
   * Registers a meter provider too, so that what `otelMetrics()` records is sent. Default: only where
   * `OTEL_METRICS_EXPORTER` is set, because Prometheus scrapes the same figures.
   */
  readonly metrics?: boolean;
}

export interface Telemetry {
  /** `false` where `OTEL_SDK_DISABLED` is set, and where the program has a tracer provider already. */
  readonly started: boolean;
  /**
   * Sends what has not been sent, and stops. Never rejects: what cannot be sent is told to OpenTelemetry's `diag`.
   * Called by itself when the process has nothing left to do, but not at `process.exit()` or a signal.
   */
  shutdown(): Promise<void>;
}

const NOT_STARTED: Telemetry = { started: false, shutdown: () => Promise.resolve() };

/**
 * Sends spans over OTLP, as protobuf over HTTP unless a variable says otherwise, by means of `@opentelemetry/sdk-node`,
 * which is loaded here and nowhere else. All `OTEL_*` variables hold. A tracer provider that is registered is left alone:
 * then nothing is started, and plimsoll uses that one.
 * Throws a `ConfigurationError` (`PLIMSOLL_OPENTELEMETRY_SDK_MISSING`) where the package is not installed.
 *
 * @example
 * const telemetry = await startTelemetry({ serviceName: 'checkout-api' });
 * process.once('SIGTERM', () => void telemetry.shutdown().then(() => process.exit()));
 */
export async function startTelemetry(options: TelemetryOptions = {}): Promise<Telemetry> {
  const { env } = process;
  if (env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true') return NOT_STARTED;
  if (tracerOf(trace.getTracerProvider()) !== null) return NOT_STARTED;
  const { NodeSDK } = await loaded();
  const sdk = new NodeSDK(configuration(options));
  sdk.start();
  return running(() => sdk.shutdown());
}

type Configuration = NonNullable<ConstructorParameters<typeof SdkNode.NodeSDK>[0]>;

/** What a variable decides is left to the SDK; an empty list turns a signal off. */
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

async function loaded(): Promise<typeof SdkNode> {
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

function running(stop: () => Promise<void>): Telemetry {
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
 * What all telemetry of this process says of it: host, process id, and what `OTEL_RESOURCE_ATTRIBUTES` and
 * `OTEL_SERVICE_NAME` name, the latter first. The SDK's default detectors would add the command line, in which keys are
 * given to programs.
 */
function resourceAttributes(env: Environment): Readonly<Record<string, string | number>> {
  const serviceName = env['OTEL_SERVICE_NAME'] ?? '';
  return {
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'process.pid': process.pid,
    ...listed(env['OTEL_RESOURCE_ATTRIBUTES'] ?? ''),
    ...(serviceName === '' ? {} : { 'service.name': serviceName }),
  };
}

/** `key=value,key=value` with values percent-encoded; what is not of that form is left out. */
function listed(text: string): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const [key = '', value, ...more] = pair.split('=').map((part) => part.trim());
    const decoded = value === undefined || more.length > 0 ? null : percentDecoded(value);
    if (key !== '' && decoded !== null) attributes[key] = decoded;
  }
  return attributes;
}

function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // the specification says to leave such a value out
  }
}
