import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Env } from '../../environment/findings.ts';
import { mayHoldSecret } from '../../secret-mark.ts';
import { unreadable } from '../../unreadable.ts';
import { isObject, type Reader } from './reader.ts';

/** Where secrets are read from: the environment, and files; relative paths begin at `folder`. */
export interface SecretSources {
  readonly env: Env;
  readonly folder: string;
}

/** A secret, and the file that it came from, if it did. */
export interface Secret {
  readonly text: string;
  readonly file: string | null;
}

/** A secret, or why there is none, as what was expected and what came, without the secret. */
export type SecretFound = Secret | { readonly problem: string };

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const EXPECTED = '{ env: NAME } or { file: PATH }';

/**
 * The secret that a field names, by `{ env: NAME }` or `{ file: PATH }`. The file itself holds none: what stands in the
 * place of one is never shown. `null`, with a problem, where there is none to be had.
 */
export function secretOf(read: Reader, name: string, sources: SecretSources): Secret | null {
  const value = read.value(name);
  const fields = isObject(value) ? Object.entries(value) : [];
  const [kind, where] = fields[0] ?? [];
  if (fields.length !== 1 || typeof where !== 'string' || (kind !== 'env' && kind !== 'file')) {
    const came = typeof value === 'string' ? `a text of ${value.length} characters` : 'something else';
    const advice = 'a secret never stands in this file: put it into a variable or a file of its own, and name that';
    read.note(name, `expected ${EXPECTED}, got ${came}: ${advice}`);
    return null;
  }
  const found = kind === 'env' ? secretInEnvironment(where, sources) : secretInFile(where, sources);
  if ('text' in found) return found;
  read.note(`${name}.${kind}`, found.problem);
  return null;
}

/** Of the variable, or of the file that the variable with `_FILE` behind its name names. */
export function secretInEnvironment(variable: string, sources: SecretSources): SecretFound {
  if (!VARIABLE.test(variable)) {
    return { problem: 'expected the name of an environment variable, got something else: put the secret into one' };
  }
  const [direct, path] = [variable, `${variable}_FILE`].map((name) => sources.env[name]?.trim() ?? '');
  if (direct && path) return { problem: `expected ${variable} or ${variable}_FILE, got both: unset one` };
  if (path) return secretInFile(path, sources);
  if (direct) return { text: direct, file: null };
  return { problem: `expected a secret in ${variable}, or a file of one in ${variable}_FILE, got nothing: set one` };
}

function secretInFile(path: string, { folder }: SecretSources): SecretFound {
  // Whoever writes the secret itself in the place of its path must not see it printed.
  const shown = /[/.]/.test(path) && path.length <= 200 && !mayHoldSecret(path) ? `"${path}"` : 'the file';
  try {
    const file = resolve(folder, path);
    const text = secretText(file);
    return text === ''
      ? { problem: `expected a secret in ${shown}, got an empty file: write it there` }
      : { text, file };
  } catch (error) {
    return { problem: `expected to read a secret from ${shown}, got ${unreadable(error)}` };
  }
}

/** The secret in a file, without what editors and shells put around it. Throws what reading throws. */
export function secretText(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/^\uFEFF/, '')
    .trim();
}
