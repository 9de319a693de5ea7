import { ConfigurationError, sentenceOf, unfit, unlisted, type Problem } from '../errors.ts';
import {
  GATEWAY_INVALID,
  WORKERS_EXPECTED,
  isWorkers,
  type GatewayConfiguration,
} from '../gateway/configuration/configuration.ts';
import { configurationInEnvironment, ownAddressProblem } from '../gateway/configuration/environment.ts';
import { configurationInFile } from '../gateway/configuration/file.ts';
import { Files, type FileTexts } from '../gateway/configuration/files.ts';
import { ledgerAt, type Place } from '../gateway/configuration/places.ts';
import { workerProblems } from '../gateway/configuration/workers.ts';
import type { GatewayFault } from '../gateway/faults.ts';
import { PortError } from '../http/listen.ts';
import { wrongArguments } from './arguments.ts';
import {
  aborted,
  defineCommand,
  fail,
  print,
  refuseArguments,
  wrapped,
  type Command,
  type CommandIo,
} from './command.ts';
import { RequestLog, faultLine, logLine, organizationLine, redisLine, onceAMinute } from './gateway-log.ts';
import { reload, watchFile } from './gateway-reload.ts';
import type { RunningGateway, StartedGateway, Supervised } from './gateway-start.ts';
import type { Serving } from './gateway-worker.ts';
import type { superviseWorkers, WorkersFailedError } from './gateway-workers.ts';
import { audit, forget } from './gateway-audit.ts';
import { command as tokens } from './gateway-token.ts';
import { command as usage } from './gateway-usage.ts';

const USAGE = [
  'plimsoll gateway [options]            a proxy that holds the Claude API key',
  '  --config FILE       the configuration, YAML or JSON (see docs/gateway.md);',
  '                      without it, only environment variables',
  '  --host ADDRESS      the address to listen on; overrides the configuration',
  '  --port N            the port to listen on; 0 for any free port (8787)',
  '  --metrics-port N    the port of the metrics, for Prometheus (9464)',
  '  --workers N         processes that serve, besides one that supervises (1)',
  '  --json              for programs: prints the start as a line of JSON',
  'plimsoll gateway token create|list|revoke|export    tokens: see token --help',
  'plimsoll gateway usage                tokens and cost by owner, client, model',
  'plimsoll gateway audit                who made and revoked which token',
  'plimsoll gateway forget               forgets an owner, or what is old',
  '',
  'Only this process has the API key. ANTHROPIC_API_KEY also works, and',
  'ANTHROPIC_AUTH_TOKEN_FILE or ANTHROPIC_API_KEY_FILE name a file with the key:',
  '  ANTHROPIC_AUTH_TOKEN=sk-ant-… plimsoll gateway',
  'Clients, in other shells, use a gateway token instead:',
  '  export ANTHROPIC_BASE_URL=http://127.0.0.1:8787',
  '  export ANTHROPIC_AUTH_TOKEN=$(plimsoll gateway token create default)',
  'It logs each request as a line of JSON on stdout, never content, keys or tokens.',
  'On SIGHUP, and when its file changes, it reads its configuration again. On',
  'SIGUSR2, it replaces its workers one after another.',
  'On SIGTERM or SIGINT, it lets open requests finish, up to a limit, and exits.',
];

const OPTIONS = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'metrics-port': { type: 'string' },
  workers: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const start = defineCommand({
  name: 'gateway',
  usage: USAGE,
  options: OPTIONS,
  async run({ values }, io) {
    const asked = askedIn(values);
    try {
      await serveGateway(asked, io);
      return 0;
    } catch (error) {
      if (error instanceof PortError) return fail([error.message], io);
      if (hasWorkersFailed(error)) return 1;
      throw error;
    }
  },
});

/** The commands below it, by their words. */
const PARTS: Readonly<Record<string, Command>> = { token: tokens, usage, audit, forget };

/** `plimsoll gateway`: serves until the signal is aborted, then lets open requests finish. `token` has its own file. */
export const command: Command = {
  takes: [start, ...Object.values(PARTS)].flatMap(({ takes }) => takes),
  async run([word = '', ...rest], io) {
    const part = Object.hasOwn(PARTS, word) ? PARTS[word] : undefined;
    if (part !== undefined) return part.run(rest, io);
    if (word === '' || word.startsWith('-')) return start.run(word === '' ? rest : [word, ...rest], io);
    return refuseArguments([unlisted('gateway', word, Object.keys(PARTS))], io);
  },
};

