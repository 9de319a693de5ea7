import { CheckFailure, type Cause, type Diagnosis } from './report.ts';

/** Whom something was asked, and how it was reached. */
export interface Asked {
  /** Host and port of the API or of the proxy. */
  readonly host: string;
  readonly hostname: string;
  readonly timeoutMs: number;
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
    code: /^(?:ENOTFOUND|EAI_AGAIN|EAI_NODATA|EAI_NONAME)$/,
    cause: 'dns',
    text: ({ hostname }) => `The name ${hostname} is not known to the DNS here.`,
    next: 'Look for a typing mistake in ANTHROPIC_BASE_URL; then see whether this machine has a network and a DNS server.',
  },
  {
    code: /^ECONNREFUSED$/,
    cause: 'connection_refused',
    text: ({ host }) => `Nothing listens at ${host}.`,
    next: 'Start the gateway or the simulator that ANTHROPIC_BASE_URL names, or correct its port; unset it to call the API itself.',
  },
  {
    code: /^(?:ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|EHOSTUNREACH|ENETUNREACH|TimeoutError)$/,
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
      `Nobody whom Node trusts has signed the certificate of ${host}: a proxy that reads TLS, or a certificate of your own.`,
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
  const codes = codesOf(error);
  for (const rule of RULES) {
    const code = codes.find((one) => rule.code.test(one));
    if (code === undefined) continue;
    return new CheckFailure(
      code === 'TimeoutError' ? `no answer in ${asked.timeoutMs} ms` : code,
      diagnosis(rule, asked),
    );
  }
  if (codes.length === 0) throw error;
  return new CheckFailure(codes[0] ?? '', {
    cause: 'unexpected',
    text: `The request to ${asked.host} failed with ${codes.join(', ')}.`,
    next: 'Look the code up in the documentation of Node.',
  });
}

function diagnosis({ cause, text, next }: Rule, asked: Asked): Diagnosis {
  if (asked.unusedProxy === null) return { cause, text: text(asked), next };
  return {
    cause,
    text: `${text(asked)} ${asked.unusedProxy} names a proxy, and Node uses it only when it is told to.`,
    next: `Set NODE_USE_ENV_PROXY=1 if calls are to go through the proxy. ${next}`,
  };
}

/** The codes of an error, of its causes, and of the attempts that it stands for. */
function codesOf(error: unknown, depth = 0): readonly string[] {
  if (!(error instanceof Error) || depth > 4) return [];
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : [];
  const timedOut = error.name === 'TimeoutError' ? ['TimeoutError'] : [];
  const attempts = error instanceof AggregateError ? error.errors.flatMap((one) => codesOf(one, depth + 1)) : [];
  return [...timedOut, ...own, ...attempts, ...codesOf(error.cause, depth + 1)];
}
