import { resolve } from 'node:path';
import { CREDENTIALS, textOf, type Env } from '../../environment/credential.ts';
import { environmentReport } from '../../environment/environment.ts';
import { ConfigurationError, type Problem } from '../../errors.ts';
import { judgedKey } from '../../keys/secrets.ts';
import { hasRedisScheme, redisAddress } from '../../redis-address.ts';
import { MODEL_VARIABLES } from '../../routing/models.ts';
import { unboundClient } from '../access/client.ts';
import { LOCAL_PROXIES } from '../trusted-proxies.ts';
import {
  API_URL,
  DEFAULT_LIMITS,
  GATEWAY_INVALID,
  GATEWAY_PORT,
  METRICS_PORT,
  TOKENS_FILE,
  type GatewayConfiguration,
  type ListenAddress,
} from './configuration.ts';
import { Files } from './files.ts';
import { secretInEnvironment, type SecretSources } from './keys.ts';
import { DEFAULT_OWNERS } from './owners.ts';
import type { Place } from './places.ts';

/** Variables whose text may be a secret. With the suffix `_FILE`, they name a file with the secret. */
const SECRETS = ['ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_API_KEY', 'PLIMSOLL_LEDGER', 'PLIMSOLL_TOKENS'];

/**
 * Builds a configuration from environment variables only: one key, and one client called `default` that may do anything
 * with it. Throws a `ConfigurationError` (`PLIMSOLL_GATEWAY_INVALID`) with every problem. `files`
 * reads the files of secrets and keeps what it has read.
 */
export function configurationInEnvironment(given: Env, folder: string, files = new Files()): GatewayConfiguration {
  const problems: Problem[] = [];
  const env = withFiles({ env: given, folder, files }, problems);
  const report = environmentReport(env);
  const tokens = tokensPlace(env, folder, problems);
  problems.push(...ofTheKey(env, report.problems));
  const { configuration } = report;
  if (configuration === null || tokens === null || problems.length > 0) {
    throw new ConfigurationError(GATEWAY_INVALID, problems);
  }
  const { credential, baseUrl, budgets, prices } = configuration;
  const alias = configuration.key ?? 'default';
  const ledger = textOf(env, 'PLIMSOLL_LEDGER');
  return {
    listen: { host: '127.0.0.1', port: GATEWAY_PORT },
    metrics: { host: '127.0.0.1', port: METRICS_PORT, names: [] },
    workers: 1,
    baseUrl: baseUrl?.replace(/(?<!\/)\/+$/, '') ?? API_URL,
    publicUrl: null,
    trustProxy: LOCAL_PROXIES,
    keys: new Map([[alias, credential.token]]),
    ...{ keyUrls: new Map(), keyOrganizations: new Map() },
    pools: new Map(),
    clients: new Map([['default', { ...unboundClient('default', alias), endpoints: opened(budgets) }]]),
    labelHeaders: [],
    attribution: {},
    budgets,
    ledger: ledger === '' || ledger === 'memory' ? null : placeIn(ledger, folder),
    tokens,
    prices,
    tier: undefined,
    serviceVersion: undefined,
    organization: null,
    limits: DEFAULT_LIMITS,
    owners: DEFAULT_OWNERS,
    declaredTokens: new Map(),
    corsOrigins: [],
    // Models matter to clients, and the gateway only forwards their calls.
    notices: report.notices.filter(({ field }) => !OF_MODELS.has(field)),
  };
}

/** Budgets see nothing of what sessions cost, so they would not be kept. */
function opened(budgets: readonly unknown[]): 'all' | 'standard' {
  return budgets.length === 0 ? 'all' : 'standard';
}

const OF_MODELS: ReadonlySet<string> = new Set(Object.values(MODEL_VARIABLES));

/** Reads the place of the tokens, and nothing else: not the key. Throws as `configurationInEnvironment` does. */
export function tokensInEnvironment(given: Env, folder: string): Place {
  const problems: Problem[] = [];
  const named = withFiles({ env: given, folder }, problems, ['PLIMSOLL_TOKENS']);
  const isNamed = textOf(named, 'PLIMSOLL_TOKENS') !== '';
  const env = isNamed ? named : withFiles({ env: named, folder }, problems, ['PLIMSOLL_LEDGER']);
  const tokens = tokensPlace(env, folder, problems);
  if (tokens === null || problems.length > 0) throw new ConfigurationError(GATEWAY_INVALID, problems);
  return tokens;
}