/** The options; `null` if the configuration decides. */
interface Asked {
  readonly config: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly metricsPort: number | null;
  readonly workers: number | null;
  readonly json: boolean;
}

interface Given {
  readonly config?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly 'metrics-port'?: string | undefined;
  readonly workers?: string | undefined;
  readonly json: boolean;
}

/** Reads the options. Throws with every problem. */
function askedIn({ config, host, port, 'metrics-port': metricsPort, workers, json }: Given): Asked {
  const problems = [
    ...portProblems('--port', port),
    ...portProblems('--metrics-port', metricsPort),
    ...(workers === undefined || isWorkers(workers)
      ? []
      : [unfit('--workers', workers, { expected: WORKERS_EXPECTED })]),
  ];
  if (problems.length > 0) throw wrongArguments(...problems);
  return {
    config: config ?? null,
    host: host ?? null,
    port: numberOf(port),
    metricsPort: numberOf(metricsPort),
    workers: numberOf(workers),
    json,
  };
}

function portProblems(option: string, text: string | undefined): readonly Problem[] {
  if (text === undefined || (/^\d{1,5}$/.test(text) && Number(text) <= 65_535)) return [];
  return [unfit(option, text, { expected: '0 to 65535' })];
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

/** Returns the configuration, overridden by the command line. */
function configured(
  { config, host, port, metricsPort, workers }: Asked,
  io: CommandIo,
  files: Files,
): GatewayConfiguration {
  const configuration =
    config === null
      ? configurationInEnvironment(io.env, process.cwd(), files)
      : configurationInFile(config, io.env, files);
  const { listen, metrics } = configuration;
  const address = { host: host ?? listen.host, port: port ?? listen.port };
  const addresses = [['baseUrl', configuration.baseUrl], ...keyAddresses(configuration)] as const;
  const overridden = {
    ...configuration,
    listen: address,
    metrics: { ...metrics, port: metricsPort ?? metrics.port },
    workers: workers ?? configuration.workers,
  };
  const problems = [
    ...addresses.flatMap(([field, url]) => ownAddressProblem(field, url, address) ?? []),
    ...workerProblems(overridden),
    ...samePortProblems(overridden),
  ];
  if (problems.length > 0) throw new ConfigurationError(GATEWAY_INVALID, problems);
  return overridden;
}

/** Without it, the port would seem to be in use by another program. */
function samePortProblems({ listen, metrics }: GatewayConfiguration): readonly Problem[] {
  if (listen.port !== metrics.port || listen.port === 0 || listen.host !== metrics.host) return [];
  const expected = 'another port than that of listen';
  return [{ kind: 'conflict', field: 'metrics.port', expected, got: String(metrics.port), advice: 'change one' }];
}

function keyAddresses({ keyUrls }: GatewayConfiguration): readonly (readonly [field: string, url: string])[] {
  return [...keyUrls].map(([alias, url]) => [`keys.${alias}.baseUrl`, url] as const);
}

async function serveGateway(asked: Asked, io: CommandIo): Promise<void> {
  const { json, config } = asked;
  // A signal while it starts must not end it; it is reading its configuration anyway.
  let again = (): void => undefined;
  io.onReload(() => again());
  const texts = new WeakMap<GatewayConfiguration, FileTexts>();
  const read = (given?: FileTexts): GatewayConfiguration => {
    const files = new Files(given);
    const configuration = configured(asked, io, files);
    texts.set(configuration, files.texts);
    return configuration;
  };
  if (process.send !== undefined) {
    const { seatIn, serveAsWorker } = await import('./gateway-worker.ts');
    const seat = seatIn(io);
    const start: Serving['start'] = (configuration, supervised) => started(configuration, io, supervised);
    if (seat !== null) return serveAsWorker(seat, { read, start }, io);
  }
  const configuration = read();
  configuration.notices.forEach((notice) => io.err(sentenceOf(notice)));
  const running =
    configuration.workers === 1
      ? await started(configuration, io)
      : await supervised({ configuration, textsOf: (each) => texts.get(each) ?? {} }, asked, io);
  again = () => void reload(running, () => read(), io);
  const unwatch = config === null ? null : watchFile(config, again);
  print(json ? [greetingJson(configuration, running, io.now())] : greeting(configuration, running), io);
  await aborted(io.signal);
  unwatch?.();
  if (!json)
    io.err(`Shutting down: open requests may finish, for at most ${configuration.limits.drainSeconds} seconds.`);
  await running.close();
}

async function started(
  configuration: GatewayConfiguration,
  io: CommandIo,
  supervised?: Supervised,
): Promise<StartedGateway> {
  const { startGateway } = await import('./gateway-start.ts');
  const log = new RequestLog((line) => io.out(line));
  const onError = onceAMinute(io);
  const onFault = (fault: GatewayFault): void => io.err(faultLine(fault, io.now()));
  const onProblem = (message: string): void => io.err(organizationLine(message, io.now()));
  const onRedis = (store: string, outage: string | null): void => io.err(redisLine({ store, outage }, io.now()));
  return startGateway(configuration, { log, onError, onFault, onProblem, onRedis }, supervised);
}

async function supervised(
  first: Parameters<typeof superviseWorkers>[0],
  { config, host }: Asked,
  io: CommandIo,
): Promise<RunningGateway> {
  const { superviseWorkers } = await import('./gateway-workers.ts');
  const { workers } = first.configuration;
  const args = { config, host, workers: String(workers) };
  const given = Object.entries(args).flatMap(([name, value]) => (value === null ? [] : [`--${name}`, value]));
  return superviseWorkers(first, ['gateway', ...given], io);
}

/** Workers that could not start have said why. */
function hasWorkersFailed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === WORKERS_FAILED;
}

