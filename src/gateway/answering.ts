import type { Arrival } from './arrival.ts';
import { unauthorized } from './denials.ts';
import type { Desk } from './desk.ts';
import { endpointOf, isQueryAllowed } from './endpoints.ts';
import { forward } from './forward.ts';
import type { GatewayAnswer } from './gateway-answer.ts';
import type { Denial, Grant, Presented } from './grant.ts';
import { ownPage } from './own-pages.ts';
import { refused, type Refusal } from './refusals.ts';

/** Answers a request. Never rejects: what fails in the gateway itself is told and becomes the API's own kind of error. */
export async function answerAt(desk: Desk, arrival: Arrival): Promise<GatewayAnswer> {
  try {
    const preflight = desk.crossOrigin.preflight(arrival);
    if (preflight !== null) return preflight;
    const answer = await decided(desk, arrival);
    const added = desk.crossOrigin.headers(arrival);
    return added.length === 0 ? answer : { ...answer, headers: [...answer.headers, ...added] };
  } catch (error) {
    if (!arrival.isGone) desk.onError(error);
    return refused({ status: 500, type: 'api_error', message: 'The gateway could not handle the request.' });
  }
}

async function decided(desk: Desk, arrival: Arrival): Promise<GatewayAnswer> {
  const { options, open, refusal } = desk;
  const { pages, isReady } = options;
  const own = await ownPage(arrival, {
    isDraining: open.isDraining,
    ...(pages && { pages }),
    ...(isReady && { isReady }),
  });
  if (own !== null) return own;
  const endpoint = endpointOf(arrival.method, arrival.target);
  const obstacle = endpoint === null ? 'not_found' : obstacleTo(desk, arrival);
  if (endpoint === null || obstacle !== null) {
    refusal(obstacle ?? 'not_found');
    return refused(OBSTACLES[obstacle ?? 'not_found']);
  }
  const verdict = await judged(desk, arrival);
  if (typeof verdict !== 'string') return forward(desk, { arrival, endpoint, grant: verdict });
  refusal(verdict);
  return verdict === 'unavailable' ? refused(UNAVAILABLE) : unauthorized(verdict);
}

type Obstacle = 'not_found' | 'invalid' | 'draining' | 'overloaded';

const OBSTACLES: Readonly<Record<Obstacle, Refusal>> = {
  not_found: { status: 404, type: 'not_found_error', message: 'The gateway forwards nothing of this method and path.' },
  invalid: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The query of the request has a credential in it, or characters that no query has.',
  },
  draining: { status: 529, type: 'overloaded_error', message: 'The gateway is about to stop.', retryAfterSeconds: 1 },
  overloaded: {
    status: 529,
    type: 'overloaded_error',
    message: 'The gateway has too much to do.',
    retryAfterSeconds: 1,
  },
};

const UNAVAILABLE: Refusal = {
  status: 529,
  type: 'overloaded_error',
  message: 'The gateway cannot reach the place where tokens are kept.',
  retryAfterSeconds: 1,
};

function obstacleTo({ open }: Desk, { target }: Arrival): Obstacle | null {
  if (!isQueryAllowed(target)) return 'invalid';
  if (open.isDraining) return 'draining';
  return open.isFull ? 'overloaded' : null;
}

async function judged({ options, onError }: Desk, arrival: Arrival): Promise<Grant | Denial | 'unavailable'> {
  try {
    return await options.authenticate(presented(arrival));
  } catch (error) {
    onError(error);
    return 'unavailable';
  }
}

function presented(arrival: Arrival): Presented {
  const bearer = /^Bearer +(\S+)$/i.exec(arrival.header('authorization') ?? '')?.[1];
  return { token: arrival.header('x-api-key') ?? bearer ?? null, origin: arrival.header('origin') };
}
