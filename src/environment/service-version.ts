import { mayHoldSecret } from '../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The version of the service that runs here: `given`, else `service.version` of `OTEL_RESOURCE_ATTRIBUTES`, else `npm_package_version`,
 * which npm sets for its scripts. `null` if neither is set to something that can be a label.
 */
export function serviceVersion(env: Environment, given?: string): string | null {
  const { 'service.version': named = env['npm_package_version'] } = otelResource(env);
  const version = given ?? named;
  return isServiceVersion(version) ? version : null;
}

/** Tells whether a value can be shown as a version: up to 128 letters, digits and `. _ + - / : @`, and no secret. */
export function isServiceVersion(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.+/:@-]{1,128}$/.test(value) && !mayHoldSecret(value);
}

/** Parses `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key=value` with percent-encoded values. Anything else is left out. */
export function otelResource(env: Environment): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  for (const pair of (env['OTEL_RESOURCE_ATTRIBUTES'] ?? '').split(',')) {
    const [key = '', value, ...more] = pair.split('=').map((part) => part.trim());
    const decoded = value === undefined || more.length > 0 ? null : percentDecode(value);
    if (key !== '' && decoded !== null) attributes[key] = decoded;
  }
  return attributes;
}

function percentDecode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // the specification says to leave such a value out
  }
}
