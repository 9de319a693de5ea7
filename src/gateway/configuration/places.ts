import { resolve } from 'node:path';
import { ledgerPlace, type LedgerPlace } from '../../environment/ledger-place.ts';
import { ConfigurationError } from '../../errors.ts';
import { redisAddress, type OnAvailability } from '../../redis-address.ts';
import { fileStores, redisStores, type AccessStores } from '../access/stores.ts';
import type { UsageStore } from '../access/usage.ts';
import { redisUsage, sqliteUsage } from '../access/usage-stores.ts';
import { secretOf, type SecretSources } from './keys.ts';
import type { Reader } from './reader.ts';

/** A place that outlives the process. A function returns its URL, which may contain a password. */
export type Place =
  { readonly kind: 'sqlite'; readonly path: string } | { readonly kind: 'redis'; readonly url: () => string };

/** Reads `{ sqlite: PATH }` or `{ redis: { env: NAME } }`; `null` if it is absent, or wrong. */
export function placeOf(read: Reader, name: string, sources: SecretSources): Place | null {
  if (read.value(name) === undefined) return null;
  const place = read.within(name, '{ sqlite: PATH } or { redis: { env: NAME } }');
  place.only(['sqlite', 'redis']);
  const [isFile, isRedis] = [place.value('sqlite') !== undefined, place.value('redis') !== undefined];
  if (isFile === isRedis) {
    const kind = isFile ? 'conflict' : 'missing';
    read.note(name, { kind, expected: 'either sqlite or redis', got: isFile ? 'both' : 'neither', advice: 'name one' });
    return null;
  }
  return isFile ? fileOf(place, sources) : redisOf(place, sources);
}

function fileOf(place: Reader, { folder }: SecretSources): Place | null {
  const expected = 'the path of an SQLite file';
  const path = place.text('sqlite', { pattern: /^(?![a-z][a-z0-9+.-]*:\/\/)[^\0]{1,4096}$/i, expected });
  return path === undefined ? null : { kind: 'sqlite', path: path === ':memory:' ? path : resolve(folder, path) };
}

function redisOf(place: Reader, sources: SecretSources): Place | null {
  const secret = secretOf(place, 'redis', sources);
  if (secret === null) return null;
  const url = secret.text;
  if (redisAddress(url) !== null) return { kind: 'redis', url: () => url };
  const expected = 'the URL of a Redis, such as redis://127.0.0.1:6379';
  place.note('redis', { kind: 'invalid', expected, got: 'something else', advice: 'write it out' });
  return null;
}

/** Converts the place to one for the spend of budgets. */
export function ledgerAt(place: Place): LedgerPlace {
  const found = ledgerPlace(place.kind === 'sqlite' ? place.path : place.url());
  if ('problem' in found) throw new TypeError('expected a place that was checked');
  return found;
}

/** Reads the field `ledger`; `null` for only this process. */
export function ledgerPlaceOf(read: Reader, sources: SecretSources): Place | null {
  return read.value('ledger') === 'memory' ? null : placeOf(read, 'ledger', sources);
}

/** Opens the place of usage, for so many days. Throws a `ConfigurationError` if the file or `ioredis` cannot be used. */
export function openUsage(place: Place, keepDays: number, open: 'create' | 'existing' = 'create'): UsageStore {
  return place.kind === 'sqlite' ? sqliteUsage(place.path, keepDays, open) : redisUsage(place.url(), keepDays);
}

/**
 * Opens the place of tokens. Throws a `ConfigurationError` (`PLIMSOLL_TOKENS_INVALID`) if the file or the package
 * `ioredis` cannot be used. Whether a Redis responds shows only when it is used.
 */
export function openStores(
  place: Place,
  open: 'create' | 'existing' = 'create',
  onAvailability?: OnAvailability,
): AccessStores {
  if (place.kind === 'sqlite') return fileStores(place.path, open);
  try {
    return redisStores(place.url(), onAvailability);
  } catch {
    const [expected, got] = ['a Redis URL and the package ioredis', 'one without the other'];
    throw new ConfigurationError('PLIMSOLL_TOKENS_INVALID', [
      { kind: 'not_installed', field: 'tokens', expected, got, advice: 'npm install ioredis' },
    ]);
  }
}
