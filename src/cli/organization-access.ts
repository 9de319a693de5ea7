import { readFileSync } from 'node:fs';
import { systemClock, type Clock } from '../clock.ts';
import { CREDENTIALS, textOf, type Env } from '../environment/credential.ts';
import { ConfigurationError, unfit, unreadable } from '../errors.ts';
import { currentKey } from '../gateway/configuration/keys.ts';
import { adminKeyProblem } from '../keys/secrets.ts';
import { hintOf } from '../organization/key-audit.ts';
import { wrongArguments } from './arguments.ts';

/** The code of a configuration with which no organization can be read. */
export const ORGANIZATION_INVALID = 'PLIMSOLL_ORGANIZATION_INVALID';

/**
 * Reads the admin key of the environment, or of a file, in which a new one is used without a restart. Throws a
 * `ConfigurationError` where there is none, or another key.
 */
export function adminKeyOf(env: Env, clock: Clock = systemClock): () => string {
  const file = textOf(env, 'ANTHROPIC_ADMIN_KEY_FILE');
  const field = file === '' ? 'ANTHROPIC_ADMIN_KEY' : 'ANTHROPIC_ADMIN_KEY_FILE';
  const value = file === '' ? textOf(env, field) : contentOf(file, field);
  const problem = adminKeyProblem(value);
  if (problem !== null) throw new ConfigurationError(ORGANIZATION_INVALID, [{ field, ...problem }]);
  const secret = { text: value, file: file === '' ? null : file };
  return currentKey(secret, clock, (text) => adminKeyProblem(text) === null);
}

/** Returns `true` where the environment names an admin key. */
export function namesAdminKey(env: Env): boolean {
  return textOf(env, 'ANTHROPIC_ADMIN_KEY_FILE') !== '' || textOf(env, 'ANTHROPIC_ADMIN_KEY') !== '';
}

function contentOf(path: string, field: string): string {
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (text !== '') return text;
  } catch (error) {
    throw new ConfigurationError(ORGANIZATION_INVALID, [{ field, ...unreadable(error, ADMIN_KEY_FILE) }]);
  }
  const advice = 'write the admin key into it';
  throw new ConfigurationError(ORGANIZATION_INVALID, [
    { kind: 'missing', field, expected: ADMIN_KEY_FILE, got: 'an empty one', advice },
  ]);
}

const ADMIN_KEY_FILE = 'a file with the admin key';

/** Reads `ALIAS=ID`, as often as it is given. Throws for anything else. */
export function idsIn(pairs: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const ids: Record<string, readonly string[]> = {};
  for (const pair of pairs) {
    const [alias = '', id = ''] = pair.split('=');
    if (!/^apikey_\w+$/.test(id))
      throw wrongArguments(unfit('--key', pair, { expected: 'an alias and an id, such as prod-shop-api=apikey_01Ab' }));
    ids[alias] = [...(ids[alias] ?? []), id];
  }
  return ids;
}

/** The key of the environment is known by its hint, under its alias. */
export function hintsOf(env: Env): ReadonlyMap<string, string> {
  const [alias, secret] = [
    textOf(env, 'PLIMSOLL_KEY'),
    CREDENTIALS.map((variable) => textOf(env, variable)).find((value) => value !== '') ?? '',
  ];
  const hint = hintOf(secret);
  return new Map(alias === '' || hint === null ? [] : [[alias, hint]]);
}