const WORKERS_FAILED: WorkersFailedError['code'] = 'PLIMSOLL_GATEWAY_WORKERS';

const INDENT = 10;
const COLUMNS = 80;

/** Shows people how the gateway listens; no line is wider than 80 characters unless a name is long. */
function greeting(configuration: GatewayConfiguration, { url, metricsUrl }: RunningGateway): readonly string[] {
  const { baseUrl, keys, pools, clients, workers } = configuration;
  return [
    `Gateway at ${url}, forwarding to ${baseUrl}. Press Ctrl-C to stop it.`,
    ...row('page', new URL('/', metricsUrl).href),
    ...row('metrics', metricsUrl),
    ...row('keys', [...keys.keys()].join(', ')),
    ...(pools.size === 0 ? [] : row('pools', [...pools.keys()].join(', '))),
    ...row('clients', [...clients.keys()].join(', ')),
    ...row('ledger', ledgerName(configuration)),
    ...row('tokens', placeName(configuration.tokens)),
    ...(workers === 1 ? [] : row('workers', String(workers))),
    ...row('replicas', sharing(configuration)),
  ];
}

/** Shows programs the same, in one line. */
function greetingJson(configuration: GatewayConfiguration, { url, metricsUrl }: RunningGateway, nowMs: number): string {
  const { baseUrl, keys, pools, clients, tokens, workers } = configuration;
  return logLine(nowMs, {
    level: 'info',
    event: 'listening',
    url,
    metricsUrl,
    baseUrl,
    keys: [...keys.keys()],
    ...(pools.size > 0 && { pools: [...pools.keys()] }),
    clients: [...clients.keys()],
    ledger: ledgerName(configuration),
    tokens: placeName(tokens),
    workers,
    replicas: sharing(configuration),
  });
}

function ledgerName({ ledger, budgets }: GatewayConfiguration): string {
  if (budgets.length === 0) return 'none: there are no budgets';
  return ledger === null ? 'memory: budgets start over at every restart' : placeName(ledger);
}

/** Names the place by its host, without credentials in its URL. */
function placeName(place: Place): string {
  return ledgerAt(place).shown;
}

function sharing({ tokens, ledger, budgets }: GatewayConfiguration): string {
  const sharesBudgets = ledger?.kind === 'redis' || budgets.length === 0;
  if (tokens.kind === 'redis' && sharesBudgets) return 'share tokens, rate limits and budgets';
  if (tokens.kind === 'redis') return 'share tokens and rate limits; each counts budgets separately';
  const besides = ledger?.kind === 'redis' ? ' but budgets' : '';
  return `share nothing${besides}: run only one, or keep tokens and ledger in Redis`;
}

function row(name: string, text: string): readonly string[] {
  return wrapped(text, COLUMNS - INDENT).map((line, index) =>
    `${(index === 0 ? `  ${name}` : '').padEnd(INDENT)}  ${line}`.trimEnd(),
  );
}