/** Reads the place of usage: the ledger's, or else that of the tokens. Throws as `configurationInEnvironment` does. */
export function usageInEnvironment(given: Env, folder: string): Place {
  const tokens = tokensInEnvironment(given, folder);
  const ledger = textOf(withFiles({ env: given, folder }, []), 'PLIMSOLL_LEDGER');
  return ledger === '' || ledger === 'memory' ? tokens : placeIn(ledger, folder);
}

const NO_KEY: Problem = {
  kind: 'no_key',
  field: 'ANTHROPIC_AUTH_TOKEN',
  expected: 'the key that the gateway holds',
  got: 'not set',
  advice:
    'create one at https://platform.claude.com/settings/keys, and set ANTHROPIC_AUTH_TOKEN or ANTHROPIC_API_KEY to it for ' +
    'this process, or set ANTHROPIC_AUTH_TOKEN_FILE or ANTHROPIC_API_KEY_FILE to the path of a file that has it; or name ' +
    'another variable in a configuration file, with --config',
};

const TOKEN_OF_A_CLIENT: Omit<Problem, 'field'> = {
  kind: 'gateway_token',
  expected: 'an API key',
  got: 'a gateway token',
  advice:
    'this looks like the environment of a client. Start the gateway with the key, and leave ANTHROPIC_BASE_URL unset or ' +
    'set it to the API; a gateway in front of another gateway needs a configuration file, with --config',
};

/**
 * Replaces the problem of a missing key with the gateway's own text, and adds one if the key is a gateway token: a gateway
 * started in the shell of a client would otherwise call itself.
 */
function ofTheKey(env: Env, problems: readonly Problem[]): readonly Problem[] {
  const used = CREDENTIALS.find((variable) => textOf(env, variable) !== '');
  if (used === undefined) return problems.map((problem) => (problem.kind === 'no_key' ? NO_KEY : problem));
  if (judgedKey(textOf(env, used)).kind !== 'gateway_token') return problems;
  return [{ ...TOKEN_OF_A_CLIENT, field: used }, ...problems.filter(({ field }) => field !== used)];
}

function withFiles(sources: SecretSources, problems: Problem[], variables: readonly string[] = SECRETS): Env {
  const { env } = sources;
  const named = variables.filter((variable) => textOf(env, `${variable}_FILE`) !== '');
  const read = named.map((variable) => {
    const found = secretInEnvironment(variable, sources);
    if ('problem' in found) problems.push({ field: `${variable}_FILE`, ...found.problem });
    return [variable, 'text' in found ? found.text : undefined] as const;
  });
  return { ...env, ...Object.fromEntries(read) };
}

/** Returns the place that `PLIMSOLL_TOKENS` names; else the Redis of the ledger, or a file in the folder. */
function tokensPlace(env: Env, folder: string, problems: Problem[]): Place | null {
  const [named, ledger] = [textOf(env, 'PLIMSOLL_TOKENS'), textOf(env, 'PLIMSOLL_LEDGER')];
  const text = named || (hasRedisScheme(ledger) ? ledger : TOKENS_FILE);
  const isPlace = hasRedisScheme(text) ? redisAddress(text) !== null : !/^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  if (isPlace) return placeIn(text, folder);
  const expected = 'the path of an SQLite file, or the URL of a Redis such as redis://127.0.0.1:6379';
  const [got, advice] = ['something else', 'name one of them'];
  problems.push({ kind: 'invalid', field: 'PLIMSOLL_TOKENS', expected, got, advice });
  return null;
}

function placeIn(text: string, folder: string): Place {
  return hasRedisScheme(text) ? { kind: 'redis', url: () => text } : { kind: 'sqlite', path: resolve(folder, text) };
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

const EVERY = /^(?:0\.0\.0\.0|::)$/;

/**
 * The problem of an API address that the gateway itself listens on: each request would come back to it, endlessly.
 * `null` for any other. Only loopback names are recognized; other names of this machine are not looked up.
 */
export function ownAddressProblem(field: string, baseUrl: string, { host, port }: ListenAddress): Problem | null {
  const url = URL.parse(baseUrl);
  if (url === null || port !== portOf(url)) return null;
  const isHere = LOOPBACK.test(url.hostname) && (LOOPBACK.test(host) || EVERY.test(host));
  if (!isHere && url.hostname.replace(/^\[|\]$/g, '') !== host.toLowerCase()) return null;
  return {
    kind: 'conflict',
    field,
    expected: "the API's address",
    got: `the gateway's own (${url.host})`,
    advice: field === 'baseUrl' ? 'correct or remove baseUrl in its file, or ANTHROPIC_BASE_URL' : 'correct it',
  };
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}
