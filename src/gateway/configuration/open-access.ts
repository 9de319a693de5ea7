import { ConfigurationError } from '../../configuration-error.ts';
import { fileAccess, type Access } from '../access/access.ts';
import type { Place } from './places.ts';

/**
 * Opens the place of tokens. Rejects with a `ConfigurationError` (`PLIMSOLL_TOKENS_INVALID`) where the file or the package
 * `ioredis` cannot be used; a Redis that does not answer shows when it is asked.
 */
export async function openAccess(place: Place, open: 'create' | 'existing' = 'create'): Promise<Access> {
  if (place.kind === 'sqlite') return fileAccess(place.path, open);
  const { redisAccess } = await import('../access/redis-access.ts').catch(withoutIoredis);
  return redisAccess(place.url());
}

function withoutIoredis(): never {
  throw new ConfigurationError('PLIMSOLL_TOKENS_INVALID', [
    'tokens: expected a Redis URL and the package ioredis, got one without the other: npm install ioredis',
  ]);
}
