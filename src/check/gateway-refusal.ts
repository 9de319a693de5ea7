import { shownMessage } from './error-message.ts';
import type { Diagnosis } from './report.ts';

/** What a gateway is told apart by, and what its refusals are read from. */
export interface GatewayRefused {
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
export function gatewayDiagnosis(refused: GatewayRefused): Diagnosis | null {
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
  if (status === 429) return rateLimited(refused);
  return status < 500 ? null : failing(refused);
}

function rateLimited({ variable, host, headers }: GatewayRefused): Diagnosis {
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
