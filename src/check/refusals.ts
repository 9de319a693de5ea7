import { utcMonth } from '../clock.ts';
import { redacted } from '../keys/secrets.ts';
import { rejection } from '../observe/rejection.ts';
import type { RateLimitReason, SpendScope } from '../vocabulary.ts';
import type { Diagnosis } from './report.ts';

/** An unsuccessful response, and the request that got it. */
interface Refused extends GatewayRefused {
  readonly model: string;
  readonly nowMs: number;
}

const CONSOLE = 'https://platform.claude.com/settings';

const LATER =
  'You do not have to change anything. Try again in a minute; a retry policy with backoff does that for you.';

/** Puts what `rejection` makes of a refusal, and the metrics count, into words. */
export function refusalDiagnosis(refused: Refused): Diagnosis {
  const ofGateway = gatewayDiagnosis(refused);
  if (ofGateway !== null) return ofGateway;
  const { rateLimitReason, spendScope } = rejection(refused);
  if (isOfProxy(refused)) return ofProxy(refused);
  if (spendScope !== null) return OF_SCOPE[spendScope](refused);
  if (rateLimitReason !== null) return rateLimited(rateLimitReason, refused.headers);
  return byStatus(refused);
}

/** Tells whether a proxy answered: the API's own refusals are JSON of one shape with a request id. */
function isOfProxy({ status, headers, body }: Refused): boolean {
  if (status === 407 || status < 400) return true;
  if (headers.has('request-id')) return false;
  return status < 500 && (body === null || (status === 404 && messageOf(body) === ''));
}

function ofProxy({ status, host, headers }: Refused): Diagnosis {
  const to = headers.get('location');
  if (status >= 300 && status < 400 && to !== null) {
    const elsewhere = URL.parse(to)?.host ?? 'another place';
    return {
      cause: 'proxy',
      text: `${host} redirects calls to ${elsewhere} (${status}), and Node does not send the key there.`,
      next: `If ${elsewhere} is the right host, set ANTHROPIC_BASE_URL to it, with https:// if it has TLS.`,
    };
  }
  return {
    cause: 'proxy',
    text: `Something other than the API answered for ${host} with ${status}: a proxy, or another service.`,
    next: 'Check that ANTHROPIC_BASE_URL is the address of an API. If it is, ask whoever runs the proxy to allow calls to that host.',
  };
}

const BILLING: Diagnosis = {
  cause: 'billing',
  text: 'The organization cannot be billed: the payment method was declined, or billing is not set up.',
  next: `Check the payment method in Billing: ${CONSOLE}/billing. Retrying before then cannot help.`,
};

const NO_CREDIT: Diagnosis = {
  cause: 'billing',
  text: 'The account has no credit left, and calls fail until some is bought.',
  next: `Add credit, or turn on auto-reload: ${CONSOLE}/billing. Retrying before then cannot help.`,
};

const OF_SCOPE: Readonly<Record<SpendScope, (refused: Refused) => Diagnosis>> = {
  tier: monthly('The organization has reached the monthly spend cap of its usage tier', 'ask for a higher limit'),
  contract: () =>
    spendLimit(
      'The organization has reached the spend limit of its contract.',
      'Ask your contact at Anthropic to raise it. Retrying cannot help.',
    ),
  organization: monthly('The organization has reached the spend limit that it set for itself', 'raise the limit'),
  workspace: monthly('The workspace has reached its spend limit', 'raise the limit'),
  account: monthly('The account has reached the monthly spend limit of its subscription', 'raise the limit'),
  linked_organization: () =>
    spendLimit(
      'The linked organization that pays has reached its spend limit, or lacks credit for this request.',
      'Ask whoever manages the linked organization to raise the limit or add credit. Retrying before then cannot help.',
    ),
  gateway: ({ host }) =>
    spendLimit(
      `A gateway at ${host} has a spend limit for this caller, and it is reached.`,
      'Ask whoever runs the gateway when it resets, or to raise it. Retrying before then cannot help.',
    ),
  credit: () => NO_CREDIT,
  billing: () => BILLING,
};

function spendLimit(text: string, next: string): Diagnosis {
  return { cause: 'spend_limit', text, next };
}

