import type { Readable } from 'node:stream';
import { ReadableStream as WebStream } from 'node:stream/web';
import type { GatewayContext } from './context.ts';
import { corsHeaders, preflightResponse } from './cors.ts';
import { endpointOf, isQueryAllowed, shownPath } from './endpoints.ts';
import { errorResponse } from './errors.ts';
import { forward } from './forward.ts';
import type { AuthenticationFailure, Grant } from './grant.ts';
import { presentedToken, webHeaders } from './headers.ts';
import { storeCause } from './faults.ts';
import { forwardModels } from './listed-models.ts';
import type { GatewayOptions, KeyReader } from './options.ts';
import type { GatewayRequest } from './request.ts';
import type { GatewayResponse } from './response-body.ts';

/** Handles a request. Never rejects: an internal error is reported, and the client gets an API error. */
export async function handle(context: GatewayContext, request: GatewayRequest): Promise<GatewayResponse> {
  const { corsOrigins, onError } = context;
  try {
    const preflight = request.method === 'OPTIONS' ? preflightResponse(request, corsOrigins) : null;
    if (preflight !== null) return preflight;
    const local = request.path.startsWith('/v1/') ? null : await localResponse(context, request);
    const response = local ?? (await remoteResponse(context, request));
    if (corsOrigins.size === 0) return response;
    return { ...response, headers: [...response.headers, ...corsHeaders(request, corsOrigins)] };
  } catch (error) {
    if (!request.isAborted) onError(error);
    return errorResponse({ status: 500, type: 'api_error', message: 'The gateway failed to handle the request.' });
  }
}

/** Checks the request and its token, and forwards it. Checks that need no token come first. */
async function remoteResponse(context: GatewayContext, request: GatewayRequest): Promise<GatewayResponse> {
  const { open, refuse } = context;
  const endpoint = endpointOf(request.method, request.path);
  if (endpoint === null) return refuse('not_found', unknown(request));
  if (!isQueryAllowed(request.query)) return refuse('invalid', BAD_QUERY);
  if (open.isDraining) return refuse('draining');
  if (open.isFull) return refuse('overloaded');
  const grant = await authenticate(context, request);
  if (grant === 'malformed') return refuse(grant, malformedIn(presentedToken(request.headers).header));
  if (typeof grant === 'string') return refuse(grant);
  const excess = open.assign(request, grant);
  if (excess !== null) return refuse(excess);
  const { models = null } = grant;
  if (endpoint.listsModels === true && models !== null)
    return forwardModels(context, { request, endpoint, grant }, models);
  return forward(context, { request, endpoint, grant });
}

function unknown({ method, path }: GatewayRequest): string {
  const shown = /^[A-Z]{1,10}$/.test(method) ? method : 'this method with';
  return `The gateway does not forward ${shown} ${shownPath(path)}. Check method and path against the API reference.`;
}

function malformedIn(header: string): string {
  return `Expected all of a gateway token, plk_…, got something else in ${header}. Copy the whole token; an API key is none.`;
}

const BAD_QUERY =
  'Expected a query of URL characters without credentials, got something else. Send credentials in headers.';

async function authenticate(
  { options, onError, faults }: GatewayContext,
  { headers, connection }: GatewayRequest,
): Promise<Grant | AuthenticationFailure | 'unavailable'> {
  try {
    const { token } = presentedToken(headers);
    const grant = await options.authenticate({ token, origin: headers.get('origin') ?? null, connection });
    // Without a token that could be one, the store was not asked.
    if (faults.isAny && grant !== 'missing' && grant !== 'malformed') faults.work('tokens', '');
    return grant;
  } catch (error) {
    onError(error);
    faults.fail({ part: 'tokens', name: '' }, storeCause(error, 'tokens_unavailable'));
    return 'unavailable';
  }
}

/** No `Request` can have the other methods, such as TRACE. */
const HANDLED: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Responds to a request for the gateway itself: a probe, or one of the `handlers` option; `null` for any other. */
async function localResponse(context: GatewayContext, request: GatewayRequest): Promise<GatewayResponse | null> {
  const { options, open, refuse } = context;
  const { path, method } = request;
  const { handlers = {} } = options;
  const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined;
  if (handler !== undefined) {
    if (!HANDLED.has(method)) return refuse('not_found');
    return fromWebResponse(await handler(toWebRequest(request)));
  }
  // Claude Code asks so whether anybody is there.
  if (path === '/' && method === 'HEAD') return plain(200, '');
  if (path !== '/healthz' && path !== '/readyz') return null;
  if (method !== 'GET' && method !== 'HEAD') {
    return errorResponse({ status: 405, type: 'invalid_request_error', message: 'Expected GET, got another method.' });
  }
  if (path === '/healthz') return plain(200, 'ok');
  return open.isLeaving && !open.isReplaced ? plain(503, 'draining') : readiness(context);
}

const UNREADY_AFTER = { apiMs: 60_000, ledgerMs: 60_000 };

/** Says whether requests should come, and below that what fails. */
async function readiness({ options, faults, apis }: GatewayContext): Promise<GatewayResponse> {
  const { keys, isReady, readyLines, limits = {} } = options;
  faults.keep({ api: apis.hosts, key: [...keys.keys()] });
  for (const [alias, key] of keys) noteKey(faults, alias, key);
  const isAble = await isUsable(isReady);
  const { isReady: isHealthy, lines } = await faults.readiness(limits.unreadyAfter ?? UNREADY_AFTER, apis.hosts);
  const isOpen = isAble && isHealthy;
  return plain(isOpen ? 200 : 503, [isOpen ? 'ready' : 'not ready', ...lines, ...(readyLines?.() ?? [])].join('\n'));
}

function noteKey(faults: GatewayContext['faults'], alias: string, key: KeyReader): void {
  if (key.fault === undefined) return;
  key();
  faults.set('key', alias, key.fault());
}

/** A failed check counts as not ready. */
async function isUsable(isReady: GatewayOptions['isReady']): Promise<boolean> {
  return isReady === undefined || isReady().catch(() => false);
}

function plain(status: number, text: string): GatewayResponse {
  const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store'];
  return { status, headers, body: Buffer.from(`${text}\n`) };
}

function toWebRequest({ method, target, rawHeaders, body }: GatewayRequest): Request {
  const isBodiless = method === 'GET' || method === 'HEAD' || body === null;
  return new Request(`http://gateway${target}`, {
    method,
    headers: webHeaders(rawHeaders),
    ...(!isBodiless && { body: webBody(body), duplex: 'half' }),
  });
}

/** If a handler stops reading, the server discards the rest, because the response needs the connection. */
function webBody(body: Readable): ReadableStream {
  return WebStream.from(body.iterator({ destroyOnReturn: false })) as WebStream<Uint8Array> as ReadableStream;
}

async function fromWebResponse(response: Response): Promise<GatewayResponse> {
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: [...response.headers].flat(), body };
}
