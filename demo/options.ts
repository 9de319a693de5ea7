import { parseArgs } from 'node:util';

/** What was asked for on the command line. */
export interface DemoOptions {
  /** Metrics and pages; 0 for any that is free. */
  readonly port: number;
  readonly servicePort: number;
  readonly host: string;
  readonly seed: number;
  /** A few real calls instead of simulated traffic. */
  readonly live: boolean;
  readonly help: boolean;
}

/** What was asked for cannot be done; `message` is one line. */
export class UsageError extends Error {
  constructor(message: string) {
    super(`${message} Try: npm start -- --help`);
    this.name = 'UsageError';
  }
}

export const HELP = `Shows plimsoll at work: a small Express service calls a simulated Claude API on
this machine, and its metrics are served. No key is needed, nothing leaves the
machine and nothing is spent. Ctrl-C ends it.

  npm start -- [options]

  --port N          metrics and pages on N, the service on N + 1; 0 for free ports
                    (without it: 9464 and 8080)
  --service-port N  the service on N
  --host ADDRESS    listen there (127.0.0.1); 0.0.0.0 in a container
  --seed N          where chance begins (1): the same visits for the same number
  --live            makes three tiny real calls instead, with ANTHROPIC_AUTH_TOKEN
  --help            this text

With OTEL_EXPORTER_OTLP_ENDPOINT set, spans are sent there.
`;

/** Reads the arguments; throws a `UsageError` for what it does not know. */
export function demoOptions(args: readonly string[]): DemoOptions {
  const { values, tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    options: {
      port: { type: 'string' },
      'service-port': { type: 'string' },
      host: { type: 'string' },
      seed: { type: 'string' },
      live: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const unknown = tokens.find((token) => token.kind !== 'option' || !KNOWN.has(token.name));
  if (unknown !== undefined) throw new UsageError(`Unknown argument "${args[unknown.index]}".`);
  const port = wholeNumber('--port', values['port'], 65_535);
  const servicePort = wholeNumber('--service-port', values['service-port'], 65_535);
  return {
    port: port ?? 9464,
    servicePort: servicePort ?? (port === undefined ? 8080 : port === 0 ? 0 : port + 1),
    host: address(values['host']),
    seed: wholeNumber('--seed', values['seed'], Number.MAX_SAFE_INTEGER) ?? 1,
    live: values['live'] === true,
    help: values['help'] === true,
  };
}

const KNOWN: ReadonlySet<string> = new Set(['port', 'service-port', 'host', 'seed', 'live', 'help']);

function wholeNumber(option: string, value: unknown, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : NaN;
  if (number <= max) return number;
  const got = typeof value === 'string' ? `"${value}"` : 'none';
  throw new UsageError(`Expected a whole number from 0 to ${max} after ${option}, got ${got}.`);
}

function address(value: unknown): string {
  if (value === undefined) return '127.0.0.1';
  if (typeof value === 'string' && value !== '') return value;
  throw new UsageError('Expected an address after --host, got none.');
}
