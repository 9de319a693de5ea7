import type { Middleware, MiddlewareContext } from '@anthropic-ai/sdk';
import type { GuardedRequest } from '../decisions.ts';
import { allowedBody } from './admission.ts';
import { sendObserved, type Exchange, type Transport } from './exchange.ts';
import { LiveCall, type CallRequest, type Observation } from './live-call.ts';
import { operation } from './operation.ts';
import { followResponse } from './response.ts';
import { refusalBody, replaceHeaders, whenRead } from './sdk-response.ts';
import { RetryWaits, isStreamBody, isTimeout, retriesFailure, retriesResponse } from './sdk-retry.ts';
import { isJson } from './usage.ts';

/** The settings of the client that its retry loop goes by, read at every attempt because they can change. */
export interface ObservedClient {
  readonly maxRetries: number;
  readonly apiKey: string | null;
  readonly authToken: string | null;
  readonly baseURL: string;
}

/**
 * Makes the SDK middleware that observes. The SDK runs it once per attempt, inside its retry loop; it passes on the request
 * and the response as they are, and its own errors are counted and swallowed. Requests without SDK options (the SDK's own
 * token exchanges) are not counted.
 */
export function observe(observation: Observation, client: ObservedClient): Middleware {
  const waits = new RetryWaits();
  return function observe(request, next, ctx) {
    const { options } = ctx;
    if (options === undefined) return next(request);
    const exchange = begin({ observation, waits, client, request, options, next });
    return exchange === null ? next(request) : sendObserved(exchange, SDK_TRANSPORT);
  };
}

/** One attempt of the SDK's. */
interface SdkExchange extends Exchange {
  readonly waits: RetryWaits;
  readonly client: ObservedClient;
  readonly request: SdkRequest;
  readonly options: SdkOptions;
  readonly next: SdkNext;
}

function begin(attempt: Omit<SdkExchange, 'call'>): SdkExchange | null {
  const { observation, options, request, waits } = attempt;
  try {
    const count = request.headers.get('x-stainless-retry-count');
    const resumed = waits.resume(options, count === null ? null : Number(count));
    resumed?.retry();
    return { ...attempt, call: resumed ?? new LiveCall(observation, callRequest(options, attempt.client)) };
  } catch (error) {
    observation.onError('middleware', error);
    return null;
  }
}

function callRequest(options: SdkOptions, { baseURL }: ObservedClient): CallRequest {
  const body = isJson(options.body) ? options.body : null;
  const model = body?.['model'];
  const maxTokens = body?.['max_tokens'];
  return {
    operation: operation(options.method, options.path, options.stream === true),
    model: typeof model === 'string' ? model : null,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
    body,
    baseUrl: withoutCredentials(baseURL),
    sdkSpan: sdkSpan(options),
  };
}

/** A base URL may hold a user's password: that goes no further. */
function withoutCredentials(baseUrl: string): string {
  if (!baseUrl.includes('@')) return baseUrl;
  const url = URL.parse(baseUrl);
  return url === null ? '' : `${url.origin}${url.pathname}`;
}

/** The SDK: its retry rules are known, and its options are the same object for all attempts of a call. */
const SDK_TRANSPORT: Transport<SdkExchange, Response> = {
  guardedRequest: ({ request, options }) => guardedRequest(request, options),
  send: ({ next, request, call }) => next(allowedRequest(request, call)),
  headers: ({ headers }) => headers,
  follow({ call, observation, options }, response) {
    followResponse({ call, observation, path: options.path }, response);
  },
  refusalBody: (_exchange, response, fate) => refusalBody(response, fate),
  retriesRefusal: (exchange, { status, headers }) =>
    retriesResponse({ status, headers, refreshable: isRefreshable(exchange) }, triesLeft(exchange)),
  /** The SDK refreshes its token after a 401 without looking at the headers. */
  isSteerable: (exchange, { status }) => !(status === 401 && isRefreshable(exchange)),
  steer: replaceHeaders,
  handBack({ call, options, waits }, response, goesOn) {
    if (goesOn) waits.add(options, call, options.signal);
    whenRead(response, call, () => {
      if (goesOn) waits.resume(options, call.attempts)?.end(null);
    });
  },
  isCancelled: ({ options }) => options.signal?.aborted === true,
  failureOf: (_exchange, error) => (isTimeout(error) ? 'timeout' : 'connection_error'),
  retriesFailure: (exchange, error) =>
    triesLeft(exchange) > 0 && retriesFailure(error, (exchange.options.middleware?.length ?? 0) > 0),
  wait({ call, options, waits }) {
    waits.add(options, call, options.signal);
  },
};

function isRefreshable({ client }: SdkExchange): boolean {
  const { apiKey, authToken } = client;
  return apiKey === null && authToken === null;
}

function triesLeft({ call, client, options }: SdkExchange): number {
  if (isStreamBody(options.body)) return 0;
  return (options.maxRetries ?? client.maxRetries) - (call.attempts - 1);
}

function guardedRequest(request: SdkRequest, options: SdkOptions): GuardedRequest {
  return {
    body: isJson(options.body) ? options.body : null,
    bodyLength: typeof request.body === 'string' ? request.body.length : 0,
  };
}

/** The request as it may be sent: with the `max_tokens` of a guard and the model of a retry policy, where they set one. */
function allowedRequest(request: SdkRequest, call: LiveCall): SdkRequest {
  const isChanged = call.admittedMaxTokens !== null || call.fallbackModel !== null;
  if (!isChanged || typeof request.body !== 'string') return request;
  return { ...request, body: allowedBody(request.body, call) };
}

/** The request as the SDK gives it to a middleware. */
type SdkRequest = Parameters<Middleware>[0];

/** Passes a request on towards the wire. */
type SdkNext = Parameters<Middleware>[1];

/** The SDK's options of a call: the same object for all attempts of it. */
type SdkOptions = NonNullable<MiddlewareContext['options']>;

/** The SDK's own span of a call. The one private field of the SDK's that is read: a contract test holds it. */
function sdkSpan(options: SdkOptions): unknown {
  return (options as { readonly __span?: { readonly span?: unknown } }).__span?.span;
}
