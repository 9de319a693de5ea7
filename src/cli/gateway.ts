import { parseArgs } from 'node:util';
import { ConfigurationError, sentenceOf } from '../errors.ts';
import { GATEWAY_INVALID, type GatewayConfiguration } from '../gateway/configuration/configuration.ts';
import { configurationInEnvironment, ownAddressProblem } from '../gateway/configuration/environment.ts';
import { configurationInFile } from '../gateway/configuration/file.ts';
import { ledgerAt, type Place } from '../gateway/configuration/places.ts';
import { PortError } from '../http/listen.ts';
import { argumentProblem, refused, shown, wrapped, type Command, type CommandIo } from './command.ts';
import { RequestLog } from './gateway-log.ts';
import type { RunningGateway } from './gateway-start.ts';
import { tokenCommand } from './gateway-token.ts';

/** `plimsoll gateway`: serves until the signal is aborted, then lets what is under way end. */
export const command: Command = {
  async run(args, io) {
    if (args[0] === 'token') return tokenCommand(args.slice(1), io);
    const asked = gatewayArguments(args);
    if (asked === 'help') return shown(USAGE, io);
    if ('problems' in asked) return refused(asked.problems, USAGE, io);
    try {
      await served(configured(asked, io), asked, io);
      return 0;
    } catch (error) {
      if (error instanceof ConfigurationError) error.problems.forEach((problem) => io.err(sentenceOf(problem)));
      else if (error instanceof PortError) io.err(error.message);
      else throw error;
      return 1;
    }
  },
};

/** What was asked for at the command line is in the place of what the configuration says. */
function configured({ config, host, port, metricsPort }: GatewayArguments, io: CommandIo): GatewayConfiguration {
  const configuration =
    config === null ? configurationInEnvironment(io.env, process.cwd()) : configurationInFile(config, io.env);
  const { listen, metrics } = configuration;
  const address = { host: host ?? listen.host, port: port ?? listen.port };
  const problem = ownAddressProblem(configuration.baseUrl, address);
  if (problem !== null) throw new ConfigurationError(GATEWAY_INVALID, [problem]);
  return {
    ...configuration,
    listen: address,
    metrics: { ...metrics, port: metricsPort ?? metrics.port },
  };
}

async function served(configuration: GatewayConfiguration, { json }: GatewayArguments, io: CommandIo): Promise<void> {
  configuration.notices.forEach((notice) => io.err(sentenceOf(notice)));
  const log = new RequestLog((line) => io.out(line));
  // Loaded here: who asks for help, or makes a token, needs no registry of metrics.
  const { startGateway } = await import('./gateway-start.ts');
  const running = await startGateway(configuration, { log, onError: (error) => io.err(errorLine(error, io.now())) });
  shown(json ? [greetingJson(configuration, running, io.now())] : greeting(configuration, running), io);
  await aborted(io.signal);
  if (!json) io.err(`Ends when what is under way has ended, in ${configuration.limits.drainSeconds} seconds at most.`);
  await running.close();
}

/** Its kind alone: what others write into their messages may be content. */
function errorLine(error: unknown, nowMs: number): string {
  const { name, code, cause } = kindOf(error);
  const because = cause === undefined ? {} : { cause: kindOf(cause).code ?? kindOf(cause).name };
  return JSON.stringify({
    time: new Date(nowMs).toISOString(),
    level: 'error',
    event: 'error',
    name,
    code,
    ...because,
  });
}

