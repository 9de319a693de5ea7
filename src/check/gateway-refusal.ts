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
    const next =
      'Wait until it begins anew, or ask whoever runs the gateway to raise it. Trying again before cannot help.';
    return { cause: 'spend_limit', text, next };
  }
  if (status === 403) {
    const text = `The gateway at ${host} knows the token in ${variable}, and it may not do this.${said(refused)}`;
    return { cause: 'forbidden', text, next: 'Ask whoever runs the gateway what the token allows, or to allow more.' };
  }
  if (status === 429) {
    const text = `The gateway at ${host} lets the token in ${variable} make no more requests at the moment; token, model and network are good.`;
    const seconds = refused.headers.get('retry-after');
    const wait = seconds === null ? 'Wait a minute' : `Wait ${seconds} s, as the answer asks`;
    return {
      cause: 'rate_limited',
      text,
      next: `${wait}, and check again. If it stays so, somebody else uses this token.`,
    };
  }
  if (status === 502 || status === 504) {
    const text = `The gateway at ${host} accepts the token, and gets no answer from the API behind it.`;
    return { cause: 'server_error', text, next: AGAIN };
  }
  if (status < 500) return null;
  const text = `The gateway at ${host} takes no call at the moment: it has too many, is about to end, or cannot read its tokens.`;
  return { cause: 'overloaded', text, next: AGAIN };
}

function unauthorized({ variable, host, isGatewayToken }: GatewayRefused): Diagnosis {
  const next = `Ask whoever runs the gateway for a token (plimsoll gateway token create), and put it into ${variable}.`;
  const text = isGatewayToken
    ? `The gateway at ${host} does not accept the token in ${variable}: it was revoked, has expired, or is of another gateway.`
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

function said({ body }: GatewayRefused): string {
  const message = shownMessage(body);
  return message === '' ? '' : ` It says: ${message}`;
}
