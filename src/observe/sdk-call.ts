import type { Middleware, MiddlewareContext } from '@anthropic-ai/sdk';
import { allowedRequest, passingRefusals } from './admission.ts';
import { hideFromFetch, sendObserved, type Exchange, type Transport } from './exchange.ts';
import { LiveCall } from './live-call.ts';
import type { Observation } from './observation.ts';
import { MiddlewareRound } from './middleware.ts';
import { endpointOf, type Platform } from '../platform.ts';
import { callDetails, guardedRequest, operation, withoutCredentials, type CallRequest } from './operation.ts';
import { followResponse } from './response.ts';
import { isHeld, refusalBody, replaceHeaders, whenRead } from './sdk-response.ts';
import { RetryWaits, failureOf, isStreamBody, retriesFailure, retriesResponse } from './sdk-retry.ts';
import { isJson } from './usage.ts';

/** The settings of the client that its retry loop goes by, read at every attempt because they can change. */
export interface ObservedClient {
  readonly maxRetries: number;
  readonly apiKey: string | null;
  readonly authToken: string | null;
  readonly baseURL: string;
}

/**
 * The two methods of an SDK client at which its calls are observed. The SDK's retry loop calls `fetchWithTimeout` each time
 * that it sends a call, around all middleware; what `backendMiddleware` gives stands innermost, next to the wire. A
 * contract test holds both.
 */
export interface Seams {
  readonly fetchWithTimeout: (this: SdkClient, ...given: FetchArguments) => Promise<Response>;
  readonly backendMiddleware: (this: SdkClient) => readonly Middleware[];
}

type SdkClient = ObservedClient & Pick<Seams, 'backendMiddleware'> & { readonly middleware: readonly unknown[] };

type FetchArguments = [
  url: string,
  init: RequestInit,
  timeoutMs: number,
  controller: AbortController,
  options?: SdkOptions,
  ...more: unknown[],
];

/** The seams of a client as plimsoll puts them in place of its own. */
interface ObservedSeams extends Seams {
  /** Set to `false`, they do what the client's own do, for whoever has kept them. */
  isOn: boolean;
}

/**
 * Makes the observed forms of a client's seams. They pass on requests, responses and errors as they are; their own errors
 * are counted and swallowed. Nothing is put into a chain of middleware that the client does not have, because the SDK
 * throws other errors where there is one. Requests without SDK options (those of the SDK's own) are not counted.
 */
export function observedSeams(observation: Observation, plain: Seams, platform: Platform): ObservedSeams {
  const common: Common = { observation, platform, plain, waits: new RetryWaits(), chain: new InnerChain() };
  const { chain } = common;
  const seams: ObservedSeams = {
    isOn: true,
    fetchWithTimeout(...given) {
      const exchange = given[4] === undefined || !seams.isOn ? null : begin(common, this, given);
      if (exchange === null) return plain.fetchWithTimeout.apply(this, given);
      if (exchange.round !== null) return exchange.round.send(SDK_TRANSPORT);
      const sent = sendObserved(exchange, SDK_TRANSPORT);
      return exchange.isAdmitted ? sent : passingRefusals(sent);
    },
    backendMiddleware() {
      const backend = plain.backendMiddleware.call(this);
      const isAsIs = chain.sending === null ? !chain.hasLate : chain.sending.round === null && backend.length === 0;
      return isAsIs ? backend : chain.around(backend);
    },
  };
  return seams;
}

/** What stands innermost in the chains of a client's calls, around the middleware of its backend. */
class InnerChain {
  /** The errors that `fetch` has thrown. */
  readonly ofFetch = new WeakSet();
  /** Set while the SDK puts the chain of a request together, which it does before its first `await`. */
  sending: SdkExchange | null = null;
  /** Those whose chain is put together later, by the `fetchWithTimeout` of a subclass. */
  readonly #late = new Map<SdkOptions, SdkExchange>();

