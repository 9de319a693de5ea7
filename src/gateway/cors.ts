import { FALLBACK_HEADER, type RawHeaders } from './headers.ts';
import type { GatewayRequest } from './request.ts';
import type { BufferedResponse } from './response-body.ts';

/** Web origins whose pages may call the gateway. Their pages may do the same as any caller with a token. */
export type AllowedOrigins = ReadonlySet<string>;

/** Headers that a page may read. The SDK's retries rely on the last three. */
const EXPOSED = `request-id, ${FALLBACK_HEADER}, retry-after, retry-after-ms, x-should-retry`;

const PREFLIGHT_SECONDS = 600;

const NO_BODY = Buffer.alloc(0);

/** Answers a CORS preflight request; `null` for any other request. */
export function preflightResponse(request: GatewayRequest, allowed: AllowedOrigins): BufferedResponse | null {
  const { method, headers } = request;
  if (method !== 'OPTIONS' || !headers.has('access-control-request-method')) return null;
  const cors = corsHeaders(request, allowed);
  if (!cors.includes('Access-Control-Allow-Origin')) return { status: 403, headers: ['Vary', 'Origin'], body: NO_BODY };
  const asked = headers.get('access-control-request-headers');
  return {
    status: 204,
    headers: [
      ...cors,
      ...['Access-Control-Allow-Methods', 'GET, POST, DELETE'],
      ...(asked === undefined ? [] : ['Access-Control-Allow-Headers', asked]),
      ...['Access-Control-Max-Age', String(PREFLIGHT_SECONDS)],
    ],
    body: NO_BODY,
  };
}

/**
 * The headers that let a page of an allowed origin read the response. Other responses of the same path say that they depend
 * on the origin too, so that no cache gives one to another.
 */
export function corsHeaders({ path, headers }: GatewayRequest, allowed: AllowedOrigins): RawHeaders {
  const origin = headers.get('origin');
  if (!path.startsWith('/v1/')) return [];
  if (origin === undefined || !allowed.has(origin)) return ['Vary', 'Origin'];
  return ['Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', EXPOSED, 'Vary', 'Origin'];
}