function kindOf(error: unknown): { readonly name: string; readonly code?: string; readonly cause?: unknown } {
  if (!(error instanceof Error)) return { name: typeof error };
  return { name: error.name, cause: error.cause, ...('code' in error && { code: String(error.code) }) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** What `plimsoll gateway --help` teaches. */
export const USAGE = [
  'plimsoll gateway [options]            a proxy for the Claude API with the key',
  '  --config FILE       the configuration, YAML or JSON: docs/gateway.md has it;',
  '                      without it, the environment alone',
  '  --host ADDRESS      where it listens, whatever the configuration says',
  '  --port N            the same (8787); 0 for any that is free',
  '  --metrics-port N    where Prometheus reads the metrics (9464)',
  '  --json              for programs: the start is one object, as each request is',
  'plimsoll gateway token create|list|revoke    tokens for clients: see --help',
  '',
  'The key is for this process alone (ANTHROPIC_API_KEY does as well, and the name',
  'of either with _FILE behind it names a file that has the key):',
  '  ANTHROPIC_AUTH_TOKEN=sk-ant-… plimsoll gateway',
  'Clients, in shells of their own, have a token of the gateway instead:',
  '  export ANTHROPIC_BASE_URL=http://127.0.0.1:8787',
  '  export ANTHROPIC_AUTH_TOKEN=$(plimsoll gateway token create default)',
  'Each request is a line of JSON on stdout, without content, keys and tokens.',
  'Ends on SIGTERM and SIGINT, when what is under way has ended or is late.',
];

const OPTIONS = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'metrics-port': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** The arguments of `plimsoll gateway`; `null` where the configuration is to say. */
export interface GatewayArguments {
  readonly config: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly metricsPort: number | null;
  readonly json: boolean;
}

/** What is asked for, or everything that is wrong with it. */
export function gatewayArguments(
  args: readonly string[],
): GatewayArguments | 'help' | { readonly problems: readonly string[] } {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    if (values.help) return 'help';
    const { config = null, host = null, port, 'metrics-port': metricsPort, json } = values;
    const problems = [
      ...(isPort(port) ? [] : [`--port: expected 0 to 65535, got ${port}.`]),
      ...(isPort(metricsPort) ? [] : [`--metrics-port: expected 0 to 65535, got ${metricsPort}.`]),
    ];
    if (problems.length > 0) return { problems };
    return { config, host, port: numberOf(port), metricsPort: numberOf(metricsPort), json };
  } catch (error) {
    return { problems: [argumentProblem(error)] };
  }
}

function isPort(text: string | undefined): boolean {
  return text === undefined || (/^\d{1,5}$/.test(text) && Number(text) <= 65_535);
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

const INDENT = 10;

const COLUMNS = 80;

/** What a gateway says of itself when it listens, for people; no line is wider than 80 characters but for a long name. */
export function greeting(configuration: GatewayConfiguration, { url, metricsUrl }: RunningGateway): readonly string[] {
  const { baseUrl, keys, clients } = configuration;
  return [
    `Gateway at ${url}, to ${baseUrl}. Ctrl-C ends it.`,
    ...row('metrics', metricsUrl),
    ...row('keys', [...keys.keys()].join(', ')),
    ...row('clients', [...clients.keys()].join(', ')),
    ...row('ledger', ledgerName(configuration)),
    ...row('tokens', placeName(configuration.tokens)),
    ...row('replicas', sharing(configuration)),
  ];
}

/** The same for programs, as one line. */
export function greetingJson(
  configuration: GatewayConfiguration,
  { url, metricsUrl }: RunningGateway,
  nowMs: number,
): string {
  const { baseUrl, keys, clients, tokens } = configuration;
  return JSON.stringify({
    ...{ time: new Date(nowMs).toISOString(), level: 'info', event: 'listening', url, metricsUrl, baseUrl },
    keys: [...keys.keys()],
    clients: [...clients.keys()],
    ledger: ledgerName(configuration),
    tokens: placeName(tokens),
    replicas: sharing(configuration),
  });
}

function ledgerName({ ledger, budgets }: GatewayConfiguration): string {
  if (budgets.length === 0) return 'none: there are no budgets';
  return ledger === null ? 'memory: budgets begin anew at every start' : placeName(ledger);
}

/** Without what a URL may hold besides the host. */
function placeName(place: Place): string {
  return ledgerAt(place).shown;
}

function sharing({ tokens, ledger, budgets }: GatewayConfiguration): string {
  const sharesBudgets = ledger?.kind === 'redis' || budgets.length === 0;
  if (tokens.kind === 'redis' && sharesBudgets) return 'share tokens, rate limits and budgets';
  if (tokens.kind === 'redis') return 'share tokens and rate limits; each holds to budgets by itself';
  const besides = ledger?.kind === 'redis' ? ', but the budgets' : '';
  return `share nothing${besides}: run one, or keep tokens and ledger in Redis`;
}

function row(name: string, text: string): readonly string[] {
  return wrapped(text, COLUMNS - INDENT).map((line, index) =>
    `${(index === 0 ? `  ${name}` : '').padEnd(INDENT)}  ${line}`.trimEnd(),
  );
}
