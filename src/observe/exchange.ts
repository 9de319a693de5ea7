import type { GuardedRequest, RetryDecision, RetryPolicy } from '../decisions.ts';
import type { Rejection } from '../vocabulary.ts';
import { retryAfterMs } from '../limiter.ts';
import { admit } from './admission.ts';
import { apiLimiters, readHeaders, type HeaderReader, type ReadHeaders } from './limiters.ts';
import type { LiveCall } from './live-call.ts';
import type { Observation } from './observation.ts';
import { billsAnother } from './operation.ts';
import { rejection, requestIdOf, type Verdict } from './rejection.ts';

/** The sender reports a refusal, retries it without reading it, or waits for the policy that reads it and decides. */
export type RefusalFate = 'reported' | 'retried' | 'decided';

/** One attempt of a call, while it is under way. */
export interface Exchange {
  readonly observation: Observation;
  readonly call: LiveCall;
  /** There is middleware of the program's around the attempts: what comes back here is what that made of them. */
  readonly isAround?: boolean;
}

/** A response before its body. */
export interface ResponseHead {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
}

/**
 * The sender of observed requests: the SDK in this process, or the gateway for one of its clients. Errors of its methods
 * are counted and swallowed, except those of `send`.
 */
export interface Transport<E extends Exchange, R extends ResponseHead> {
  guardedRequest(exchange: E): GuardedRequest;
  /** Sends the request as it may be sent. The attempt fails with what it rejects with. */
  send(exchange: E): Promise<R>;
  /** The headers of a success, to be read one by one. */
  headers(response: R): HeaderReader;
  /** Reads along in the body of a success, and ends the call when it is over. */
  follow(exchange: E, response: R, headers: ReadHeaders): void;
  /** The parsed body of a refusal; `null` where it cannot be had in time. Never rejects. */
  refusalBody(exchange: E, response: R, fate: RefusalFate): Promise<unknown>;
  /** Will the request be sent again after this refusal? */
  retriesRefusal(exchange: E, response: R): boolean;
  /** May the request be sent another way after this refusal? Absent where there is none. */
  mayMoveOn?(exchange: E, response: R): boolean;
  /** Sends it another way, if there is one: the call ends as `failed_over`, and its sender never sees the refusal. */
  movesOn?(exchange: E, response: R, rejection: Rejection): boolean;
  /** The same after a failure. */
  movesOnFrom?(exchange: E, error: unknown): boolean;
  /** May a retry policy say whether and when? */
  isSteerable(exchange: E, response: R): boolean;
  /** Puts the retry policy's decision into the headers of a refusal, where the sender's retry loop reads it. */
  steer(response: R, headers: RetryHeaders): void;
  /** The refusal is about to go back to its sender, which sends again where the call `goesOn`. */
  handBack(exchange: E, response: R, goesOn: boolean): void;
  /** Did the request fail because its sender gave it up? */
  isCancelled(exchange: E): boolean;
  failureOf(exchange: E, error: unknown): 'timeout' | 'connection_error';
  /** Will the request be sent again after this failure? */
  retriesFailure(exchange: E, error: unknown): boolean;
  /** The call waits for its next attempt. */
  wait(exchange: E): void;
}

/**
 * Sends a request and observes what comes of it, from the first byte to the last. Rejects with the refusal of a guard, or
 * with what `send` rejects with; errors of observing are counted and swallowed.
 */
