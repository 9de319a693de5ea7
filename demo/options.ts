import { parseArgs } from 'node:util';

/** The options of the command line. */
export interface DemoOptions {
  /** Port of the metrics and pages; 0 for any free port. */
  readonly port: number;
  readonly servicePort: number;
  readonly host: string;
  readonly seed: number;
  /** A few real calls instead of simulated traffic. */
  readonly live: boolean;
  readonly help: boolean;
}

/** The arguments make no sense; `message` is one line. */
export class UsageError extends Error {
  constructor(message: string) {
    super(`${message} Try: npm start -- --help`);
    this.name = 'UsageError';
  }
}

export const HELP = `Shows plimsoll at work: a small Express service calls a simulated Claude API on
this machine, and its metrics are served. No key is needed, nothing leaves the
machine and no money is spent. Press Ctrl-C to stop.

  npm start -- [options]

  --port N          port of metrics and pages; the service gets N + 1; 0 picks free
                    ports (default: 9464 and 8080)
  --service-port N  port of the service
  --host ADDRESS    address to listen on (default: 127.0.0.1); in a container 0.0.0.0
  --seed N          seed of the random traffic (default: 1)
  --live            make three tiny real calls instead, with ANTHROPIC_AUTH_TOKEN
  --help            show this help

If OTEL_EXPORTER_OTLP_ENDPOINT is set, spans are sent there.
`;

/** Reads the arguments. Throws a `UsageError` for unknown arguments and bad values. */
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
