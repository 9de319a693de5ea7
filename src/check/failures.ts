import { CREDENTIALS } from '../environment/credential.ts';
import { sentenceOf, type Problem } from '../errors.ts';
import { judgedKey, type KeyJudgement } from '../keys/secrets.ts';
import { CheckFailure, type Cause, type Diagnosis } from './report.ts';

/** The proxy that calls go through. */
interface Proxy {
  /** The variable that names it. */
  readonly variable: string;
  /** Host and port. */
  readonly host: string;
}

/** The host that was called, and the proxy in between. */
export interface Asked {
  /** Host and port of the API or of the proxy. */
  readonly host: string;
  readonly hostname: string;
  readonly timeoutMs: number;
  /** `null` if calls go direct. */
  readonly proxy: Proxy | null;
  /** The variable that names a proxy that Node does not use; `null` for none. */
  readonly unusedProxy: string | null;
}

interface Rule {
  readonly code: RegExp;
  readonly cause: Cause;
  readonly text: (asked: Asked) => string;
  readonly next: string;
}

const RULES: readonly Rule[] = [
  {
    code: /^(?:ENOTFOUND|EAI_NONAME)$/,
    cause: 'dns',
    text: ({ hostname }) => `DNS does not know the name ${hostname}.`,
    next: 'Look for a typo in ANTHROPIC_BASE_URL; then check that this machine has a network and a DNS server.',
  },
  {
    code: /^(?:EAI_AGAIN|EAI_NODATA|EAI_FAIL)$/,
    cause: 'dns',
    text: ({ hostname }) => `DNS gave no answer for the name ${hostname}.`,
    next: 'Check that this machine, or the container, has a network and a working DNS server; then try again.',
  },
  {
    code: /^ECONNREFUSED$/,
    cause: 'connection_refused',
    text: ({ host }) => `Nothing listens at ${host}.`,
    next: 'Start the gateway or simulator at ANTHROPIC_BASE_URL, or correct the port. To call the API itself, unset the variable.',
  },
  {
    code: /^(?:EHOSTUNREACH|ENETUNREACH)$/,
    cause: 'unreachable',
    text: ({ host }) => `This machine has no route to ${host}.`,
    next: 'Check that the network of this machine, or of the container, allows outgoing calls; look at its VPN and firewall.',
  },
  {
    code: /^(?:ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|TimeoutError)$/,
    cause: 'timeout',
    text: ({ host, timeoutMs }) => `${host} did not answer within ${timeoutMs} ms.`,
    next: 'Check that no firewall blocks outgoing calls on that port. If the network is slow, raise ANTHROPIC_TIMEOUT_MS.',
  },
  {
    code: /^CERT_HAS_EXPIRED$|^CERT_NOT_YET_VALID$/,
    cause: 'certificate',
    text: ({ host }) => `According to this machine's clock, the certificate of ${host} is not valid now.`,
    next: "Set this machine's clock. If it is right, whoever runs that host has to renew the certificate.",
  },
  {
    code: /ALTNAME_INVALID/,
    cause: 'certificate',
    text: ({ host }) => `The certificate of ${host} was issued for another name.`,
    next: 'Look for a typo in ANTHROPIC_BASE_URL, and for a proxy that answers instead of the API.',
  },
  {
    code: /CERT|SIGNATURE|ISSUER/,
    cause: 'certificate',
    text: ({ host }) =>
      `Node does not trust the issuer of the certificate of ${host}: a proxy inspects TLS, or the certificate is your own.`,
    next: "Get the issuer's certificate, and set NODE_EXTRA_CA_CERTS to its file. Never turn off verification.",
  },
  {
    code: /^(?:EPROTO|ERR_SSL_.*)$/,
    cause: 'no_tls',
    text: ({ host }) => `${host} does not speak TLS.`,
    next: 'For a gateway or simulator on this machine, begin ANTHROPIC_BASE_URL with http://. Otherwise, correct the port.',
  },
  {
    code: /^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET)$/,
    cause: 'connection_broken',
    text: ({ host }) =>
      `The connection to ${host} broke before a response arrived. Possible causes: a firewall, a proxy, or a restart.`,
    next: 'Try again. If it happens every time, ask whoever runs the network whether it allows calls to that host.',
  },
];

/** Explains the network error that ended a step. Throws any other error unchanged. */
export function networkFailure(error: unknown, asked: Asked): CheckFailure {
  const refused = refusedByProxy(error, asked);
  if (refused !== null) return refused;
  const codes = codesOf(error);
  for (const rule of RULES) {
    const code = codes.find((one) => rule.code.test(one));
    if (code === undefined) continue;
    return new CheckFailure(
      code === 'TimeoutError' ? `no answer in ${asked.timeoutMs} ms` : code,
      diagnosis(rule, asked),
    );
  }
  if (codes.length > 0) return unexpected(asked, codes.join(', '));
  if (error instanceof TypeError && error.message === 'fetch failed') return unexpected(asked, lastOf(error).message);
  throw error;
}