export async function sendObserved<E extends Exchange, R extends ResponseHead>(
  exchange: E,
  transport: Transport<E, R>,
): Promise<R> {
  const { call, observation } = exchange;
  const isFirst = call.attempts === 1;
  const request = transport.guardedRequest(exchange);
  call.isBilledToAnother = billsAnother(request.body);
  const admission = needsAdmission(exchange) ? admit(exchange, request) : undefined;
  if (admission !== undefined) await admission;
  if (isFirst && observation.retry !== undefined) notify(observation, 'began');
  let response: R;
  const isGivenUp = transport.isCancelled(exchange);
  call.sending(request);
  try {
    response = await transport.send(exchange);
  } catch (error) {
    try {
      call.isUnsent = isGivenUp || isUnsent(error);
      observeFailure(exchange, transport, error);
    } catch (ownError) {
      giveUp(exchange, ownError);
    }
    throw error;
  }
  let steering: Promise<void> | undefined;
  try {
    if (response.ok) observeSuccess(exchange, transport, response);
    else steering = observeRefusal(exchange, transport, response);
  } catch (ownError) {
    giveUp(exchange, ownError);
  }
  if (steering !== undefined) await steering;
  return response;
}

/** The signals of requests that a client's own seams observe. `null` as long as there is no `fetch` that could ask. */
let signalsAbove: WeakSet<object> | null = null;

/** From now on, an observed `fetch` can tell which requests are observed above it already. */
export function listenToFetch(): void {
  signalsAbove ??= new WeakSet();
}

/** Marks a request, by its signal, as one that is observed where it begins. */
export function hideFromFetch(signal: AbortSignal): void {
  signalsAbove?.add(signal);
}

/** Tells whether the request is observed above the `fetch` that gets it: it is no call of its own there. */
export function isObservedAbove(signal: AbortSignal | null): boolean {
  return signal !== null && signalsAbove?.has(signal) === true;
}

/** Tells whether any guard is to be asked. Spend guards that are asked again learn it first. */
function needsAdmission({ call, observation }: Exchange): boolean {
  const { guards, isStrict = false } = observation;
  const isFirst = call.attempts === 1;
  if (!isFirst && isStrict) for (const spend of call.spends) spend.retried?.();
  return call.spends.length > 0 || (guards.length > 0 && (isFirst || isStrict));
}

/** The code of an error of the gateway's own for the same. */
export const UNSENT_CODE = 'PLIMSOLL_UPSTREAM_UNSENT';

/** Codes of the errors of a connection that was never made. */
const UNSENT: ReadonlySet<unknown> = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT', UNSENT_CODE],
]);

const DEEPEST_CAUSE = 8;

/** Tells by an error, or a cause of it, that the request never reached the API. */
export function isUnsent(error: unknown): boolean {
  let cause = error as { readonly code?: unknown; readonly cause?: unknown } | null | undefined;
  for (let depth = 0; typeof cause === 'object' && cause !== null && depth < DEEPEST_CAUSE; depth += 1) {
    if (UNSENT.has(cause.code)) return true;
    cause = cause.cause as typeof cause;
  }
  return false;
}

/** Counts an error of observing, and follows the call no further. */
export function giveUp({ observation, call }: Exchange, error: unknown): void {
  observation.onError('middleware', error);
  call.end(null);
}

function observeSuccess<E extends Exchange, R extends ResponseHead>(
  exchange: E,
  transport: Transport<E, R>,
  response: R,
): void {
  const headers = readHeaders(transport.headers(response));
  exchange.call.succeed(response.status, headers.limiters);
  transport.follow(exchange, response, headers);
}

const MOVED_ON = { denied: null, ends: 'failed_over' } as const;

