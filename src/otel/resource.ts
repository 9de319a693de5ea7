import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What all telemetry of this process says of it: host, process id, and what `OTEL_RESOURCE_ATTRIBUTES` and
 * `OTEL_SERVICE_NAME` name, the latter first. The SDK's default detectors would add the command line, in which keys are
 * given to programs.
 */
export function resourceAttributes(env: Environment): Readonly<Record<string, string | number>> {
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
