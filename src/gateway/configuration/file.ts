import { dirname, resolve } from 'node:path';
import type { Budget } from '../../budget/budget.ts';
import { systemClock } from '../../clock.ts';
import { versionProblems } from '../../client/options.ts';
import { Findings, textOf, type Env } from '../../environment/credential.ts';
import { baseUrlOf } from '../../environment/environment.ts';
import { unknownModel } from '../../environment/models.ts';
import { ConfigurationError, inside, sentenceOf, unfit, type Notice, type Problem } from '../../errors.ts';
import { defaultPrices, pricesIn, type PriceTable } from '../../pricing/prices.ts';
import { structuredFile } from '../../structured-file.ts';
import { tierProblems, type TierOption } from '../../tier/tiers.ts';
import type { GatewayClient } from '../access/client.ts';
import { isListed } from '../access/model-list.ts';
import { ORIGIN, OWN_CREDENTIAL, clientsOf, loginsOf } from './clients.ts';
import {
  API_URL,
  GATEWAY_INVALID,
  GATEWAY_PORT,
  TOKENS_FILE,
  addressOf,
  metricsAddressOf,
  limitsOf,
  publicUrlOf,
  trustProxyOf,
  workersOf,
  type GatewayConfiguration,
} from './configuration.ts';
import { Files } from './files.ts';
import { ADDRESS, keyOrganizationsOf, keysOf, type SecretSources } from './keys.ts';
import { allBudgets, labelsOf, noteSubjectLabels } from './labels.ts';
import { organizationOf } from './organization.ts';
import { ownersOf } from './owners.ts';
import type { TokenRecord } from '../access/tokens.ts';
import { declaredTokensOf } from './declared.ts';
import { ledgerPlaceOf, placeOf, type Place } from './places.ts';
import { poolsOf } from './pools.ts';
import { Reader, isObject } from './reader.ts';

const FIELDS = [
  ...[
    'listen',
    'metrics',
    'workers',
    'baseUrl',
    'publicUrl',
    'trustProxy',
    'keys',
    'pools',
    'clients',
    'labelHeaders',
    'attribution',
    'budgets',
    'ledger',
    'tokens',
  ],
  ...['prices', 'tier', 'serviceVersion', 'organization', 'limits', 'cors', 'owners', 'declaredTokens'],
];

/**
 * Reads the configuration from a JSON file, or YAML if the package `yaml` is installed. Secrets come from the variables
 * and files that it names; relative paths start at its folder. Reads all of them synchronously. Throws a
 * `ConfigurationError` (`PLIMSOLL_GATEWAY_INVALID`) with every problem and its path in the file; none contains a
 * secret. `files` reads them and keeps what it has read.
 */
export function configurationInFile(path: string, env: Env, files = new Files()): GatewayConfiguration {
  return readFrom(path, (read) => configured(read, { env, folder: dirname(path), files }), files);
}

/** The parts of a configuration that commands about tokens use, a closed set. */
export type TokenPart = 'tokens' | 'clients' | 'owners' | 'usage' | 'declaredTokens';

/** The part of a configuration for making and revoking tokens, without keys. */
export interface TokenSettings {
  readonly tokens: Place;
  /** The configured clients by name. */
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** The budgets of the clients and of the gateway. */
  readonly budgets: readonly Budget[];
  /** The key that owners are hashed with; `null` for owners in clear. */
  readonly ownerKey: string | null;
  readonly declaredTokens: ReadonlyMap<string, TokenRecord>;
  /** The place of usage, and the days for which it is kept. */
  readonly usage: Place;
  readonly usageDays: number;
  /** Problems of parts that were not needed. What those parts say above is incomplete. */
  readonly unread: ReadonlyMap<TokenPart, readonly Problem[]>;
}

/**
 * Reads that part of a file, without the keys that it names. Only the parts in `needs` must be right: a token can be
 * revoked while the rest of the file is broken. Throws as `configurationInFile` does, with their problems.
 */
export function tokenSettingsInFile(path: string, env: Env, needs: ReadonlySet<TokenPart>): TokenSettings {
  const sources = { env, folder: dirname(path) };
  const fields = fieldsIn(path);
  const found = new Map<TokenPart, readonly Problem[]>();
  const part = <T>(name: TokenPart, reading: (read: Reader) => T): T => {
    const problems: Problem[] = [];
    const value = reading(new Reader(fields, '', problems));
    if (problems.length > 0) found.set(name, inside(path, each(problems)));
    return value;
  };
  const settings = {
    tokens: part('tokens', (read) => tokensOf(read, sources)),
    ...part('clients', clientsAndBudgets),
    ...part('owners', (read) => ownerSettings(read, sources)),
    usage: part('usage', (read) => ledgerPlaceOf(read, sources) ?? tokensOf(read, sources)),
    declaredTokens: part('declaredTokens', (read) => declaredTokensOf(read, sources)),
  };
  const needed = [...found].filter(([name]) => needs.has(name)).flatMap(([, problems]) => problems);
  if (needed.length > 0) throw new ConfigurationError(GATEWAY_INVALID, each(needed));
  return { ...settings, unread: found };
}

