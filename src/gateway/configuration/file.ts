import { dirname, resolve } from 'node:path';
import type { Budget } from '../../budget/budget.ts';
import { systemClock } from '../../clock.ts';
import { ConfigurationError } from '../../configuration-error.ts';
import type { Env } from '../../environment/findings.ts';
import { structuredFile } from '../../structured-file.ts';
import { clientsOf, ORIGIN } from './clients.ts';
import {
  API_URL,
  GATEWAY_INVALID,
  GATEWAY_PORT,
  METRICS_PORT,
  TOKENS_FILE,
  type GatewayConfiguration,
} from './gateway-configuration.ts';
import { keysOf } from './keys.ts';
import { labelsOf, noteSubjectLabels } from './labels.ts';
import { addressOf, limitsOf } from './limits.ts';
import { ledgerPlaceOf, placeOf, type Place } from './places.ts';
import { isObject, Reader } from './reader.ts';
import type { SecretSources } from './secret-source.ts';
import { modelNotices, priceTableOf, tierOf, upstreamOf } from './settings.ts';
import { allBudgets } from './spending.ts';

const FIELDS = [
  ...['listen', 'metrics', 'baseUrl', 'keys', 'clients', 'labelHeaders', 'attribution', 'budgets', 'ledger', 'tokens'],
  ...['prices', 'tier', 'limits', 'cors'],
];

/**
 * The configuration of a file, JSON, or YAML where the package `yaml` is installed. Secrets come from the variables and
 * files that it names; relative paths in it begin at its folder. Reads all of them at once. Throws a
 * `ConfigurationError` (`PLIMSOLL_GATEWAY_INVALID`) with every problem and its path in the file; none shows a secret.
 */
export function configurationInFile(path: string, env: Env): GatewayConfiguration {
  return readFrom(path, (read) => configured(read, { env, folder: dirname(path) }));
}

/** As much of a configuration as making and revoking tokens needs: no key. */
export interface TokenOffice {
  readonly tokens: Place;
  /** Names of the clients that there are. */
  readonly clients: readonly string[];
}

/** Of a file, without asking for the keys that it names. Throws as `configurationInFile` does. */
export function tokenOfficeInFile(path: string, env: Env): TokenOffice {
  const sources = { env, folder: dirname(path) };
  return readFrom(path, (read) => ({
    tokens: tokensOf(read, sources),
    clients: [...clientsOf(read, read.within('keys', '').names()).keys()],
  }));
}

/** As much of a configuration as showing what is spent needs: no key. */
export interface GatewaySpending {
  /** Those of the gateway, and those of its clients. */
  readonly budgets: readonly Budget[];
  /** `null`: in the process of the gateway alone. */
  readonly ledger: Place | null;
}

/** Of a file, without asking for the keys that it names. Throws as `configurationInFile` does. */
export function spendingInFile(path: string, env: Env): GatewaySpending {
  return readFrom(path, (read) => {
    const aliases = read.within('keys', '').names();
    const clients = [...clientsOf(read, aliases).keys()];
    return {
      budgets: allBudgets(read, { clients, aliases }),
      ledger: ledgerPlaceOf(read, { env, folder: dirname(path) }),
    };
  });
}

function readFrom<T>(path: string, reading: (read: Reader) => T): T {
  const file = structuredFile(path);
  if ('problem' in file) throw invalid(path, [file.problem]);
  if (!isObject(file.value)) throw invalid(path, ['expected fields such as keys and clients, got something else']);
  const problems: string[] = [];
  const found = reading(new Reader(file.value, '', problems));
  if (problems.length > 0) throw invalid(path, [...new Set(problems)]);
  return found;
}

function configured(read: Reader, sources: SecretSources): GatewayConfiguration {
  read.only(FIELDS);
  const notices: string[] = [];
  const baseUrl = upstreamOf(read, sources, notices);
  const called = { callsTheApi: baseUrl === API_URL, namesUpstream: read.value('baseUrl') !== undefined };
  const keys = keysOf(read, { ...called, sources, notices });
  // Whoever names a key that has a problem of its own made no other mistake.
  const aliases = read.within('keys', '').names();
  const clients = clientsOf(read, aliases);
  const named = [...clients.values()];
  noteSubjectLabels(read, named);
  const budgets = allBudgets(read, { clients: [...clients.keys()], aliases });
  const prices = priceTableOf(read, sources);
  return {
    listen: addressOf(read, 'listen', GATEWAY_PORT),
    metrics: addressOf(read, 'metrics', METRICS_PORT),
    ...{ baseUrl, keys, clients, budgets, prices },
    ledger: ledgerPlaceOf(read, sources),
    ...labelsOf(read, { clients: named, budgets }),
    tokens: tokensOf(read, sources),
    tier: tierOf(read, systemClock.epochMs()),
    limits: limitsOf(read),
    corsOrigins: corsOriginsOf(
      read,
      named.flatMap(({ origins }) => origins ?? []),
    ),
    notices: [...notices, ...modelNotices(named, prices)],
  };
}

/** A fleet that shares its budgets shares its tokens too. */
function tokensOf(read: Reader, sources: SecretSources): Place {
  const named = placeOf(read, 'tokens', sources);
  if (named !== null) return named;
  const ledger = ledgerPlaceOf(read, sources);
  return ledger?.kind === 'redis' ? ledger : { kind: 'sqlite', path: resolve(sources.folder, TOKENS_FILE) };
}

function corsOriginsOf(read: Reader, ofClients: readonly string[]): readonly string[] {
  const cors = read.within('cors', '{ origins: [https://app.example.com] }');
  cors.only(['origins']);
  return [...new Set([...(cors.texts('origins', ORIGIN) ?? []), ...ofClients])];
}

function invalid(path: string, problems: readonly string[]): ConfigurationError {
  return new ConfigurationError(
    GATEWAY_INVALID,
    problems.map((problem) => `${path}: ${problem}`),
  );
}
