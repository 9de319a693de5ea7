import { utcMonth } from '../clock.ts';
import { redacted } from '../keys/secrets.ts';
import { rejection } from '../observe/rejection.ts';
import type { RateLimitReason, SpendScope } from '../vocabulary.ts';
import type { Diagnosis } from './report.ts';

/** An answer that is no success, and what was asked. */
interface Refused extends GatewayRefused {
  readonly model: string;
  readonly nowMs: number;
}

const CONSOLE = 'https://platform.claude.com/settings';

const LATER = 'Nothing is to be changed here. Try again in a minute; a retry policy with backoff does so by itself.';

/** The likely cause of a refusal, read from status and code first, and from the message only where there is no code. */
export function refusalDiagnosis(refused: Refused): Diagnosis {
  const ofGateway = gatewayDiagnosis(refused);
  if (ofGateway !== null) return ofGateway;
  const { rateLimitReason, spendScope } = rejection(refused);
  if (isOfProxy(refused)) return ofProxy(refused);
  if (spendScope !== null && spendScope !== 'linked_organization') return spendLimit(spendScope, refused.nowMs);
  if (refused.status === 402 || isOutOfCredit(refused.body)) return BILLING;
  if (refused.status === 429) return rateLimited(rateLimitReason ?? 'unknown', refused.headers);
  return byStatus(refused);
}

/** The API's own refusals are JSON of one shape and bear a request id. What is asked for is never a page of something else. */
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
      text: `${host} does not answer; it sends calls on to ${elsewhere} (${status}), and Node sends no key along to there.`,
      next: `If ${elsewhere} is meant, set ANTHROPIC_BASE_URL to it, with https:// where it has that.`,
    };
  }
  return {
    cause: 'proxy',
    text: `Something on the way to ${host} answered with ${status}, and it was not the API: a proxy, or another service.`,
    next: 'See that ANTHROPIC_BASE_URL names an API; then ask whoever runs the proxy to let calls to that host pass.',
  };
}

const BILLING: Diagnosis = {
  cause: 'billing',
  text: 'The organization cannot be billed: no credit is left, or the payment method was declined.',
  next: `Confirm the payment method in Billing, and add credit where it is prepaid: ${CONSOLE}/billing`,
};

/** Seen with status 400 and no code before there was a 402. */
function isOutOfCredit(body: unknown): boolean {
  return /credit balance is too low/i.test(messageOf(body));
}

type OwnScope = Exclude<SpendScope, 'linked_organization'>;

const SPENT_BY: Readonly<Record<OwnScope, string>> = {
  tier: 'The organization has spent what its usage tier allows in a month',
  contract: 'The organization has spent what its contract allows',
  organization: 'The organization has spent the limit that it set for itself',
  workspace: 'The workspace has spent the limit that was set for it',
};

function spendLimit(scope: OwnScope, nowMs: number): Diagnosis {
  const lifts = `${new Date(utcMonth(nowMs).endMs).toISOString().slice(0, 10)} 00:00 UTC`;
  const whose = SPENT_BY[scope];
  if (scope === 'contract') {
    return {
      cause: 'spend_limit',
      text: `${whose}.`,
      next: 'Ask your contact at Anthropic to raise it. Trying again cannot help.',
    };
  }
  const raise = scope === 'tier' ? 'ask for a higher limit' : 'raise the limit';
  return {
    cause: 'spend_limit',
    text: `${whose}. It lifts on ${lifts}.`,
    next: `Wait until then, or ${raise}: ${CONSOLE}/limits. Trying again before cannot help.`,
  };
}

/** The limit that a 429 of each reason says is used up. */
const USED_UP: Readonly<Record<Exclude<RateLimitReason, 'acceleration'>, string>> = {
  requests: 'The rate limit of requests',
  input_tokens: 'The rate limit of input tokens',
  output_tokens: 'The rate limit of output tokens',
  tokens: 'The rate limit of tokens',
  fast_mode: 'The rate limit of fast mode',
  spend_limit: 'The spend limit',
  contract_spend_limit: 'The spend limit of the contract',
  unknown: 'A rate limit',
};

function rateLimited(reason: RateLimitReason, headers: Headers): Diagnosis {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const wait = Number.isFinite(seconds) ? `Wait ${seconds} s, as the answer asks` : 'Wait a minute';
  if (reason === 'acceleration') {
    return {
      cause: 'rate_limited',
      text: 'The organization sends much more than shortly before, faster than the API lets it grow; key, model and network are good.',
      next: `${wait}, and let traffic rise slowly.`,
    };
  }
  return {
    cause: 'rate_limited',
    text: `${USED_UP[reason]} is used up at the moment; key, model and network are good.`,
    next: `${wait}, and check again. If it stays so, something else is using the same limits.`,
  };
}

function byStatus({ status, body, variable, model, host }: Refused): Diagnosis {
  if (status === 401) {
    return {
      cause: 'unauthorized',
      text: `${host} does not accept the key in ${variable}: it was disabled, has expired, was not copied whole, or is for another service.`,
      next: `See whether the key is active at ${CONSOLE}/keys, or make a new one there and put it into ${variable}.`,
    };
  }
  if (status === 403) {
    return {
      cause: 'forbidden',
      text: `The key in ${variable} is known, and may not do this: its workspace, its scopes or the place it is called from does not allow it.`,
      next: `See at ${CONSOLE}/keys what the key's workspace allows, or use a key of another workspace.`,
    };
  }
  if (status === 404) return modelUnknown(model, null);
  if (status === 529) {
    return {
      cause: 'overloaded',
      text: 'The API is overloaded for everybody at the moment; key, model and network are good.',
      next: LATER,
    };
  }
  if (status === 408 || status >= 500) {
    const text = `${host} answered with ${status}: it fails at the moment, and not for anything in the request.`;
    return { cause: 'server_error', text, next: `${LATER} See also https://status.claude.com` };
  }
  const said = shownMessage(body);
  return {
    cause: 'unexpected',
    text: `${host} refused with ${status}${said === '' ? '.' : `: ${said}`}`,
    next: 'The message says what is wrong; if it does not, see https://platform.claude.com/docs/en/api/errors',
  };
}

