import { setImmediate } from 'node:timers/promises';
import type { Middleware } from '@anthropic-ai/sdk';
import { followAnswer } from './answer.ts';
import { limiters } from './limiters.ts';
import { admitted, guardedRequest, withMaxTokens } from './admission.ts';
import { LiveCall, type CallRequest, type Observation } from './live-call.ts';
import { operation } from './operation.ts';
import { refusalBody } from './refusal-body.ts';
import { rejection } from './rejection.ts';
import { RetryWaits } from './retry-waits.ts';
import { sdkSpan, type SdkOptions, type SdkRequest } from './sdk-exchange.ts';
import { isStreamBody, isTimeout, retriesAnswer, retriesFailure } from './sdk-retry.ts';
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
    if (call.attempts === 1 && observation.guards.length > 0)
      await admitted(observation, call, guardedRequest(request, options));
    let response: Response;
    try {
      response = await next(call.admittedMaxTokens === null ? request : withMaxTokens(request, call.admittedMaxTokens));
    } catch (error) {
      guard(exchange, () => failed(exchange, error));
      throw error;
    }
    guard(exchange, () => answered(exchange, response));
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

function guard({ observation, call }: Exchange, step: () => void): void {
  try {
    step();
  } catch (error) {
    observation.onError('middleware', error);
    call.end(null);
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
    baseUrl: baseURL,
    sdkSpan: sdkSpan(options),
  };
}

function answered(exchange: Exchange, response: Response): void {
  const { call, observation } = exchange;
  if (!response.ok) return refused(exchange, response);
  call.answered(response.status, limiters(response.headers));
  followAnswer({ call, observation }, response);
}

function refused(exchange: Exchange, response: Response): void {
  const { call, client, options, waits } = exchange;
  const { status, headers } = response;
  const { apiKey, authToken } = client();
  const refreshable = apiKey === null && authToken === null;
  const goesOn = retriesAnswer({ status, headers, refreshable }, triesLeft(exchange));
  const reason = refusalBody(response).then((body) => rejection({ status, headers, body }));
  call.refused({ status, limiters: limiters(headers), reason, isLast: !goesOn });
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
  const { call, options, waits } = exchange;
  if (options.signal?.aborted === true) {
    call.failed('cancelled');
    return call.end('cancelled');
  }
  const status = isTimeout(error) ? 'timeout' : 'connection_error';
  call.failed(status);
  const goesOn = triesLeft(exchange) > 0 && retriesFailure(error, (options.middleware?.length ?? 0) > 0);
  if (goesOn) waits.add(options, call, options.signal);
  else call.end(status);
}

function triesLeft({ call, client, options }: Exchange): number {
  if (isStreamBody(options.body)) return 0;
  return (options.maxRetries ?? client().maxRetries) - (call.attempts - 1);
}
