import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { Arrival } from './arrival.ts';
import { pathOf } from './endpoints.ts';
import type { GatewayAnswer } from './gateway-answer.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { webHeaders } from './headers.ts';
import { refused } from './refusals.ts';

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
