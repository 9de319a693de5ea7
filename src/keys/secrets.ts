import type { ValueProblem } from '../errors.ts';

/** What a secret is, by its prefix: one of Anthropic's, or a token of a gateway of plimsoll's. */
export type SecretKind =
  | 'api_key'
  | 'admin_key'
  | 'enterprise_admin_key'
  | 'oauth_token'
  | 'refresh_token'
  | 'session'
  | 'gateway_token'
  | 'unknown';

/**
 * What stands between `sk-ant-` and the secret part. Source: the Admin API's pages of August 2026 for the first four; the
 * other two are what the logins of Claude Code and of claude.ai hand out, seen in public reports.
 */
const KIND_OF_FORM: ReadonlyMap<string, SecretKind> = new Map([
  ['api03', 'api_key'],
  ['admin01', 'admin_key'],
  ['api01', 'enterprise_admin_key'],
  ['oat01', 'oauth_token'],
  ['ort01', 'refresh_token'],
  ['sid01', 'session'],
]);

/** A secret in a text; what it is, and where, without the secret itself. */
export interface FoundSecret {
  readonly kind: SecretKind;
  /** What may be shown of it: `sk-ant-api03-`; of a gateway's token with the id by which it is revoked. */
  readonly prefix: string;
  /** Where it begins in the text, and where what follows begins; UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

/** Secrets have some ninety characters after their prefix: fewer than 20 are an abbreviation in a text about keys. */
const SHORTEST_BODY = 20;
const SECRET = new RegExp(
  `(?<prefix>sk-ant-(?<form>[a-z]{2,12}\\d{2})-)(?<body>[A-Za-z0-9_-]{${SHORTEST_BODY},})` +
    '|(?<gateway>plk_[0-9a-z]{12}_)(?<drawn>[0-9a-z]{40})(?![0-9A-Za-z])',
  'g',
);

/** The secrets in a text, in order; placeholders are none. Inside other text too: in a URL, in escaped JSON. */
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

/** The text with `…` in place of whatever may be of a secret, however short; placeholders as well. */
export function redacted(text: string): string {
  return text
    .replace(
      /(sk-ant-(?:[a-z]{2,12}\d{2}-)?)([A-Za-z0-9_-]*)/gi,
      (_, prefix: string, rest: string) => prefix + (rest && '…'),
    )
    .replace(/(plk_[a-z0-9]{12}_)[a-z0-9]+/gi, '$1…');
}

/** What can be told of a credential without asking the API. */
export interface KeyJudgement {
  readonly kind: SecretKind | 'placeholder' | 'unrecognized';
  /** What may be shown of it; empty where it has no known form. */
  readonly prefix: string;
  /** It can be sent as the credential of a Messages request. What is unrecognized may be a token of a gateway's. */
  readonly usable: boolean;
  /** What came and what to do, without the secret; `null` for a usable one. */
  readonly problem: ValueProblem | null;
}

const KEYS_PAGE = 'https://platform.claude.com/settings/keys';

const MAKE_ONE = `make an API key at ${KEYS_PAGE}`;

/** Why a secret of this kind is no credential for messages. */
const UNUSABLE: Readonly<Partial<Record<KeyJudgement['kind'], ValueProblem>>> = {
  admin_key: wrongKey('an admin key, which manages the organization and answers no messages', MAKE_ONE),
  enterprise_admin_key: wrongKey('an admin key of an enterprise, which answers no messages', MAKE_ONE),
  refresh_token: wrongKey('a refresh token, which only a login can use', MAKE_ONE),
  session: wrongKey('the session of a browser', `log out of it, and ${MAKE_ONE}`),
  placeholder: wrongKey('a placeholder', `put a key from ${KEYS_PAGE} in its place`),
};

function wrongKey(got: string, advice: string): ValueProblem {
  return { kind: 'wrong_key', expected: 'a key of the Claude API', got, advice };
}

/** Judges what is to be sent as the credential. Never shows more of it than the prefix that all of its kind share. */
export function judgedKey(value: string): KeyJudgement {
  const [, prefix = '', form = '', body = ''] = /^(sk-ant-([a-z]{2,12}\d{2})-)(.*)$/s.exec(value) ?? [];
  const kind = isPlaceholder(value) ? 'placeholder' : kindOf(form);
  if (kind === 'unrecognized' && value.startsWith(GATEWAY_PREFIX)) return judgedGatewayToken(value);
  const problem = UNUSABLE[kind] ?? formProblem(value, prefix, body);
  return { kind, prefix, usable: problem === null, problem };
}

/** What the tokens of a plimsoll gateway begin with, and how long they are: `plk_<12>_<40>`. */
const GATEWAY_PREFIX = 'plk_';
const GATEWAY_TOKEN_LENGTH = 57;

function judgedGatewayToken(value: string): KeyJudgement {
  const isWhole = /^plk_[a-z0-9]+_[a-z0-9]+$/.test(value) && value.length === GATEWAY_TOKEN_LENGTH;
  const cut = `a token of a gateway that has ${value.length} characters instead of ${GATEWAY_TOKEN_LENGTH}`;
  const problem = isWhole ? null : wrongKey(cut, 'copy all of it, and nothing else');
  return { kind: 'gateway_token', prefix: GATEWAY_PREFIX, usable: isWhole, problem };
}

function kindOf(form: string): KeyJudgement['kind'] {
  return form === '' ? 'unrecognized' : (KIND_OF_FORM.get(form) ?? 'unknown');
}

function formProblem(value: string, prefix: string, body: string): ValueProblem | null {
  if (!/^[\x21-\x7e]+$/.test(value) || /["'`]/.test(value)) {
    return wrongKey('one with blanks, quotes or other characters that no key has', 'copy it again, without them');
  }
  if (prefix === '' || body.length >= SHORTEST_BODY) return null;
  return wrongKey(`${prefix}… cut off after ${value.length} characters`, 'copy all of it');
}

/** A text that stands where a key is to be put: `<REPLACE_WITH_KEY>`, `your-key-here`, `${SECRET}`, `sk-ant-…`, `xxxx`. */
export function isPlaceholder(value: string): boolean {
  const text = value.trim();
  if (/^<.*>$|^\[.*\]$|^\$|^\{\{|…|\.{3}/.test(text)) return true;
  const body = text.replace(/^sk-ant-(?:[a-z]{2,12}\d{2}-)?/i, '');
  return body === text ? ASKING.test(text) || REPEATED.test(text) : isFiller(body);
}

/** A drawn secret has neither words that ask for a key nor one character over and over. */
function isFiller(body: string): boolean {
  return body === '' || ASKING.test(body) || PRETENDING.test(body) || REPEATED.test(body);
}

/** Set off by what joins words: a drawn secret has one of these about once in a million. */
const ASKING =
  /(?:^|[-_ ])(?:your|replace|insert|change|change-?me|example|placeholder|todo|fixme)(?:$|[-_ ])|^(?:your|replace|insert|example)/i;
/** Only after a prefix: `fake-key` alone is what a test may call its credential. */
const PRETENDING = /(?:^|[-_])(?:fake|dummy|mock|test|redacted)(?:$|[-_])/i;
const REPEATED = /^(.)\1+$|(.)\2{7,}/;
