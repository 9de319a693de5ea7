import { secretOf, type SecretSources } from './keys.ts';
import type { Reader } from './reader.ts';

/** How the owners of tokens are kept: they are personal data. */
export interface OwnerSettings {
  /** The key that owners are hashed with before they are stored; `null`: they are stored as they are. */
  readonly key: string | null;
  /** Days for which usage is kept. */
  readonly usageDays: number;
  /** Days for which entries of the audit log are kept. */
  readonly auditDays: number;
}

export const DEFAULT_OWNERS: OwnerSettings = { key: null, usageDays: 400, auditDays: 400 };

const DAYS = { least: 1, most: 36_500, expected: 'whole days from 1 to 36500' };

/** A shorter key can be found by trying. */
const SHORTEST_KEY = 16;

/** Reads the field `owners`. */
export function ownersOf(read: Reader, sources: SecretSources): OwnerSettings {
  const owners = read.within('owners', '{ hash: { env: NAME }, usageDays: 400, auditDays: 400 }');
  owners.only(['hash', 'usageDays', 'auditDays']);
  const secret = owners.value('hash') === undefined ? null : secretOf(owners, 'hash', sources);
  if (secret !== null && secret.text.length < SHORTEST_KEY) {
    const expected = `a random text of at least ${SHORTEST_KEY} characters`;
    owners.note('hash', { kind: 'invalid', expected, got: 'a shorter one', advice: 'make one: openssl rand -hex 32' });
  }
  return {
    key: secret?.text ?? null,
    usageDays: owners.integer('usageDays', DAYS) ?? DEFAULT_OWNERS.usageDays,
    auditDays: owners.integer('auditDays', DAYS) ?? DEFAULT_OWNERS.auditDays,
  };
}
