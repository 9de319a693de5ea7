import type { ValueProblem } from '../errors.ts';

/** The kind of a secret by its prefix: one of Anthropic's, or a token of a plimsoll gateway. */
type SecretKind =
  | 'api_key'
  | 'admin_key'
  | 'enterprise_admin_key'
  | 'oauth_token'
  | 'refresh_token'
  | 'session'
  | 'gateway_token'
  | 'unknown';

/**
 * The kind by the part between `sk-ant-` and the secret. Source: the Admin API's pages of August 2026 for the first
 * four; the other two come from the logins of Claude Code and claude.ai, according to public reports.
 */
const KIND_OF_FORM: ReadonlyMap<string, SecretKind> = new Map([
  ['api03', 'api_key'],
  ['admin01', 'admin_key'],
  ['api01', 'enterprise_admin_key'],
  ['oat01', 'oauth_token'],
  ['ort01', 'refresh_token'],
  ['sid01', 'session'],
]);

/** A secret found in a text: its kind and position, without the secret itself. */
interface FoundSecret {
  readonly kind: SecretKind;
  /** The part that may be shown: `sk-ant-api03-`; for a gateway token also the id by which it is revoked. */
  readonly prefix: string;
  /** From `start` to before `end` in the text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

/** Secrets have about 90 characters after their prefix; fewer than 20 are an abbreviation in a text about keys. */
const SHORTEST_BODY = 20;
const SECRET = new RegExp(
  `(?<prefix>sk-ant-(?<form>[a-z]{2,12}\\d{2})-)(?<body>[A-Za-z0-9_-]{${SHORTEST_BODY},})` +
    '|(?<gateway>plk_[0-9a-z]{12}_)(?<drawn>[0-9a-z]{40})(?![0-9A-Za-z])',
  'g',
);

/** Finds the secrets in a text, in order, even inside a URL or escaped JSON. Leaves out placeholders. */
export function secretsIn(text: string): readonly FoundSecret[] {
  const found: FoundSecret[] = [];
  for (const { index, 0: whole, groups = {} } of text.matchAll(SECRET)) {
    const { prefix = '', form = '', body = '', gateway, drawn = body } = groups;
    if (isFiller(drawn)) continue;
    const kind = gateway === undefined ? (KIND_OF_FORM.get(form) ?? 'unknown') : 'gateway_token';
    found.push({ kind, prefix: gateway ?? prefix, start: index, end: index + whole.length });
  }
  return found;
}

/**
 * Replaces everything that may be part of a secret by `…`, whatever its length, including placeholders; and what may be
 * a password in a URL, or in the end of one: `https://me:…@host`, `me:…@host`.
 */
export function redacted(text: string): string {
  return withoutPasswords(text)
    .replace(
      /(sk-ant-(?:[a-z]{2,12}\d{2}-)?)([A-Za-z0-9_-]*)/gi,
      (_, prefix: string, rest: string) => prefix + (rest && '…'),
    )
    .replace(/(plk_[a-z0-9]{12}_)[a-z0-9]+/gi, '$1…');
}

function withoutPasswords(text: string): string {
  const [first = '', ...rest] = text.split('@');
  let shown = '';
  let part = first;
  for (const next of rest) {
    const start = wordStart(part);
    const colon = part.indexOf(':', start);
    if (colon !== -1) shown += `${part.slice(0, colon)}:…@`;
    else if (part.startsWith('://', start - 3)) shown += `${part.slice(0, start)}…@`;
    // A password may have an `@` of its own.
    else if (start > 0 || !shown.endsWith('…@')) shown += `${part}@`;
    part = next;
  }
  return shown + part;
}

/** The beginning of the last word; a slash ends a word too. */
function wordStart(text: string): number {
  let start = text.length;
  while (start > 0 && !' /\t\r\n"\'`'.includes(text.charAt(start - 1))) start -= 1;
  return start;
}

/** A verdict on a credential, made without calling the API. */
export interface KeyJudgement {
  readonly kind: SecretKind | 'placeholder' | 'unrecognized';
  /** The part that may be shown; empty if it has no known form. */
  readonly prefix: string;
  /**
   * Whether it can be the credential of a Messages request. An unrecognized one may be the token of another gateway.
   */
  readonly usable: boolean;
  /** The problem, without the secret; `null` for a usable one. */
  readonly problem: ValueProblem | null;
}

const KEYS_PAGE = 'https://platform.claude.com/settings/keys';

const MAKE_ONE = `create an API key at ${KEYS_PAGE}`;

/** The reason why a secret of this kind cannot send messages; `null` if it can. */
const UNUSABLE: Readonly<Record<KeyJudgement['kind'], ValueProblem | null>> = {
  api_key: null,
  admin_key: wrongKey('an admin key, which manages the organization and cannot send messages', MAKE_ONE),
  enterprise_admin_key: wrongKey('an enterprise admin key, which cannot send messages', MAKE_ONE),
  refresh_token: wrongKey('a refresh token, which only a login can use', MAKE_ONE),
  session: wrongKey('a browser session', `log out, and ${MAKE_ONE}`),
  placeholder: wrongKey('a placeholder', `replace it with a key from ${KEYS_PAGE}`),
  oauth_token: null,
  gateway_token: null,
  unknown: null,
  unrecognized: null,
};

/** The problem of a value that is to be sent as the admin key; `null` for one that may be. Shows nothing of it. */
export function adminKeyProblem(value: string): ValueProblem | null {
  const { kind } = judgedKey(value);
  if (value !== '' && (kind === 'admin_key' || kind === 'enterprise_admin_key' || kind === 'oauth_token')) return null;
  const got = value === '' ? 'nothing' : (NOT_ADMIN[kind] ?? 'something else');
  return {
    kind: value === '' ? 'missing' : 'wrong_key',
    expected: 'an admin key, sk-ant-admin01-…',
    got,
    advice: MAKE_ADMIN,
  };
}

const MAKE_ADMIN = 'create an admin key at https://platform.claude.com/settings/admin-keys';

const NOT_ADMIN: Readonly<Partial<Record<KeyJudgement['kind'], string>>> = {
  api_key: 'an API key, which sends messages and cannot read the organization',
  gateway_token: 'a token of a plimsoll gateway',
  placeholder: 'a placeholder',
};

function wrongKey(got: string, advice: string): ValueProblem {
  return { kind: 'wrong_key', expected: 'a Claude API key', got, advice };
}

/** Judges a credential. Shows no more of it than the prefix that all of its kind share. */
export function judgedKey(value: string): KeyJudgement {
  const [, prefix = '', form = '', body = ''] = /^(sk-ant-([a-z]{2,12}\d{2})-)(.*)$/s.exec(value) ?? [];
  const kind = isPlaceholder(value) ? 'placeholder' : kindOf(form);
  if (kind === 'unrecognized' && value.startsWith(GATEWAY_PREFIX)) return judgedGatewayToken(value);
  const problem = UNUSABLE[kind] ?? formProblem(value, prefix, body);
  return { kind, prefix, usable: problem === null, problem };
}

/** Tokens of a plimsoll gateway have the form `plk_<12>_<40>`. */
const GATEWAY_PREFIX = 'plk_';
const GATEWAY_TOKEN_LENGTH = 57;

function judgedGatewayToken(value: string): KeyJudgement {
  const isWhole = /^plk_[a-z0-9]+_[a-z0-9]+$/.test(value) && value.length === GATEWAY_TOKEN_LENGTH;
  const cut = `a gateway token of ${value.length} characters instead of ${GATEWAY_TOKEN_LENGTH}`;
  const problem = isWhole ? null : wrongKey(cut, 'copy all of it, and nothing else');
  return { kind: 'gateway_token', prefix: GATEWAY_PREFIX, usable: isWhole, problem };
}

function kindOf(form: string): KeyJudgement['kind'] {
  return form === '' ? 'unrecognized' : (KIND_OF_FORM.get(form) ?? 'unknown');
}

function formProblem(value: string, prefix: string, body: string): ValueProblem | null {
  if (!/^[\x21-\x7e]+$/.test(value) || /["'`]/.test(value)) {
    return wrongKey('a key with spaces, quotes or other invalid characters', 'copy it again without them');
  }
  if (prefix === '' || body.length >= SHORTEST_BODY) return null;
  return wrongKey(`${prefix}… cut off after ${value.length} characters`, 'copy all of it');
}

/**
 * Tells whether a text is a placeholder for a key: `<REPLACE_WITH_KEY>`, `your-key-here`, `${SECRET}`, `sk-ant-…`,
 * `xxxx`.
 */
export function isPlaceholder(value: string): boolean {
  const text = value.trim();
  if (/^<.*>$|^\[.*\]$|^\$|^\{\{|…|\.{3}/.test(text)) return true;
  const body = text.replace(/^sk-ant-(?:[a-z]{2,12}\d{2}-)?/i, '');
  return body === text ? ASKING.test(text) || REPEATED.test(text) : isFiller(body);
}

/** A random secret contains neither words that ask for a key nor one repeated character. */
function isFiller(body: string): boolean {
  return body === '' || ASKING.test(body) || PRETENDING.test(body) || REPEATED.test(body);
}

/** Words between separators: a random secret contains one of these about once in a million. */
const ASKING =
  /(?:^|[-_ ])(?:your|replace|insert|change|change-?me|example|placeholder|todo|fixme)(?:$|[-_ ])|^(?:your|replace|insert|example)/i;
/** Only after a prefix: a test may use `fake-key` alone as its credential. */
const PRETENDING = /(?:^|[-_])(?:fake|dummy|mock|test|redacted)(?:$|[-_])/i;
const REPEATED = /^(.)\1+$|(.)\2{7,}/;
