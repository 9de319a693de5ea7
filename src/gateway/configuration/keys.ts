import { environment as environmentNamed, keyAlias } from '../../keys/alias.ts';
import { judgedKey } from '../../keys/secrets.ts';
import type { Reader } from './reader.ts';
import { mayHoldSecret } from '../../secret-mark.ts';
import { currentKey } from './current-key.ts';
import { secretOf, type SecretSources } from './secret-source.ts';

/** The real keys by alias, as they are now. Each text comes out of a function, so that printing a configuration shows none. */
export type RealKeys = ReadonlyMap<string, () => string>;

/** What reading keys goes by and tells, besides problems. */
export interface KeysContext {
  readonly sources: SecretSources;
  /** Keys of the API begin with sk-ant-; what is called may be something else. */
  readonly callsTheApi: boolean;
  /** The file itself says what is called: then that may be another gateway, whose tokens are its keys. */
  readonly namesUpstream: boolean;
  readonly notices: string[];
}

/** An alias is the value of a label. */
const ALIAS = /^[\w.-]{1,64}$/;

/** The keys of the field `keys`, at least one. */
export function keysOf(read: Reader, context: KeysContext): RealKeys {
  const keys = read.within('keys', 'aliases of keys, such as prod-checkout-api: { env: NAME }');
  const names = keys.names();
  if (names.length === 0) {
    read.note('keys', 'expected the alias of a key, got none: add prod-api-key: { env: ANTHROPIC_API_KEY }');
    return new Map();
  }
  const found = names.map((alias): readonly (readonly [string, () => string])[] => {
    if (!isAliasHere(keys, alias, context)) return [];
    const secret = secretOf(keys, alias, context.sources);
    if (secret === null) return [];
    const problem = keyProblem(alias, secret.text, context);
    if (problem !== null) keys.note(alias, problem);
    return problem === null ? [[alias, currentKey(secret)]] : [];
  });
  return new Map(found.flat());
}

/** Its form is a problem where it cannot be a label, or is of another environment; else only worth a notice. */
function isAliasHere(keys: Reader, alias: string, { sources, notices }: KeysContext): boolean {
  const { environment, problem } = keyAlias(alias);
  if (!ALIAS.test(alias) || mayHoldSecret(alias)) {
    keys.note('(an alias)', problem ?? 'expected up to 64 letters, digits, ".", "_" and "-", got something else');
    return false;
  }
  const where = environmentNamed(sources.env['ANTHROPIC_ENV'] ?? '');
  if (where !== null && environment !== null && environment !== where) {
    const advice = `use a key of ${where}, or correct ANTHROPIC_ENV`;
    keys.note(
      alias,
      `expected the alias of a key of ${where}, as ANTHROPIC_ENV says, got one of ${environment}: ${advice}`,
    );
    return false;
  }
  if (problem !== null) notices.push(`${keys.place(alias)}: ${problem}`);
  return true;
}

const TOKEN_OF_A_GATEWAY =
  'expected a key of the API, got a token of a gateway: name the key, or, where it is a token of another gateway, that ' +
  'gateway as baseUrl in this file';

/** What is wrong with a real key; `null` where nothing is. */
export function keyProblem(alias: string, text: string, context: KeysContext): string | null {
  const { callsTheApi, namesUpstream, notices } = context;
  const { kind, problem } = judgedKey(text);
  if (problem !== null) return `expected a key of the Claude API, ${problem}`;
  if (kind === 'gateway_token' && (callsTheApi || !namesUpstream)) return TOKEN_OF_A_GATEWAY;
  if (kind === 'unrecognized' && callsTheApi) {
    notices.push(
      `keys.${alias}: keys of the API begin with sk-ant- and this does not: the API will refuse it with 401`,
    );
  }
  return null;
}