/** Returns a promise where the response has to wait for a decision: of a retry policy, or of a transport with another way. */
export function observeRefusal<E extends Exchange, R extends ResponseHead>(
  exchange: E,
  transport: Transport<E, R>,
  response: R,
): Promise<void> | undefined {
  const { call, observation } = exchange;
  const { status, headers } = response;
  const goesOn = transport.retriesRefusal(exchange, response);
  const policy = goesOn && transport.isSteerable(exchange, response) ? observation.retry : undefined;
  const unasked = goesOn ? 'retried' : 'reported';
  const rejected = transport
    .refusalBody(exchange, response, policy === undefined ? unasked : 'decided')
    .then((body) => rejection({ status, headers, body }));
  const mayMoveOn = transport.mayMoveOn?.(exchange, response) === true;
  const verdict = rejected.then((rejection): Verdict => {
    if (mayMoveOn && transport.movesOn?.(exchange, response, rejection) === true) return { rejection, ...MOVED_ON };
    if (policy !== undefined) return decide(exchange, transport, { policy, response, rejection });
    return { rejection, denied: null, ends: goesOn ? null : rejection.outcome };
  });
  const requestId = requestIdOf(headers);
  const askedMs = call.spends.length > 0 ? retryAfterMs(headers, observation.clock.epochMs()) : null;
  const refused = { status, requestId, retryAfterMs: askedMs, verdict };
  if (exchange.isAround === true) call.refuse({ ...refused, limiters: [], begun: null });
  else call.refuse({ ...refused, limiters: apiLimiters(headers) });
  if (policy === undefined && !mayMoveOn) {
    transport.handBack(exchange, response, goesOn);
    return undefined;
  }
  return verdict
    .then(({ ends }) => transport.handBack(exchange, response, ends === null))
    .catch((error: unknown) => observation.onError('retry', error));
}

function observeFailure<E extends Exchange, R extends ResponseHead>(
  exchange: E,
  transport: Transport<E, R>,
  error: unknown,
): void {
  const { call, observation } = exchange;
  if (transport.isCancelled(exchange)) {
    call.fail('cancelled');
    return call.end('cancelled');
  }
  const status = transport.failureOf(exchange, error);
  call.fail(status);
  if (transport.movesOnFrom?.(exchange, error) === true) return call.end('failed_over');
  if (!transport.retriesFailure(exchange, error)) return call.end(status);
  // A sender that gave it up may say that it will send again, and never do: nothing waits for that with a hold.
  if (status === 'timeout' && observation.isStrict === true) for (const spend of call.spends) spend.retried?.();
  notify(observation, 'retriedUnasked');
  transport.wait(exchange);
}

/** A refusal that the sender would retry, and the policy that decides on it. */
interface SteerableRefusal<R extends ResponseHead> {
  readonly policy: RetryPolicy;
  readonly response: R;
  readonly rejection: Rejection;
}

/** Asks the policy, and passes its decision to the sender. A policy that throws is counted, and the sender does as it would alone. */
function decide<E extends Exchange, R extends ResponseHead>(
  { call, observation }: E,
  transport: Transport<E, R>,
  { policy, response, rejection }: SteerableRefusal<R>,
): Verdict {
  const { status, headers } = response;
  try {
    const decision = policy.decide({ call, status, headers, rejection, elapsedMs: call.elapsedMs });
    transport.steer(response, retryHeaders(decision));
    if (!decision.retry) return { rejection, denied: decision.reason, ends: rejection.outcome };
    if (decision.model !== undefined) call.fallbackModel = decision.model;
  } catch (error) {
    observation.onError('retry', error);
  }
  return { rejection, denied: null, ends: null };
}

/** Names and values of headers that carry a retry decision. */
export type RetryHeaders = readonly (readonly [name: string, value: string])[];

/** Says why the policy ended the call, to those who read the headers of the SDK's error. */
const DENIED_HEADER = 'plimsoll-retry-denied';

/** The decision as the SDK's retry loop reads it. The server's own `retry-after` stays beside it. */
function retryHeaders(decision: RetryDecision): RetryHeaders {
  const retry = ['x-should-retry', String(decision.retry)] as const;
  if (!decision.retry) return [retry, [DENIED_HEADER, decision.reason]];
  // The SDK takes 0 for "not said".
  return [retry, ['retry-after-ms', String(Math.max(1, Math.ceil(decision.waitMs)))]];
}

/** Tells the policy, where there is one, what the sender did; an error of the policy is counted. */
export function notify({ retry, onError }: Observation, event: 'began' | 'retriedUnasked'): void {
  try {
    retry?.[event]();
  } catch (error) {
    onError('retry', error);
  }
}
