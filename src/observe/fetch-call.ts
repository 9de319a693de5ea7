import { hash } from 'node:crypto';
import type { Timers } from '../clock.ts';
import { retryAfterMs } from '../limiter.ts';
import { allowedBody, GuardFailedError } from './admission.ts';
import { coverMethod } from './covers.ts';
import { ClientRetries, type RetryKey } from './client-retries.ts';
import { isObservedAbove, listenToFetch, sendObserved, type Exchange, type Transport } from './exchange.ts';
import { FetchRequest, isClaudeRequest, textOfRequest, type FetchArguments } from './fetch-request.ts';
import { LiveCall } from './live-call.ts';
import type { Observation } from './observation.ts';
import { callDetails, operation, withoutCredentials } from './operation.ts';
import { followResponse } from './response.ts';
import { refusalBody } from './sdk-response.ts';
import { failureOf, retriesResponse } from './sdk-retry.ts';
import { endpointOf, platformOf } from '../platform.ts';

/** A `fetch`, of any package. */
export type FetchFunction = (...given: never[]) => PromiseLike<unknown>;

/** One call of a `fetch`, with the `fetch` that it goes to. */
interface Sending {
  readonly fetch: FetchFunction;
  readonly self: unknown;
  readonly given: FetchArguments;
}

/** Observes what a `fetch` exchanges with the Claude API. */
export class FetchObserver {
  /** Set to `false`, nothing is observed any more. */
  isOn = true;
  readonly #observation: Observation;
  readonly #bases: readonly string[];
  readonly #retries: ClientRetries;

  /** `bases` are addresses of the API, each with a slash at its end. */
  constructor(observation: Observation, { bases, timers }: { bases: readonly string[]; timers: Timers }) {
    this.#observation = observation;
    this.#bases = bases;
    this.#retries = new ClientRetries(timers);
    listenToFetch();
  }

  /** Calls the `fetch`. A request to another API goes straight to it, and what it returns comes straight back. */
  send(sending: Sending): unknown {
    const seen = this.isOn ? this.#see(sending) : null;
    if (seen === null) return plain(sending);
    if (seen instanceof FetchRequest) return this.#sendObserved(sending, seen);
    return seen.then((text) => this.#sendObserved(sending, new FetchRequest(sending.given, text)));
  }

  /** Ends the calls that wait for another attempt. */
  end(): void {
    this.isOn = false;
    this.#retries.end();
  }

  /** The request, or the text of its `Request` that has to be read first; `null` where the request is not observed. */
  #see({ given }: Sending): FetchRequest | Promise<string | null> | null {
    try {
      if (!isClaudeRequest(given, this.#bases)) return null;
      const text = textOfRequest(given);
      if (text !== null) return text;
      const request = new FetchRequest(given);
      return isObservedAbove(request.signal) ? null : request;
    } catch (error) {
      this.#observation.onError('middleware', error);
      return null;
    }
  }

  #sendObserved(sending: Sending, request: FetchRequest): unknown {
    let exchange: FetchExchange;
    try {
      exchange = this.#begin(sending, request);
    } catch (error) {
      this.#observation.onError('middleware', error);
      return plain(sending);
    }
    return sendObserved(exchange, FETCH_TRANSPORT);
  }

  #begin(sending: Sending, request: FetchRequest): FetchExchange {
    const observation = this.#observation;
    const retries = this.#retries;
    const startedMs = observation.clock.monotonicMs();
    const number = request.header('x-stainless-retry-count');
    const attemptNumber = number === null ? null : Number(number);
    const key = keyOf(request, observation, attemptNumber !== null);
    const isRetry = !retries.isEmpty && attemptNumber !== 0;
    const resumed = isRetry && key !== null ? retries.resume(key(), attemptNumber) : undefined;
    resumed?.retry();
    const call = resumed ?? new LiveCall(observation, callRequest(request));
    return { observation, call, sending, request, retries, key, isNumbered: attemptNumber !== null, startedMs };
  }
}

function plain({ fetch, self, given }: Sending): unknown {
  return Reflect.apply(fetch, self, given);
}

function callRequest(request: FetchRequest): ConstructorParameters<typeof LiveCall>[1] {
  const { address, method } = request;
  const { body } = request.content;
  const model = body?.['model'];
  const maxTokens = body?.['max_tokens'];
  const baseURL = address.slice(0, address.indexOf('/v1/'));
  const platform = platformOf({ baseURL });
  return {
    operation: operation(method, address, body?.['stream'] === true),
    model: typeof model === 'string' ? model : null,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
    body,
    baseUrl: baseURL.includes('@') ? withoutCredentials(baseURL) : baseURL,
    signal: request.signal === null ? null : new WeakRef(request.signal),
    timeoutMs: timeoutOf(request),
    endpointOf: platform === 'anthropic' ? undefined : (asked) => endpointOf(platform, {}, asked),
    sdkSpan: undefined,
    details: callDetails(body, null),
  };
}