/** No model of that name; `near` is one that there is. */
export function modelUnknown(model: string, near: string | null): Diagnosis {
  return {
    cause: 'model_unknown',
    text: `There is no model ${model} for this key${near === null ? '.' : `; the nearest is ${near}.`}`,
    next: `Set ANTHROPIC_DEFAULT_MODEL${near === null ? ' to a model of the list at GET /v1/models.' : `=${near}, or another of the list at GET /v1/models.`}`,
  };
}

const LONGEST_MESSAGE = 300;

/** The message of an error as it may go to a terminal; empty where there is none. */
function shownMessage(body: unknown): string {
  return redacted(messageOf(body))
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, LONGEST_MESSAGE);
}

/** The message of an error as it came; empty where there is none. */
function messageOf(body: unknown): string {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { readonly error?: unknown };
  const { message } = (typeof error === 'object' && error !== null ? error : {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : '';
}

/** A refusal, and what tells whether a gateway made it. */
interface GatewayRefused {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed; `null` where it is not JSON. */
  readonly body: unknown;
  /** The variable that the credential came from. */
  readonly variable: string;
  readonly host: string;
  /** The credential is a token of a gateway. */
  readonly isGatewayToken: boolean;
}

/** The ids that a plimsoll gateway gives to what it refuses itself; what it passes on has the API's own. */
const OF_GATEWAY = /^req_plimsoll_/;

const AGAIN = 'Try again in a minute; if it stays so, tell whoever runs the gateway.';

/** The likely cause of a refusal by a plimsoll gateway, or by the API behind one; `null` where there is none. */
function gatewayDiagnosis(refused: GatewayRefused): Diagnosis | null {
  if (!OF_GATEWAY.test(refused.headers.get('request-id') ?? '')) return behindGateway(refused);
  const { status, variable, host } = refused;
  if (status === 401) return unauthorized(refused);
  if (status === 402) {
    const text = `A budget of the gateway at ${host} is spent.${said(refused)}`;
    return {
      cause: 'spend_limit',
      text,
      next: 'Wait until then, or ask whoever runs the gateway to raise it. Trying again before cannot help.',
    };
  }
  if (status === 403) {
    const text = `The gateway at ${host} knows the token in ${variable}, and it may not do this.${said(refused)}`;
    return {
      cause: 'forbidden',
      text,
      next: 'Use what the token allows, or ask whoever runs the gateway to allow more.',
    };
  }
  if (status === 429) return gatewayRateLimited(refused);
  return status < 500 ? null : failing(refused);
}

function gatewayRateLimited({ variable, host, headers }: GatewayRefused): Diagnosis {
  const seconds = headers.get('retry-after');
  const wait = seconds === null ? 'Wait a minute' : `Wait ${seconds} s, as the answer asks`;
  return {
    cause: 'rate_limited',
    text: `The gateway at ${host} lets the token in ${variable} make no more requests at the moment; token, model and network are good.`,
    next: `${wait}, and check again. If it stays so, somebody else uses this token.`,
  };
}

/** The gateway is there, whatever else is not. */
function failing(refused: GatewayRefused): Diagnosis {
  const { status, host } = refused;
  if (status === 502 || status === 504) {
    const text = `The gateway at ${host} accepts the token, and gets no answer from the API behind it.`;
    return { cause: 'server_error', text, next: AGAIN };
  }
  const cause = status === 529 || status === 503 ? 'overloaded' : 'server_error';
  const what = cause === 'overloaded' ? 'takes no call at the moment' : `failed with ${status}`;
  return { cause, text: `The gateway at ${host} ${what}.${said(refused)}`, next: AGAIN };
}

function unauthorized(refused: GatewayRefused): Diagnosis {
  const { variable, host, isGatewayToken } = refused;
  const next = `Ask whoever runs the gateway for a token (plimsoll gateway token create), and put it into ${variable}.`;
  const text = isGatewayToken
    ? `The gateway at ${host} does not accept the token in ${variable}.${said(refused)}`
    : `The gateway at ${host} takes tokens of its own, which begin with plk_, and ${variable} holds something else.`;
  return { cause: 'unauthorized', text, next };
}

function behindGateway({ status, variable, host, isGatewayToken }: GatewayRefused): Diagnosis | null {
  if (!isGatewayToken || (status !== 401 && status !== 403)) return null;
  return {
    cause: status === 401 ? 'unauthorized' : 'forbidden',
    text: `${host} refused with ${status}, and not for the token in ${variable}: the API behind the gateway refuses the key that the gateway holds.`,
    next: 'Tell whoever runs the gateway. If no gateway runs there, correct ANTHROPIC_BASE_URL.',
  };
}

/** The gateway's own words; empty where it has none. */
function said({ body }: GatewayRefused): string {
  const message = shownMessage(body);
  return message === '' ? '' : ` It says: ${message}`;
}