function clientsAndBudgets(read: Reader): Pick<TokenSettings, 'clients' | 'budgets'> {
  const aliases = read.within('keys', '').names();
  const clients = clientsOf(read, namesOf(read));
  return { clients, budgets: allBudgets(read, { clients: [...clients.keys()], aliases }) };
}

function ownerSettings(read: Reader, sources: SecretSources): Pick<TokenSettings, 'ownerKey' | 'usageDays'> {
  const { key, usageDays } = ownersOf(read, sources);
  return { ownerKey: key, usageDays };
}

/** The part of a configuration for showing spend, without keys. */
interface GatewaySpending {
  /** The budgets of the gateway and of its clients. */
  readonly budgets: readonly Budget[];
  /** `null` if spend is only in the gateway's own process. */
  readonly ledger: Place | null;
}

/** Reads that part of a file, without the keys that it names. Throws as `configurationInFile` does. */
export function spendingInFile(path: string, env: Env): GatewaySpending {
  return readFrom(path, (read) => {
    const aliases = read.within('keys', '').names();
    const clients = [...clientsOf(read, namesOf(read)).keys()];
    return {
      budgets: allBudgets(read, { clients, aliases }),
      ledger: ledgerPlaceOf(read, { env, folder: dirname(path) }),
    };
  });
}

function readFrom<T>(path: string, reading: (read: Reader) => T, files = new Files()): T {
  const problems: Problem[] = [];
  const found = reading(new Reader(fieldsIn(path, files), '', problems));
  if (problems.length > 0) throw invalid(path, each(problems));
  return found;
}

function fieldsIn(path: string, files = new Files()): object {
  const file = structuredFile(path, (named) => files.text('configuration', named) ?? '');
  if ('problem' in file) throw invalid(path, [{ field: '', ...file.problem }]);
  if (isObject(file.value)) return file.value;
  throw invalid(path, [unfit('', file.value, { expected: 'fields such as keys and clients' })]);
}

/** Removes repeated problems, because some fields are read twice. */
function each(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map((problem) => [sentenceOf(problem), problem])).values()];
}

function configured(read: Reader, sources: SecretSources): GatewayConfiguration {
  read.only(FIELDS);
  const notices: Notice[] = [];
  const baseUrl = upstreamOf(read, sources, notices);
  const called = { callsTheApi: baseUrl === API_URL, namesUpstream: read.value('baseUrl') !== undefined };
  const keys = allKeys(read, { ...called, sources, notices });
  // A client that names a key with a problem has no problem of its own.
  const aliases = read.within('keys', '').names();
  const clients = clientsOf(read, namesOf(read));
  const named = [...clients.values()];
  noteSubjectLabels(read, named);
  const budgets = allBudgets(read, { clients: [...clients.keys()], aliases });
  const prices = priceTableOf(read, sources);
  return {
    listen: addressOf(read, 'listen', GATEWAY_PORT),
    metrics: metricsAddressOf(read),
    workers: workersOf(read),
    baseUrl,
    publicUrl: publicUrlOf(read),
    trustProxy: trustProxyOf(read),
    keys,
    keyUrls: keyUrlsOf(read, notices),
    keyOrganizations: keyOrganizationsOf(read),
    pools: poolsOf(read, aliases),
    clients,
    budgets,
    prices,
    ledger: ledgerPlaceOf(read, sources),
    ...labelsOf(read, { clients: named, budgets }),
    tokens: tokensOf(read, sources),
    tier: tierOf(read, systemClock.epochMs()),
    serviceVersion: serviceVersionOf(read),
    organization: organizationOf(read, { keys, sources, notices }),
    limits: limitsOf(read),
    owners: ownersOf(read, sources),
    declaredTokens: declaredTokensOf(read, sources),
    corsOrigins: corsOriginsOf(read, named),
    notices: [...notices, ...modelNotices(named, prices)],
  };
}

/** The keys, and one without a text for the calls of subscribers, who have no key if no other client needs one. */
function allKeys(read: Reader, context: Parameters<typeof keysOf>[1]): ReturnType<typeof keysOf> {
  const logins = loginsOf(read);
  const keys = logins === 'all' && read.value('keys') === undefined ? new Map() : keysOf(read, context);
  if (keys.has(OWN_CREDENTIAL))
    read.note('keys', { kind: 'conflict', expected: 'other aliases', got: OWN_CREDENTIAL, advice: 'rename it' });
  return logins === 'none' ? keys : new Map([...keys, [OWN_CREDENTIAL, () => '']]);
}