/** Vercel's AI SDK says so in its user agent. It sends the same text again, and counts no attempts. */
const AI_SDK = /(^|\s)ai-sdk[/-]/;

/**
 * What marks the attempts of a request's call, computed when it is needed; `null` where each attempt is a call. A client
 * that numbers its attempts, or is known to send the same text again, is known by the text; one that says that two
 * requests are the same, by what it says; any other by sending the same object again.
 */
function keyOf(request: FetchRequest, observation: Observation, isNumbered: boolean): (() => RetryKey) | null {
  const { method, address, identity } = request;
  const { text } = request.content;
  const marked = (mark: string | number): string => {
    return JSON.stringify([mark, method, address, Object.entries(observation.attribution(null))]);
  };
  const idempotencyKey = request.header('idempotency-key');
  if (idempotencyKey !== null) return () => marked(idempotencyKey);
  const isSameText = isNumbered || AI_SDK.test(request.header('user-agent') ?? '');
  if (isSameText && (text !== null || method.toUpperCase() === 'GET')) return () => marked(hash('sha256', text ?? ''));
  return identity === null ? null : () => identity;
}

/** One attempt of a call through an observed `fetch`. */
interface FetchExchange extends Exchange {
  readonly sending: Sending;
  readonly request: FetchRequest;
  readonly retries: ClientRetries;
  readonly key: (() => RetryKey) | null;
  /** The client numbers its attempts, as the SDKs do. */
  readonly isNumbered: boolean;
  readonly startedMs: number;
}

/** The AI SDK does not wait longer, whatever the API asks for. */
const MOST_PATIENT_MS = 60_000;

/** Whoever calls the `fetch`. It may have its own retry rules; it is assumed to retry as the SDKs do. */
const FETCH_TRANSPORT: Transport<FetchExchange, Response> = {
  guardedRequest: ({ request }) => request.content,
  send({ call, request, sending }) {
    const { content } = request;
    const isChanged = call.admittedMaxTokens !== null;
    const given = isChanged ? request.withText(allowedBody(content.text ?? '{}', call)) : sending.given;
    content.release();
    if (given === null) throw new GuardFailedError();
    return plain({ ...sending, given }) as Promise<Response>;
  },
  headers: ({ headers }) => headers,
  follow({ call, observation, request }, response, headers) {
    followResponse({ call, observation, path: request.address }, response, headers);
  },
  // Others than the SDKs read a refusal before they decide.
  refusalBody: ({ isNumbered }, response, fate) => refusalBody(response, isNumbered ? fate : 'reported'),
  retriesRefusal: ({ key }, { status, headers }) =>
    key !== null && retriesResponse({ status, headers, refreshable: false }, 1),
  isSteerable: () => false,
  steer: () => undefined,
  handBack(exchange, response, goesOn) {
    if (!goesOn) return;
    const { observation, isNumbered } = exchange;
    const askedMs = retryAfterMs(response.headers, observation.clock.epochMs());
    const isTooLong = !isNumbered && askedMs !== null && askedMs > MOST_PATIENT_MS;
    const endWait = wait(exchange, isTooLong ? null : askedMs);
    // The SDKs read the body of a refusal only if they report it.
    if (isNumbered) whenTextIsRead(response, endWait);
  },
  isCancelled: (exchange) => exchange.request.signal?.aborted === true && !hasTimedOut(exchange),
  failureOf: (exchange, error) => (hasTimedOut(exchange) ? 'timeout' : failureOf(error)),
  retriesFailure: ({ key }) => key !== null,
  wait: (exchange) => void wait(exchange, null),
};

function wait({ call, key, request, retries }: FetchExchange, askedMs: number | null): () => void {
  if (key === null) return () => undefined;
  return retries.wait(key(), call, { askedMs, signal: request.signal });
}

/** The SDKs tell their timeout in whole seconds. */
function timeoutOf(request: FetchRequest): number | null {
  const seconds = Number(request.header('x-stainless-timeout') ?? Number.NaN);
  return seconds > 0 ? seconds * 1_000 : null;
}

/** A signal of the SDKs is aborted by their timeout, of which they tell the whole seconds, as it is by the program. */
function hasTimedOut({ request, startedMs, observation }: FetchExchange): boolean {
  const { signal } = request;
  if (signal?.aborted !== true) return false;
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name === 'TimeoutError') return true;
  return observation.clock.monotonicMs() - startedMs >= (timeoutOf(request) ?? Infinity);
}

function whenTextIsRead(response: Response, read: () => void): void {
  const uncover = coverMethod(response, 'text', (text) => {
    return function (this: unknown, ...given) {
      uncover?.();
      read();
      return text.apply(this, given);
    };
  });
}