/** A limit of the calendar month. */
function monthly(reached: string, raise: string): (refused: Refused) => Diagnosis {
  return ({ nowMs }) => {
    const lifts = `${new Date(utcMonth(nowMs).endMs).toISOString().slice(0, 10)} 00:00 UTC`;
    const next = `Wait until then, or ${raise}: ${CONSOLE}/limits. Retrying before then cannot help.`;
    return spendLimit(`${reached}. It lifts on ${lifts}.`, next);
  };
}

const FINE = 'the key, model and network are fine.';

const AGAIN_LATER = 'check again. If it happens again, something else is using the same limits.';

function reached(limit: string): { readonly text: string; readonly then: string } {
  return { text: `${limit} is reached; ${FINE}`, then: AGAIN_LATER };
}

/** The 429 of each reason in words, and what to do after the wait; `null` where waiting does not help. */
const OF_REASON: Readonly<Record<RateLimitReason, { readonly text: string; readonly then: string | null }>> = {
  requests: reached('The rate limit on requests'),
  input_tokens: reached('The rate limit on input tokens'),
  output_tokens: reached('The rate limit on output tokens'),
  tokens: reached('The rate limit on tokens'),
  fast_mode: reached('The rate limit for fast mode'),
  spend_limit: reached('The spend limit'),
  contract_spend_limit: reached('The spend limit of the contract'),
  client_limit: reached('The limit that a gateway keeps for this token'),
  unknown: reached('A rate limit'),
  acceleration: {
    text: `The organization's traffic grew faster than the API allows; ${FINE}`,
    then: 'increase traffic slowly.',
  },
  concurrency: {
    text: `More requests run at the same time than the organization may have; ${FINE}`,
    then: 'let fewer calls run at the same time.',
  },
  prompt_too_large: {
    text: 'The prompt alone is larger than the limit on input tokens per minute, so no wait is long enough.',
    then: null,
  },
  long_context: {
    text: 'The account may not send prompts of this length: a subscription needs extra usage for them.',
    then: null,
  },
};

const SHORTEN = `Shorten the prompt, or raise the limit: ${CONSOLE}/limits. Retrying cannot help.`;

function rateLimited(reason: RateLimitReason, headers: Headers): Diagnosis {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const wait = Number.isFinite(seconds) ? `Wait ${seconds} s, as the response asks` : 'Wait a minute';
  const { text, then } = OF_REASON[reason];
  return { cause: 'rate_limited', text, next: then === null ? SHORTEN : `${wait}, then ${then}` };
}

function byStatus({ status, body, variable, model, host }: Refused): Diagnosis {
  if (status === 401) {
    return {
      cause: 'unauthorized',
      text: `${host} does not accept the key in ${variable}: it was disabled, has expired, is incomplete, or is for another service.`,
      next: `Check at ${CONSOLE}/keys that the key is active, or create a new one there and set ${variable} to it.`,
    };
  }
  if (status === 403) {
    return {
      cause: 'forbidden',
      text: `The key in ${variable} is valid, but may not do this: its workspace, its scopes or the caller's location does not allow it.`,
      next: `Check at ${CONSOLE}/keys what the key's workspace allows, or use a key of another workspace.`,
    };
  }
  if (status === 404) return modelUnknown(model, null);
  if (status === 529) {
    return {
      cause: 'overloaded',
      text: 'The API is overloaded for everyone; the key, model and network are fine.',
      next: LATER,
    };
  }
  if (status === 408 || status >= 500) {
    const text = `${host} answered with ${status}: the server failed. The request is not the cause.`;
    return { cause: 'server_error', text, next: `${LATER} See also https://status.claude.com` };
  }
  const said = shownMessage(body);
  return {
    cause: 'unexpected',
    text: `${host} refused with ${status}${said === '' ? '.' : `: ${said}`}`,
    next: 'If the message does not say what is wrong, see https://platform.claude.com/docs/en/api/errors',
  };
}

/** Diagnosis for a model that does not exist; `near` is the nearest one that does. */
export function modelUnknown(model: string, near: string | null): Diagnosis {
  return {
    cause: 'model_unknown',
    text: `There is no model ${model} for this key${near === null ? '.' : `; the nearest is ${near}.`}`,
    next: `Set ANTHROPIC_DEFAULT_MODEL${near === null ? ' to a model that GET /v1/models lists.' : `=${near}, or to another model that GET /v1/models lists.`}`,
  };
}

const LONGEST_MESSAGE = 300;