/** What a client may name as its key: an alias, or a pool. */
function namesOf(read: Reader): readonly string[] {
  return [...read.within('keys', '').names(), ...read.within('pools', '').names()];
}

/** The addresses of keys that have one of their own. */
function keyUrlsOf(read: Reader, notices: Notice[]): ReadonlyMap<string, string> {
  const keys = read.within('keys', '');
  const addressed = keys.names().filter((alias) => {
    const key = keys.value(alias);
    return isObject(key) && key[ADDRESS] !== undefined;
  });
  const urls = addressed.map((alias) => [alias, upstreamOf(keys.within(alias, ''), { env: {} }, notices)] as const);
  return new Map(urls);
}

/** A fleet that shares its budgets shares its tokens too. */
function tokensOf(read: Reader, sources: SecretSources): Place {
  const named = placeOf(read, 'tokens', sources);
  if (named !== null) return named;
  const ledger = ledgerPlaceOf(read, sources);
  return ledger?.kind === 'redis' ? ledger : { kind: 'sqlite', path: resolve(sources.folder, TOKENS_FILE) };
}

function corsOriginsOf(read: Reader, clients: readonly GatewayClient[]): readonly string[] {
  const ofClients = clients.flatMap(({ origins }) => origins ?? []);
  const cors = read.within('cors', '{ origins: [https://app.example.com] }');
  cors.only(['origins']);
  return [...new Set([...(cors.texts('origins', ORIGIN) ?? []), ...ofClients])];
}

function invalid(path: string, problems: readonly Problem[]): ConfigurationError {
  return new ConfigurationError(GATEWAY_INVALID, inside(path, problems));
}

const PATH = { pattern: /^[^\0]{1,4096}$/, expected: 'the path of a file' };

/** Returns the address in the field `baseUrl`, else in `ANTHROPIC_BASE_URL`, else the API's own. */
function upstreamOf(read: Reader, { env }: Pick<SecretSources, 'env'>, notices: Notice[]): string {
  const variable = 'ANTHROPIC_BASE_URL';
  const given = read.value('baseUrl');
  if (given !== undefined && typeof given !== 'string') read.problem('baseUrl', 'the address of an API', 'quote it');
  const findings = new Findings();
  const url = baseUrlOf({ [variable]: typeof given === 'string' ? given : env[variable] }, findings);
  const field = given === undefined ? variable : 'baseUrl';
  const place = given === undefined ? variable : read.place('baseUrl');
  for (const problem of findings.problems) read.note(field, problem);
  notices.push(...findings.notices.map(({ text }) => ({ field: place, text })));
  return url?.replace(/(?<!\/)\/+$/, '') ?? API_URL;
}

/** Returns the prices of the file in the field `prices`, else in `PLIMSOLL_PRICES`, else the shipped ones. */
function priceTableOf(read: Reader, { env, folder, files = new Files() }: SecretSources): PriceTable {
  const named = read.text('prices', PATH);
  const path = named === undefined ? textOf(env, 'PLIMSOLL_PRICES') : resolve(folder, named);
  try {
    return pricesIn(path, () => files.text('prices', path === '' ? null : path));
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const field = named === undefined ? 'PLIMSOLL_PRICES' : 'prices';
    for (const problem of inside(field, error.problems)) read.note(problem.field, problem);
    return defaultPrices();
  }
}

/** The name of a tier, or `{ name, organization }`. */
function tierOf(read: Reader, nowMs: number): TierOption | undefined {
  const given = read.value('tier');
  const option = typeof given === 'string' ? { name: given } : given;
  if (isObject(given)) read.within('tier', '').only(['name', 'organization']);
  for (const problem of tierProblems(option, nowMs)) read.note(problem.field, problem);
  return option as TierOption | undefined;
}

function serviceVersionOf(read: Reader): string | undefined {
  const given = read.value('serviceVersion');
  const problems = versionProblems(given);
  for (const problem of problems) read.note(problem.field, problem);
  return problems.length > 0 ? undefined : (given as string | undefined);
}

/** Notices unknown models: the gateway would refuse a misspelled one to its client, and nobody would know why. */
function modelNotices(clients: readonly GatewayClient[], prices: PriceTable): readonly Notice[] {
  return clients.flatMap(({ name, models }) =>
    (models ?? []).flatMap((model) => {
      if (prices.knownModels.some((known) => isListed(known, [model]))) return [];
      const text = unknownModel(model, prices);
      return text === null ? [] : [{ field: `clients.${name}.models`, text }];
    }),
  );
}
