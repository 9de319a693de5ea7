import { setImmediate } from 'node:timers/promises';
import type { Middleware } from '@anthropic-ai/sdk';
import { followAnswer } from './answer.ts';
import { limiters } from './limiters.ts';
import { admitted, asAllowed, guardedRequest } from './admission.ts';
import { LiveCall, type CallRequest, type Observation, type Verdict } from './live-call.ts';
import { operation } from './operation.ts';
import { refusalBody } from './refusal-body.ts';
import { rejection } from './rejection.ts';
import { informed, judged } from './retry-verdict.ts';
import { RetryWaits } from './retry-waits.ts';
import { sdkSpan, type SdkOptions, type SdkRequest } from './sdk-exchange.ts';
import { isStreamBody, isTimeout, retriesAnswer, retriesFailure, type Answer } from './sdk-retry.ts';
import { isJson } from './usage.ts';

/** The settings of the client that its retry loop goes by, read at every attempt because they can be changed. */
export interface ObservedClient {
  readonly maxRetries: number;
  readonly apiKey: string | null;
  readonly authToken: string | null;
  readonly baseURL: string;
}

/**
 * The SDK middleware that observes. The SDK runs it once per attempt, inside its retry loop; it hands on the request
 * and the response as they are, and what fails in it is counted and swallowed. Requests without SDK options (token
 * exchanges of the SDK's own) are not counted.
 */
export function observe(observation: Observation, client: () => ObservedClient): Middleware {
  const waits = new RetryWaits();
  return async function observe(request, next, ctx) {
    const { options } = ctx;
    if (options === undefined) return next(request);
    const exchange = begin({ observation, waits, client, request, options });
    if (exchange === null) return next(request);
    const { call } = exchange;
    if (call.attempts === 1) {
      if (observation.guards.length > 0) await admitted(observation, call, guardedRequest(request, options));
      informed(observation, (policy) => policy.began());
    }
    let response: Response;
    try {
      response = await next(asAllowed(request, call));
    } catch (error) {
      guard(exchange, () => failed(exchange, error));
      throw error;
    }
    const steered = guard(exchange, () => answered(exchange, response));
    if (steered !== undefined) await steered;
    return response;
  };
}

/** One attempt, while it is under way. */
interface Exchange {
  readonly observation: Observation;
  readonly waits: RetryWaits;
  readonly client: () => ObservedClient;
  readonly request: SdkRequest;
  readonly options: SdkOptions;
  readonly call: LiveCall;
}

function begin(attempt: Omit<Exchange, 'call'>): Exchange | null {
  const { observation, options, request, waits } = attempt;
  try {
    const count = request.headers.get('x-stainless-retry-count');
    const resumed = waits.resume(options, count === null ? null : Number(count));
    resumed?.retry();
    return { ...attempt, call: resumed ?? new LiveCall(observation, callRequest(options, attempt.client())) };
  } catch (error) {
    observation.onError('middleware', error);
    return null;
  }
}

function guard<T>({ observation, call }: Exchange, step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    observation.onError('middleware', error);
    call.end(null);
    return undefined;
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

/** What has to be waited for before the SDK may see the response: what a retry policy says of a refusal. */
function answered(exchange: Exchange, response: Response): Promise<void> | undefined {
  const { call, observation } = exchange;
  if (!response.ok) return refused(exchange, response);
  call.answered(response.status, limiters(response.headers));
  followAnswer({ call, observation, path: exchange.options.path }, response);
  return undefined;
}

function refused(exchange: Exchange, response: Response): Promise<void> | undefined {
  const { call, observation } = exchange;
  const { status, headers } = response;
  const goesOn = retriesAnswer(answerOf(exchange, response), triesLeft(exchange));
  const asked = goesOn && isSteerable(exchange, response) ? observation.retry : undefined;
  const rejected = refusalBody(response).then((body) => rejection({ status, headers, body }));
  const verdict: Promise<Verdict> =
    asked === undefined
      ? rejected.then((rejection) => ({ rejection, denied: null, isLast: !goesOn }))
      : rejected.then((rejection) => judged(exchange, { policy: asked, response, rejection }));
  call.refused({ status, limiters: limiters(headers), verdict });
  if (asked === undefined) return followRefusal(exchange, response, goesOn);
  return verdict
    .then(({ isLast }) => followRefusal(exchange, response, !isLast))
    .catch((error: unknown) => observation.onError('retry', error));
}

function answerOf({ client }: Exchange, { status, headers }: Response): Answer {
  const { apiKey, authToken } = client();
  return { status, headers, refreshable: apiKey === null && authToken === null };
}

/** The SDK refreshes its token after a 401 without looking at the headers. */
function isSteerable(exchange: Exchange, response: Response): boolean {
  const { status, refreshable } = answerOf(exchange, response);
  return !(status === 401 && refreshable);
}

function followRefusal({ call, options, waits }: Exchange, response: Response, goesOn: boolean): undefined {
  if (goesOn) waits.add(options, call, options.signal);
  whenRead(response, call, () => {
    if (goesOn) waits.resume(options, call.attempts)?.end(null);
  });
}

/**
 * The SDK cancels the body of a refusal that it retries and reads that of one that it reports: then it is the last.
 * Once it has read it, it ends its span, so the reason, which is read at the same time, is told first. That is a matter
 * of microtasks; it is not waited for beyond them.
 */
function whenRead(response: Response, call: LiveCall, reported: () => void): void {
  const read = response.text;
  const text = async function text(this: Response): Promise<string> {
    reported();
    try {
      return await read.call(this);
    } finally {
      await Promise.race([call.told, setImmediate()]);
    }
  };
  Object.assign(response, { text });
}

function failed(exchange: Exchange, error: unknown): void {
  const { call, observation, options, waits } = exchange;
  if (options.signal?.aborted === true) {
    call.failed('cancelled');
    return call.end('cancelled');
  }
  const status = isTimeout(error) ? 'timeout' : 'connection_error';
  call.failed(status);
  const goesOn = triesLeft(exchange) > 0 && retriesFailure(error, (options.middleware?.length ?? 0) > 0);
  if (!goesOn) return call.end(status);
  informed(observation, (policy) => policy.retriedUnasked());
  waits.add(options, call, options.signal);
}

function triesLeft({ call, client, options }: Exchange): number {
  if (isStreamBody(options.body)) return 0;
  return (options.maxRetries ?? client().maxRetries) - (call.attempts - 1);
}
