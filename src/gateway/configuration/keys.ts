import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock, type Clock } from '../../clock.ts';
import type { Env } from '../../environment/credential.ts';
import { mayHoldSecret, phraseOf, unreadable, type Notice, type ValueProblem } from '../../errors.ts';
import { keyEnvironment as environmentNamed, keyAlias } from '../../keys/alias.ts';
import { judgedKey } from '../../keys/secrets.ts';
import type { CauseOf } from '../../record/metrics/catalogue-gateway.ts';
import type { KeyReader } from '../options.ts';
import { Files } from './files.ts';
import { isObject, type Reader } from './reader.ts';

/**
 * The real keys by alias, with their current texts. A function returns each text, so that printing a configuration does
 * not show it.
 */
export type RealKeys = ReadonlyMap<string, KeyReader>;

/** The sources of keys, what they call, and where notices go. */
interface KeysContext {
  readonly sources: SecretSources;
  /** Keys of the API begin with sk-ant-; other upstreams may have other keys. */
  readonly callsTheApi: boolean;
  /** The file itself sets the upstream, which may be another gateway, whose tokens are its keys. */
  readonly namesUpstream: boolean;
  readonly notices: Notice[];
}

/** An alias is the value of a label. */
const ALIAS = /^[\w.-]{1,64}$/;

/** Tells whether a text can be the alias of a key, or the name of a pool. */
export function isAlias(text: string): boolean {
  return ALIAS.test(text) && !mayHoldSecret(text);
}

/** The keys of the field `keys`, at least one. */
export function keysOf(read: Reader, context: KeysContext): RealKeys {
  const keys = read.within('keys', 'aliases of keys, such as prod-checkout-api: { env: NAME }');
  const names = keys.names();
  if (names.length === 0) {
    const advice = 'add prod-api-key: { env: ANTHROPIC_API_KEY }';
    read.note('keys', { kind: 'missing', expected: 'the alias of a key', got: 'none', advice });
    return new Map();
  }
  const found = names.map((alias): readonly (readonly [string, KeyReader])[] => {
    if (!isAliasHere(keys, alias, context)) return [];
    const secret = secretOf(keys, alias, { ...context.sources, besides: [ADDRESS, ORGANIZATION] });
    if (secret === null) return [];
    const problem = keyProblem(alias, secret.text, { ...context, ...addressed(keys, alias) });
    if (problem !== null) keys.note(alias, problem);
    return problem === null ? [[alias, currentKey(secret)]] : [];
  });
  return new Map(found.flat());
}

/** The field of a key that calls another API than the others. */
export const ADDRESS = 'baseUrl';

/** The field that names the organization of a key, whose limits it shares with the organization's other keys. */
const ORGANIZATION = 'organization';

/** The organizations of the keys that name one, by alias. */
export function keyOrganizationsOf(read: Reader): ReadonlyMap<string, string> {
  const keys = read.within('keys', '');
  const named = keys.names().flatMap((alias) => {
    const key = keys.value(alias);
    if (!isObject(key) || key[ORGANIZATION] === undefined) return [];
    const name = keys.within(alias, '').text(ORGANIZATION, ORGANIZATION_FORM);
    return name === undefined ? [] : [[alias, name] as const];
  });
  return new Map(named);
}

const ORGANIZATION_FORM = { pattern: ALIAS, expected: 'up to 64 letters, digits, ".", "_" and "-"' };

/** A key with an address of its own is no key of the API's, unless that is the API's. */
function addressed(keys: Reader, alias: string): Partial<KeysContext> {
  const given = keys.value(alias);
  if (!isObject(given) || given[ADDRESS] === undefined) return {};
  return { callsTheApi: given[ADDRESS] === 'https://api.anthropic.com', namesUpstream: true };
}

/**
 * Checks an alias. Its form is a problem if it cannot be a label value, or names another environment; otherwise it is
 * only worth a notice.
 */
function isAliasHere(keys: Reader, alias: string, { sources, notices }: KeysContext): boolean {
  const { environment, problem } = keyAlias(alias);
  if (!isAlias(alias)) {
    const expected = 'up to 64 letters, digits, ".", "_" and "-"';
    keys.note('(an alias)', problem ?? { kind: 'invalid', expected, got: 'something else', advice: 'rename it' });
    return false;
  }
  const where = environmentNamed(sources.env['ANTHROPIC_ENV'] ?? '');
  if (where !== null && environment !== null && environment !== where) {
    keys.note(alias, {
      kind: 'conflict',
      expected: `the alias of a key of ${where}, as ANTHROPIC_ENV says`,
      got: `one of ${environment}`,
      advice: `use a key of ${where}, or correct ANTHROPIC_ENV`,
    });
    return false;
  }
  if (problem !== null) notices.push({ field: keys.place(alias), text: phraseOf(problem) });
  return true;
}

const TOKEN_OF_A_GATEWAY: ValueProblem = {
  kind: 'gateway_token',
  expected: 'an API key',
  got: 'a gateway token',
  advice: 'name the key; for a token of another gateway, set baseUrl in this file to that gateway',
};

/** The problem of a real key; `null` if there is none. */
function keyProblem(alias: string, text: string, context: KeysContext): ValueProblem | null {
  const { callsTheApi, namesUpstream, notices } = context;
  const { kind, problem } = judgedKey(text);
  if (problem !== null) return problem;
  if (kind === 'gateway_token' && (callsTheApi || !namesUpstream)) return TOKEN_OF_A_GATEWAY;
  if (kind === 'unrecognized' && callsTheApi) {
    const notice = 'keys of the API begin with sk-ant- and this does not: the API will refuse it with 401';
    notices.push({ field: `keys.${alias}`, text: notice });
  }
  return null;
}

