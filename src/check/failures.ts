import { sentenceOf, type Problem } from '../errors.ts';
import { judgedKey, type KeyJudgement } from '../keys/secrets.ts';
import { CheckFailure, type Cause, type Diagnosis } from './report.ts';

/** A proxy that calls go through. */
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
  /** `null` where calls go straight. */
  readonly proxy: Proxy | null;
  /** The variable that names a proxy which Node was not told to use; `null` for none. */
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
    text: ({ hostname }) => `The name ${hostname} is not known to the DNS here.`,
    next: 'Look for a typing mistake in ANTHROPIC_BASE_URL; then see whether this machine has a network and a DNS server.',
  },
  {
    code: /^(?:EAI_AGAIN|EAI_NODATA|EAI_FAIL)$/,
    cause: 'dns',
    text: ({ hostname }) => `The DNS gave no answer for the name ${hostname}.`,
    next: 'See whether this machine, or the container, has a network and a DNS server that runs; then check again.',
  },
  {
    code: /^ECONNREFUSED$/,
    cause: 'connection_refused',
    text: ({ host }) => `Nothing listens at ${host}.`,
    next: 'Start the gateway or the simulator that ANTHROPIC_BASE_URL names, or correct its port; unset it to call the API itself.',
  },
  {
    code: /^(?:EHOSTUNREACH|ENETUNREACH)$/,
    cause: 'unreachable',
    text: ({ host }) => `No route leads from this machine to ${host}.`,
    next: 'See whether this machine, or the container, is on a network that may call out; a VPN or a firewall can be what is missing.',
  },
  {
    code: /^(?:ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|TimeoutError)$/,
    cause: 'timeout',
    text: ({ host, timeoutMs }) => `No answer came from ${host} within ${timeoutMs} ms.`,
    next: 'See whether a firewall lets this machine call out on that port; raise ANTHROPIC_TIMEOUT_MS where the network is slow.',
  },
  {
    code: /^CERT_HAS_EXPIRED$|^CERT_NOT_YET_VALID$/,
    cause: 'certificate',
    text: ({ host }) => `By the clock of this machine the certificate of ${host} is not valid now.`,
    next: 'Set the clock of this machine; if it is right, the certificate is to be renewed by whoever runs that host.',
  },
  {
    code: /ALTNAME_INVALID/,
    cause: 'certificate',
    text: ({ host }) => `The certificate that ${host} shows was issued for another name.`,
    next: 'Look for a typing mistake in ANTHROPIC_BASE_URL, and for a proxy that answers in place of the API.',
  },
  {
    code: /CERT|SIGNATURE|ISSUER/,
    cause: 'certificate',
    text: ({ host }) =>
      `The certificate of ${host} is signed by nobody whom Node trusts: a proxy that reads TLS stands in between, or the certificate is one of your own.`,
    next: 'Get the certificate of the authority that signed it, and name its file in NODE_EXTRA_CA_CERTS. Never turn verification off.',
  },
  {
    code: /^(?:EPROTO|ERR_SSL_.*)$/,
    cause: 'no_tls',
    text: ({ host }) => `${host} does not speak TLS.`,
    next: 'Begin ANTHROPIC_BASE_URL with http:// if it is a gateway or a simulator on this machine, or correct its port.',
  },
  {
    code: /^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET)$/,
    cause: 'connection_broken',
    text: ({ host }) =>
      `The connection to ${host} was broken before an answer came: a firewall or a proxy, or a restart.`,
    next: 'Try again; if it happens each time, ask whoever runs the network whether calls to that host are allowed.',
  },
];

/** The failure of a step that a network error ended; an error that is none of the network is thrown as it is. */
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
    next: 'Look that up in the documentation of Node; the address in ANTHROPIC_BASE_URL may be one that Node does not call.',
  });
}

function diagnosis({ cause, text, next }: Rule, asked: Asked): Diagnosis {
  const { proxy, host, unusedProxy } = asked;
  if (proxy !== null && proxy.host === host) {
    return {
      cause,
      text: `${text(asked)} It is the proxy that ${proxy.variable} names.`,
      next: `Correct ${proxy.variable}, or ask whoever runs the proxy. Where the API is reached without one, unset it.`,
    };
  }
  if (unusedProxy === null) return { cause, text: text(asked), next };
  return {
    cause,
    text: `${text(asked)} ${unusedProxy} names a proxy, and Node uses it only when it is told to.`,
    next: `Set NODE_USE_ENV_PROXY=1 if calls are to go through the proxy. ${next}`,
  };
}

/** Node tells the status with which a proxy refuses to connect in the message alone. */
function refusedByProxy(error: unknown, { proxy, host }: Asked): CheckFailure | null {
  const [, status] = /Proxy response \((\d{3})\)/.exec(lastOf(error).message) ?? [];
  if (proxy === null || status === undefined) return null;
  const login = `Put name and password for the proxy into ${proxy.variable}, as in http://name:password@${proxy.host}.`;
  const pass = `Ask whoever runs the proxy to let calls to ${host} pass.`;
  return new CheckFailure(`the proxy answered ${status}`, {
    cause: 'proxy',
    text: `The proxy ${proxy.host}, which ${proxy.variable} names, does not connect to ${host}: it answered ${status}.`,
    next: status === '407' ? login : pass,
  });
}

/** The innermost cause, which has the plainest word for it. */
function lastOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('');
  return error.cause instanceof Error ? lastOf(error.cause) : error;
}

/** The codes of an error, of its causes, and of the attempts that it stands for. */
function codesOf(error: unknown, depth = 0): readonly string[] {
  if (!(error instanceof Error) || depth > 4) return [];
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : [];
  const timedOut = error.name === 'TimeoutError' ? ['TimeoutError'] : [];
  const attempts = error instanceof AggregateError ? error.errors.flatMap((one) => codesOf(one, depth + 1)) : [];
  return [...timedOut, ...own, ...attempts, ...codesOf(error.cause, depth + 1)];
}

/** Kinds that are no key even when they are whole. */
const OTHER_THAN_KEY: ReadonlySet<string> = new Set<KeyJudgement['kind']>([
  'admin_key',
  'enterprise_admin_key',
  'refresh_token',
  'session',
  'placeholder',
  'gateway_token',
]);

const MAKE_ONE =
  'Make a key at https://platform.claude.com/settings/keys and put ANTHROPIC_AUTH_TOKEN=... into .env (.env.example shows it); ' +
  'then check again with node --env-file=.env node_modules/.bin/plimsoll check.';

type Env = Readonly<Record<string, string | undefined>>;

/** The failure that problems of the environment are; each of them says what to do. */
export function configurationFailure(problems: readonly Problem[], env: Env): CheckFailure {
  const kinds = new Set(problems.map(({ kind }) => kind));
  const text = problems.map((problem) => `${sentenceOf(problem)}.`).join('\n');
  const next = 'Correct the environment or the .env file, and check again.';
  if (kinds.has('no_key')) {
    // `next` says what to do about it: said once is enough.
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
  const key = env['ANTHROPIC_AUTH_TOKEN']?.trim() || env['ANTHROPIC_API_KEY']?.trim() || '';
  const { kind } = judgedKey(key);
  return OTHER_THAN_KEY.has(kind) ? `not an API key: ${kind.replaceAll('_', ' ')}` : 'not a whole key';
}