function unexpected({ host }: Asked, what: string): CheckFailure {
  return new CheckFailure(what, {
    cause: 'unexpected',
    text: `The request to ${host} failed with "${what}".`,
    next: "Look it up in Node's documentation. Node may not be able to call the address in ANTHROPIC_BASE_URL.",
  });
}

function diagnosis({ cause, text, next }: Rule, asked: Asked): Diagnosis {
  const { proxy, host, unusedProxy } = asked;
  if (proxy !== null && proxy.host === host) {
    return {
      cause,
      text: `${text(asked)} It is the proxy in ${proxy.variable}.`,
      next: `Correct ${proxy.variable}, or ask whoever runs the proxy. If you do not need a proxy, unset the variable.`,
    };
  }
  if (unusedProxy === null) return { cause, text: text(asked), next };
  return {
    cause,
    text: `${text(asked)} ${unusedProxy} names a proxy, but Node does not use it by default.`,
    next: `If calls should go through the proxy, set NODE_USE_ENV_PROXY=1. ${next}`,
  };
}

/** Node reports the status of a proxy's refusal only in the message. */
function refusedByProxy(error: unknown, { proxy, host }: Asked): CheckFailure | null {
  const [, status] = /Proxy response \((\d{3})\)/.exec(lastOf(error).message) ?? [];
  if (proxy === null || status === undefined) return null;
  const login = `Put the proxy's user name and password into ${proxy.variable}, as in http://name:…@${proxy.host}.`;
  const pass = `Ask whoever runs the proxy to allow calls to ${host}.`;
  return new CheckFailure(`the proxy answered ${status}`, {
    cause: 'proxy',
    text: `The proxy ${proxy.host} from ${proxy.variable} does not connect to ${host}: it answered ${status}.`,
    next: status === '407' ? login : pass,
  });
}

/** Returns the innermost cause, which has the most specific message. */
function lastOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('');
  return error.cause instanceof Error ? lastOf(error.cause) : error;
}

/** Collects the codes of an error, of its causes, and of the attempts that it aggregates. */
function codesOf(error: unknown, depth = 0): readonly string[] {
  if (!(error instanceof Error) || depth > 4) return [];
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : [];
  const timedOut = error.name === 'TimeoutError' ? ['TimeoutError'] : [];
  const attempts = error instanceof AggregateError ? error.errors.flatMap((one) => codesOf(one, depth + 1)) : [];
  return [...timedOut, ...own, ...attempts, ...codesOf(error.cause, depth + 1)];
}

/** Secrets that are not API keys, even if complete. */
const OTHER_THAN_KEY: ReadonlySet<string> = new Set<KeyJudgement['kind']>([
  'admin_key',
  'enterprise_admin_key',
  'refresh_token',
  'session',
  'placeholder',
  'gateway_token',
]);

const MAKE_ONE =
  'Create a key at https://platform.claude.com/settings/keys and put ANTHROPIC_AUTH_TOKEN=... or ANTHROPIC_API_KEY=... in .env (.env.example shows it); ' +
  'then run node --env-file=.env node_modules/.bin/plimsoll check.';

type Env = Readonly<Record<string, string | undefined>>;

/** Turns problems of the environment into a failure. Each problem says what to do. */
export function configurationFailure(problems: readonly Problem[], env: Env): CheckFailure {
  const kinds = new Set(problems.map(({ kind }) => kind));
  const text = problems.map((problem) => `${sentenceOf(problem)}.`).join('\n');
  const next = 'Correct the environment or the .env file, and check again.';
  if (kinds.has('no_key')) {
    // `next` already says what to do, so the advice is left out.
    const said = problems.map((problem) =>
      sentenceOf(problem.kind === 'no_key' ? { ...problem, advice: null } : problem),
    );
    return new CheckFailure('no key', { cause: 'no_key', text: `${said.join('.\n')}.`, next: MAKE_ONE });
  }
  if (kinds.has('wrong_key') || kinds.has('gateway_token'))
    return new CheckFailure(wrongKey(env), { cause: 'wrong_key', text, next });
  const seen = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const isRetired = kinds.has('retired_model') && kinds.size === 1;
  return new CheckFailure(seen, { cause: isRetired ? 'model_retired' : 'configuration', text, next });
}

function wrongKey(env: Env): string {
  const key = CREDENTIALS.map((variable) => env[variable]?.trim() ?? '').find((value) => value !== '') ?? '';
  const { kind } = judgedKey(key);
  return OTHER_THAN_KEY.has(kind) ? `not an API key: ${kind.replaceAll('_', ' ')}` : 'not a complete key';
}