/** A new key in its file is used after at most this time. */
const LOOK_MS = 5_000;

/**
 * Returns the key, which stays current if it came from a file: a rotated key is used within five seconds, without a
 * restart. If the file cannot be read or has no key that is usable, the previous key stays in use, and `fault` says why.
 */
export function currentKey(
  { text, file }: Secret,
  clock: Clock = systemClock,
  isUsable: (text: string) => boolean = (key) => judgedKey(key).usable,
): KeyReader {
  if (file === null) return () => text;
  let [current, changed, lookedMs] = [text, changedAt(file), clock.monotonicMs()];
  let fault: CauseOf<'key'> | null = null;
  const read = (): string => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lookedMs < LOOK_MS) return current;
    lookedMs = nowMs;
    const now = changedAt(file);
    if (now === changed) {
      fault = null;
      return current;
    }
    const written = keyIn(file, isUsable);
    fault = 'fault' in written ? written.fault : null;
    if ('text' in written) [current, changed] = [written.text, now];
    return current;
  };
  return Object.assign(read, { fault: () => fault });
}

/** The key in the file, or why there is none; then it is read again later. */
function keyIn(file: string, isUsable: (text: string) => boolean): { text: string } | { fault: CauseOf<'key'> } {
  try {
    const text = secretText(file);
    if (isUsable(text)) return { text };
    return { fault: text === '' ? 'key_file_empty' : 'key_file_unusable' };
  } catch {
    // The file may be being moved or replaced.
    return { fault: 'key_file_unreadable' };
  }
}

/**
 * Returns a stamp that changes with the file's content, or when another file replaces it; `null` if there is no file.
 */
function changedAt(file: string): string | null {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.ino} ${found.mtimeNs}`;
}

/** The sources of secrets: the environment, and files; relative paths start at `folder`. */
export interface SecretSources {
  readonly env: Env;
  readonly folder: string;
  /** Default: the files on disk. */
  readonly files?: Files;
  /** Fields that may stand beside the source of a secret. */
  readonly besides?: readonly string[];
}

/** A secret, and its file, if it came from one. */
interface Secret {
  readonly text: string;
  readonly file: string | null;
}

/** A secret, or why there is none. */
type SecretFound = Secret | { readonly problem: ValueProblem };

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Reads the secret that a field names, by `{ env: NAME }` or `{ file: PATH }`. The configuration file itself has no
 * secrets, and a text in place of one is never shown. `null`, with a problem, if there is none.
 */
export function secretOf(read: Reader, name: string, sources: SecretSources): Secret | null {
  const value = read.value(name);
  const fields = isObject(value)
    ? Object.entries(value).filter(([field]) => sources.besides?.includes(field) !== true)
    : [];
  const [kind, where] = fields[0] ?? [];
  if (fields.length !== 1 || typeof where !== 'string' || (kind !== 'env' && kind !== 'file')) {
    const came = typeof value === 'string' ? `a text of ${value.length} characters` : 'something else';
    const advice =
      'put the secret into a variable or a file of its own, and name that: this file must not contain secrets';
    const kind = value === undefined ? 'missing' : 'invalid';
    read.note(name, { kind, expected: '{ env: NAME } or { file: PATH }', got: came, advice });
    return null;
  }
  const found = kind === 'env' ? secretInEnvironment(where, sources) : secretInFile(where, sources);
  if ('text' in found) return found;
  read.note(`${name}.${kind}`, found.problem);
  return null;
}

/** Reads the secret in the variable, or in the file named by the variable with the suffix `_FILE`. */
export function secretInEnvironment(variable: string, sources: SecretSources): SecretFound {
  if (!VARIABLE.test(variable)) {
    return noSecret('invalid', 'the name of an environment variable', ['something else', 'put the secret into one']);
  }
  const [direct, path] = [variable, `${variable}_FILE`].map((name) => sources.env[name]?.trim() ?? '');
  if (direct && path) return noSecret('conflict', `${variable} or ${variable}_FILE`, ['both', 'unset one']);
  if (path) return secretInFile(path, sources);
  if (direct) return { text: direct, file: null };
  const expected = `a secret in ${variable}, or a file of one in ${variable}_FILE`;
  return noSecret('missing', expected, ['nothing', 'set one']);
}

type Kind = ValueProblem['kind'];

function noSecret(kind: Kind, expected: string, [got, advice]: readonly [got: string, advice: string]): SecretFound {
  return { problem: { kind, expected, got, advice } };
}

function secretInFile(path: string, { folder, files = new Files() }: SecretSources): SecretFound {
  // A secret that was written in place of its path must not be printed.
  const shown = /[/.]/.test(path) && path.length <= 200 && !mayHoldSecret(path) ? `"${path}"` : 'the file';
  try {
    const file = resolve(folder, path);
    const text = files.secret(file, secretText);
    if (text !== '') return { text, file };
    return noSecret('missing', `a secret in ${shown}`, ['an empty file', 'write it there']);
  } catch (error) {
    return { problem: unreadable(error, `to read a secret from ${shown}`) };
  }
}

/** Reads the secret in a file, without the whitespace that editors and shells add. Throws what reading throws. */
function secretText(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/^\uFEFF/, '')
    .trim();
}
