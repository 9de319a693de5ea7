import type { ClientRetries } from '../observe/client-retries.ts';
import { isUnsent, type Exchange, type Transport } from '../observe/exchange.ts';
import type { LiveCall } from '../observe/live-call.ts';
import { responseListener } from '../observe/response.ts';
import { retriesResponse } from '../observe/sdk-retry.ts';
import { retryAfterMs } from '../limiter.ts';
import { isReadable } from './decoding.ts';
import type { Endpoint } from './endpoints.ts';
import { forwardedHeaders, without, type HeaderMap } from './headers.ts';
import type { RequestBody } from './receive.ts';
import { BodyTooLargeError } from './request-body.ts';
import type { GatewayRequest } from './request.ts';
import { isMovable, type Route } from './upstreams/route.ts';
import { UpstreamResponse, type Upstream, type UpstreamRequest } from './upstream.ts';
import { UpstreamTimeoutError } from './upstream-errors.ts';

/** One attempt of a client's call, on its way to the API. */
export interface GatewayAttempt extends Exchange {
  readonly request: GatewayRequest;
  readonly endpoint: Endpoint;
  readonly body: RequestBody;
  readonly upstream: Upstream;
  /** Reads the API key, or the login. */
  readonly key: () => string;
  /** Gets the headers of each response to a login; `null` for a key. */
  readonly onLogin: ((headers: HeaderMap) => void) | null;
  readonly route: Route;
  readonly retries: ClientRetries;
  /** How often the client has sent this call before, as it says. */
  readonly sentBefore: number;
  /** Monotonic time when the request had arrived. */
  readonly startedMs: number;
  /**
   * Joins the attempts of a call: equal for requests with the same content. `null` for a client that does not number
   * its attempts; then each request is a call.
   */
  readonly fingerprint: (() => string) | null;
}

/** Sends the attempts of clients. A client may have its own retry rules; it is assumed to retry as the SDKs do. */
export const GATEWAY_TRANSPORT: Transport<GatewayAttempt, UpstreamResponse> = {
  guardedRequest: ({ body, call }) => (call.fallbackModel === null ? body.guarded : askedFor(call.fallbackModel, body)),
  async send(attempt) {
    const { request, upstream } = attempt;
    if (request.isAborted) throw new Error('the client closed the connection');
    const key = attempt.key();
    const pending = upstream.send(upstreamRequest(attempt, key));
    request.onAbort(() => pending.abort());
    const response = new UpstreamResponse(await pending.response, key, (error) => pending.broken(error));
    request.onAbort(() => response.body.cancel());
    attempt.onLogin?.(response.values);
    return response;
  },
  headers: ({ values }) => values,
  follow({ call, observation, request, route }, { values, body }, { limiters, contentType }) {
    route.succeed(limiters);
    const encoding = values.get('content-encoding');
    const type = encoding === undefined || isReadable(encoding) ? contentType : '';
    body.listen(responseListener({ call, observation, path: request.target }, type));
  },
  refusalBody: (_attempt, response) => response.json(),
  retriesRefusal: ({ fingerprint }, { status, headers }) =>
    fingerprint !== null && retriesResponse({ status, headers, refreshable: false }, 1),
  mayMoveOn: ({ route, request }, { status }) => route.mayGoOn && isMovable(status) && !request.isAborted,
  movesOn: ({ route, observation }, { status, headers }, rejection) =>
    route.refuse(rejection, status, retryAfterMs(headers, observation.clock.epochMs())),
  movesOnFrom: ({ route, request }, error) => route.mayGoOn && !request.isAborted && isUnsent(error) && route.miss(),
  isSteerable: ({ observation, call }) => call.attempts < (observation.retry?.attempts ?? 0),
  steer: (response, headers) => response.steer(headers),
  handBack(attempt, { status, headers }, goesOn) {
    attempt.route.answer(status);
    if (goesOn) waitForRetry(attempt, retryAfterMs(headers, attempt.observation.clock.epochMs()));
  },
  isCancelled: (attempt) => attempt.request.isAborted && !hasTimedOut(attempt),
  failureOf: (attempt, error) =>
    error instanceof UpstreamTimeoutError || hasTimedOut(attempt) ? 'timeout' : 'connection_error',
  retriesFailure: ({ fingerprint }, error) => fingerprint !== null && !(error instanceof BodyTooLargeError),
  wait: (attempt) => waitForRetry(attempt, null),
};

/** The request as guards see it, for another model. */
function askedFor(model: string, { guarded }: RequestBody): RequestBody['guarded'] {
  return { ...guarded, body: guarded.body && { ...guarded.body, model } };
}

function upstreamRequest({ request, endpoint, body, call, onLogin }: GatewayAttempt, key: string): UpstreamRequest {
  const { method, target } = request;
  const headers = forwardedHeaders(request.headers);
  const readable = endpoint.namesResults === true ? uncompressed(headers) : headers;
  if (onLogin === null) readable.push('x-api-key', key);
  else readable.push('authorization', `Bearer ${key}`);
  return { method, target, headers: readable, body: changedBody(body, call) };
}

/** The gateway changes the response, so the API must not compress it. */
function uncompressed(headers: string[]): string[] {
  return [...without(headers, 'accept-encoding'), 'accept-encoding', 'identity'];
}

/**
 * The body byte for byte, but for the values that a guard or a retry policy has set in place of the client's: what is sent
 * is what was checked. Throws where there is no value to replace.
 */
function changedBody(
  { raw, spans }: RequestBody,
  { admittedMaxTokens, fallbackModel }: LiveCall,
): UpstreamRequest['body'] {
  if (!(raw instanceof Uint8Array)) return raw;
  if (admittedMaxTokens === null && fallbackModel === null) return [raw];
  const changes = [
    ...(admittedMaxTokens === null ? [] : [{ span: spans.maxTokens, value: admittedMaxTokens }]),
    ...(fallbackModel === null ? [] : [{ span: spans.model, value: fallbackModel }]),
  ].map(({ span, value }) => {
    if (span === null) throw new TypeError('the body has no value to replace');
    return { ...span, bytes: Buffer.from(JSON.stringify(value)) };
  });
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, bytes } of changes.sort((a, b) => a.start - b.start)) {
    pieces.push(raw.subarray(at, start), bytes);
    at = end;
  }
  return [...pieces, raw.subarray(at)];
}

/** The client's timer started before its request arrived. */
const TRANSIT_MS = 250;

/** The SDKs send their timeout in whole seconds. When it has passed, they only close the connection. */
function hasTimedOut({ request, startedMs, observation }: GatewayAttempt): boolean {
  const seconds = Number(request.headers.get('x-stainless-timeout') ?? Number.NaN);
  return request.isAborted && observation.clock.monotonicMs() - startedMs >= seconds * 1_000 - TRANSIT_MS;
}

function waitForRetry(attempt: GatewayAttempt, askedMs: number | null): void {
  const { call, retries, fingerprint, sentBefore } = attempt;
  if (fingerprint !== null) retries.wait(fingerprint(), call, { askedMs, sent: sentBefore + 1 });
}
