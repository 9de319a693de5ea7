import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { Desk } from './context.ts';
import { endpointOf, isQueryAllowed, pathOf } from './endpoints.ts';
import { refused, unauthorized, type Refusal } from './errors.ts';
import { forward } from './forward.ts';
import type { Denial, Grant, Presented } from './grant.ts';
import { webHeaders } from './headers.ts';
import type { GatewayOptions } from './options.ts';
import type { Arrival } from './request.ts';
import type { GatewayAnswer } from './response-body.ts';

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

/** What a page of the gateway's own needs to know. */
export interface OwnPages extends Pick<GatewayOptions, 'pages' | 'isReady'> {
  readonly isDraining: boolean;
}

/** The answer of a page of the gateway's own; `null` where the request is for none. It may reject. */
export async function ownPage(arrival: Arrival, own: OwnPages): Promise<GatewayAnswer | null> {
  const path = pathOf(arrival.target);
  const isProbe = path === '/healthz' || path === '/readyz';
  const page = own.pages !== undefined && Object.hasOwn(own.pages, path) ? own.pages[path] : undefined;
  if (page !== undefined) return answerOf(await page(requestOf(arrival)));
  if (!isProbe) return null;
  if (arrival.method !== 'GET' && arrival.method !== 'HEAD') {
    return refused({ status: 405, type: 'invalid_request_error', message: 'Expected GET.' });
  }
  return path === '/healthz' ? plain(200, 'ok') : readiness(own);
}

async function readiness({ isDraining, isReady }: OwnPages): Promise<GatewayAnswer> {
  if (isDraining) return plain(503, 'draining');
  const ready = isReady === undefined || (await isReady().catch(() => false)); // not to be asked is not to be ready
  return ready ? plain(200, 'ready') : plain(503, 'not ready');
}

function plain(status: number, text: string): GatewayAnswer {
  const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store'];
  return { status, headers, body: Buffer.from(`${text}\n`) };
}

function requestOf({ method, target, headers, body }: Arrival): Request {
  const isRead = method === 'GET' || method === 'HEAD' || body === null;
  return new Request(`http://gateway${target}`, {
    method,
    headers: webHeaders(headers),
    ...(!isRead && { body: Readable.toWeb(body) as WebStream<Uint8Array> as ReadableStream, duplex: 'half' }),
  });
}

async function answerOf(response: Response): Promise<GatewayAnswer> {
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: [...response.headers].flat(), body };
}