  around(backend: readonly Middleware[]): readonly Middleware[] {
    const { sending } = this;
    if (sending === null) return [this.#joinLate, ...backend, this.#markErrors];
    sending.hasMiddleware = true;
    const { round } = sending;
    if (round === null) return [...backend, this.#markErrors];
    round.isJoined = true;
    return [round.innermost, ...backend, this.#markErrors];
  }

  get hasLate(): boolean {
    return this.#late.size > 0;
  }

  joinLater(exchange: SdkExchange, sent: Promise<Response>): Promise<Response> {
    this.#late.set(exchange.options, exchange);
    return sent.finally(() => this.#late.delete(exchange.options));
  }

  readonly #joinLate: Middleware = (request, next, ctx) => {
    const late = ctx.options === undefined ? undefined : this.#late.get(ctx.options);
    return late?.round ? late.round.innermost(request, next, ctx) : next(request);
  };

  readonly #markErrors: Middleware = async (request, next) => {
    try {
      return await next(request);
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.ofFetch.add(error);
      throw error;
    }
  };
}

/** Sends through the client's own method, as it would have been called. */
function send(exchange: SdkExchange): Promise<Response> {
  const { common, given, init, call, round } = exchange;
  const { chain } = common;
  const controller = given[3];
  exchange.isAdmitted = true;
  // A guard may have taken its time: the SDK listens to the signal only from here on. One that was aborted before is none
  // to the SDK, which never hears of it.
  if (!exchange.wasAborted && init.signal?.aborted === true) controller.abort();
  const isChanged = call.admittedMaxTokens !== null || call.fallbackModel !== null;
  const request = round === null && isChanged ? allowedRequest(init, call) : init;
  // The SDK hides the header from middleware: the first attempt that it makes of a round has it.
  nameAttempt(request, call, round === null ? call.attempts - 1 : call.attempts);
  hideFromFetch(controller.signal);
  chain.sending = exchange;
  let sent: Promise<Response>;
  try {
    sent = common.plain.fetchWithTimeout.apply(exchange.client, withRequest(given, request));
  } finally {
    chain.sending = null;
  }
  return round === null || round.isJoined ? sent : chain.joinLater(exchange, sent);
}

function withRequest(given: FetchArguments, request: RequestInit): FetchArguments {
  if (request === given[1]) return given;
  const [url, , ...more] = given;
  return [url, request, ...more];
}

/** What all calls of a client share. */
interface Common {
  readonly observation: Observation;
  readonly waits: RetryWaits;
  readonly chain: InnerChain;
  readonly plain: Seams;
  readonly platform: Platform;
}

/** One time that the SDK sends a call: an attempt, or a round through middleware of the program's. */
class SdkExchange implements Exchange {
  readonly observation: Observation;
  readonly common: Common;
  readonly client: SdkClient;
  readonly given: FetchArguments;
  readonly init: RequestInit;
  readonly options: SdkOptions;
  readonly call: LiveCall;
  /** The signal of the request, such as one in the client's `fetchOptions`, had been aborted when the SDK began to send. */
  readonly wasAborted: boolean;
  /** How often the SDK has sent the call before. */
  readonly retryCount: number;
  readonly isAround: boolean;
  /** The client has middleware, if only that of a backend. */
  hasMiddleware: boolean;
  round: MiddlewareRound<SdkExchange> | null = null;
  /** No guard can refuse it any more. */
  isAdmitted = false;

  constructor(common: Common, client: SdkClient, given: FetchArguments) {
    const init = given[1];
    const options = given[4] as SdkOptions; // without them it is no call
    const resumed = common.waits.has(options) ? common.waits.resume(options, retryCountOf(init)) : undefined;
    this.observation = common.observation;
    this.common = common;
    this.client = client;
    this.given = given;
    this.init = init;
    this.options = options;
    this.wasAborted = init.signal?.aborted === true;
    this.retryCount = resumed?.retryCount ?? 0;
    this.isAround = client.middleware.length > 0 || (options.middleware?.length ?? 0) > 0;
    this.hasMiddleware = this.isAround;
    this.call = resumed?.call ?? new LiveCall(common.observation, callRequest(this));
    if (this.isAround) this.round = roundOf(this, resumed === undefined);
    else if (resumed !== undefined) this.call.retry();
  }
}

function begin(common: Common, client: SdkClient, given: FetchArguments): SdkExchange | null {
  try {
    return new SdkExchange(common, client, given);
  } catch (error) {
    common.observation.onError('middleware', error);
    return null;
  }
}

/** `null` where the user took the header away. */
function retryCountOf({ headers }: RequestInit): number | null {
  const count = headers instanceof Headers ? headers.get('x-stainless-retry-count') : null;
  return count === null ? null : Number(count);
}

function roundOf(exchange: SdkExchange, isFirst: boolean): MiddlewareRound<SdkExchange> {
  const { call, options, observation } = exchange;
  if (isFirst) call.attempts = 0;
  return new MiddlewareRound(exchange, {
    path: options.path,
    another() {
      const other = new LiveCall(observation, callRequest(exchange));
      other.attempts = 0;
      return { ...exchange, call: other };
    },
    guarded: (request) => guardedRequest(request, options, exchange.init.body),
    allowed: allowedRequest,
    isCancelled: () => options.signal?.aborted === true,
    isOfConnection: (error) => isOfConnection(exchange, error),
  });
}

/** The alias of keys that a call or a copy of a client brings, and that the program has given no name. */
export const UNNAMED_KEY = 'unnamed';

const KEY_HEADERS: ReadonlySet<string> = new Set(['authorization', 'x-api-key']);

/** The headers of one call may bring a key, and the SDK may have put them together already. */
function hasOwnKey({ options: { headers }, init, client: { apiKey, authToken } }: Sending): boolean {
  if (typeof headers !== 'object' || headers === null || !(init.headers instanceof Headers)) return false;
  const { values } = headers as { readonly values?: unknown };
  const given: object = values instanceof Headers ? values : headers;
  const own = apiKey ?? authToken;
  for (const name of given instanceof Headers ? given.keys() : Object.keys(given)) {
    const sent = KEY_HEADERS.has(name.toLowerCase()) ? init.headers.get(name) : null;
    if (sent !== null && sent !== own && sent !== `Bearer ${own}`) return true;
  }
  return false;
}

type Sending = Pick<SdkExchange, 'common' | 'client' | 'given' | 'init' | 'options'>;

function callRequest(sending: Sending): CallRequest {
  const { options, client, common, given } = sending;
  const { baseURL } = client;
  const body = isJson(options.body) ? options.body : null;
  const model = body?.['model'];
  const maxTokens = body?.['max_tokens'];
  const sdkSpan = (options as TracedOptions).__span?.span;
  return {
    operation: operation(options.method, options.path, options.stream === true),
    model: typeof model === 'string' ? model : null,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
    body,
    key: options.headers !== undefined && hasOwnKey(sending) ? UNNAMED_KEY : undefined,
    baseUrl: baseURL.includes('@') ? withoutCredentials(baseURL) : baseURL,
    endpointOf: common.platform === 'anthropic' ? undefined : (asked) => endpointOf(common.platform, client, asked),
    signal: options.signal ? new WeakRef(options.signal) : null,
    timeoutMs: given[2],
    sdkSpan,
    details: sdkSpan === undefined ? callDetails(body, options.openTelemetry?.conversationId) : undefined,
  };
}

/** The SDK: its retry rules are known, and its options are the same object each time that it sends a call. */
const SDK_TRANSPORT: Transport<SdkExchange, Response> = {
  guardedRequest: ({ init, options }) => guardedRequest(init, options),
  send,
  headers: ({ headers }) => headers,
  follow({ call, observation, options }, response, headers) {
    followResponse({ call, observation, path: options.path }, response, headers);
  },
  refusalBody: ({ round }, response, fate) =>
    round === null ? refusalBody(response, fate) : round.refusalBody(response, fate),
  /** A refusal whose body is locked already cannot be given up: the SDK throws at it in place of sending again. */
  retriesRefusal: (exchange, response) => {
    const { status, headers } = response;
    return (
      !isHeld(response) &&
      retriesResponse({ status, headers, refreshable: isRefreshable(exchange) }, triesLeft(exchange))
    );
  },
  /** The SDK refreshes its token after a 401 without looking at the headers. */
  isSteerable: (exchange, { status }) => exchange.call.attempts > 0 && !(status === 401 && isRefreshable(exchange)),
  steer: replaceHeaders,
  handBack(exchange, response, goesOn) {
    const { call, options, common, retryCount } = exchange;
    if (goesOn) wait(exchange);
    whenRead(response, call, () => {
      if (goesOn) common.waits.resume(options, retryCount + 1)?.call.end(null);
    });
  },
  isCancelled: ({ options }) => options.signal?.aborted === true,
  failureOf: (_exchange, error) => failureOf(error),
  retriesFailure: (exchange, error) => triesLeft(exchange) > 0 && isOfConnection(exchange, error),
  wait,
};

function wait({ call, options, common, retryCount }: SdkExchange): void {
  common.waits.add(options, { call, retryCount: retryCount + 1 }, options.signal);
}

/** Does the SDK take the error for one of a connection? Without middleware, it takes every error for one. */
function isOfConnection({ hasMiddleware, common, client }: SdkExchange, error: unknown): boolean {
  return retriesFailure(error, { hasMiddleware, ofFetch: common.chain.ofFetch, client });
}

function isRefreshable({ client }: SdkExchange): boolean {
  const { apiKey, authToken } = client;
  return apiKey === null && authToken === null;
}

function triesLeft({ client, options, retryCount }: SdkExchange): number {
  if (isStreamBody(options.body)) return 0;
  return (options.maxRetries ?? client.maxRetries) - retryCount;
}

/**
 * Names the attempt's span as the parent of what the API does, where the SDK names the call's. Changes the headers that the SDK
 * made for this attempt: copying them costs more than all metrics.
 */
function nameAttempt({ headers }: RequestInit, call: LiveCall, index: number): void {
  const sent = call.sdkSpan !== undefined && headers instanceof Headers ? headers.get(TRACEPARENT) : null;
  const traceparent = sent === null ? null : call.traceparent(sent, index);
  if (traceparent !== null && headers instanceof Headers) headers.set(TRACEPARENT, traceparent);
}

const TRACEPARENT = 'traceparent';

/** The SDK's options of a call: the same object each time that it is sent. */
type SdkOptions = NonNullable<MiddlewareContext['options']>;

/** The SDK's own span of a call. The one private field of the SDK's that is read: a contract test holds it. */
interface TracedOptions {
  readonly __span?: { readonly span?: unknown };
}