/** Message of an error, made safe for a terminal; empty if there is none. */
function shownMessage(body: unknown): string {
  return redacted(messageOf(body))
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, LONGEST_MESSAGE);
}

/** Message of an error, unchanged; empty if there is none. */
function messageOf(body: unknown): string {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { readonly error?: unknown };
  const { message } = (typeof error === 'object' && error !== null ? error : {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : '';
}

/** A refusal, and the facts that show whether a gateway made it. */
interface GatewayRefused {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed; `null` if it is not JSON. */
  readonly body: unknown;
  /** The variable that the credential came from. */
  readonly variable: string;
  readonly host: string;
  /** The credential is a token of a gateway. */
  readonly isGatewayToken: boolean;
}

/** A plimsoll gateway gives these ids to its own refusals; a forwarded refusal keeps the API's id. */
const OF_GATEWAY = /^req_plimsoll_/;

const AGAIN = 'Try again in a minute. If it happens again, tell whoever runs the gateway.';

/** Finds the likely cause of a refusal by a plimsoll gateway, or by the API behind one; `null` for any other refusal. */
function gatewayDiagnosis(refused: GatewayRefused): Diagnosis | null {
  if (!OF_GATEWAY.test(refused.headers.get('request-id') ?? '')) return behindGateway(refused);
  const { status, variable, host } = refused;
  if (status === 401) return unauthorized(refused);
  if (status === 402) {
    const text = `A budget of the gateway at ${host} is spent.${said(refused)}`;
    return {
      cause: 'spend_limit',
      text,
      next: 'Wait until then, or ask whoever runs the gateway to raise it. Retrying before then cannot help.',
    };
  }
  if (status === 403) {
    const text = `The gateway at ${host} accepts the token in ${variable}, but the token may not do this.${said(refused)}`;
    return {
      cause: 'forbidden',
      text,
      next: 'Stay within what the token allows, or ask whoever runs the gateway to allow more.',
    };
  }
  if (status === 429) return gatewayRateLimited(refused);
  return status < 500 ? null : failing(refused);
}

function gatewayRateLimited({ variable, host, headers }: GatewayRefused): Diagnosis {
  const seconds = headers.get('retry-after');
  const wait = seconds === null ? 'Wait a minute' : `Wait ${seconds} s, as the response asks`;
  return {
    cause: 'rate_limited',
    text: `The token in ${variable} has reached its rate limit at the gateway at ${host}; the token, model and network are fine.`,
    next: `${wait}, then check again. If it happens again, something else is using this token.`,
  };
}

/** Diagnosis for a gateway that runs but fails. */
function failing(refused: GatewayRefused): Diagnosis {
  const { status, host } = refused;
  if (status === 502 || status === 504) {
    const text = `The gateway at ${host} accepts the token, but gets no response from the API behind it.`;
    return { cause: 'server_error', text, next: AGAIN };
  }
  const cause = status === 529 || status === 503 ? 'overloaded' : 'server_error';
  const what = cause === 'overloaded' ? 'does not accept calls at the moment' : `failed with ${status}`;
  return { cause, text: `The gateway at ${host} ${what}.${said(refused)}`, next: AGAIN };
}

function unauthorized(refused: GatewayRefused): Diagnosis {
  const { variable, host, isGatewayToken } = refused;
  const next = `Ask whoever runs the gateway for a token (plimsoll gateway token create), and set ${variable} to it.`;
  const text = isGatewayToken
    ? `The gateway at ${host} does not accept the token in ${variable}.${said(refused)}`
    : `The gateway at ${host} accepts only its own tokens, which begin with plk_, and ${variable} has something else.`;
  return { cause: 'unauthorized', text, next };
}

function behindGateway({ status, variable, host, isGatewayToken }: GatewayRefused): Diagnosis | null {
  if (!isGatewayToken || (status !== 401 && status !== 403)) return null;
  return {
    cause: status === 401 ? 'unauthorized' : 'forbidden',
    text: `${host} refused with ${status}, but not because of the token in ${variable}: the API behind the gateway refuses the gateway's key.`,
    next: 'Tell whoever runs the gateway. If no gateway runs there, correct ANTHROPIC_BASE_URL.',
  };
}

/** Quotes the gateway's message; empty if it has none. */
function said({ body }: GatewayRefused): string {
  const message = shownMessage(body);
  return message === '' ? '' : ` It says: ${message}`;
}
