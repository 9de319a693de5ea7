import type { GuardedRequest, Rejection, RetryDecision, RetryPolicy } from '../vocabulary.ts';
import { admit } from './admission.ts';
import { limiters, type HeaderReader } from './limiters.ts';
import type { LiveCall, Observation, Verdict } from './live-call.ts';
import { rejection } from './rejection.ts';

/** One attempt of a call, while it is under way. */
export interface Exchange {
  readonly observation: Observation;
  readonly call: LiveCall;
}

/**
 * What differs between those whose exchanges are observed: the SDK in this process, or a client of the gateway's. What
 * they throw is counted and swallowed, but for `send`.
 */
export interface Way<E extends Exchange, A extends AnswerHead> {
  guarded(exchange: E): GuardedRequest;
  /** Sends the request as it may be sent. What it throws is what the attempt failed with. */
  send(exchange: E): Promise<A>;
  /** The headers of a success, to be read one by one. */
  headers(answer: A): HeaderReader;
  /** Reads along in the body of a success, and ends the call when it is over. */
  follow(exchange: E, answer: A): void;
  /** The parsed body of a refusal; `null` where it cannot be had in time. */
  refusalBody(exchange: E, answer: A): Promise<unknown>;
  /** Will the request be sent again after this refusal? */
  retriesAnswer(exchange: E, answer: A): boolean;
  /** May a retry policy say whether and when? */
  isSteerable(exchange: E, answer: A): boolean;
  /** Puts the retry policy's decision into the headers of a refusal, where the sender's retry loop reads it. */
  steer(answer: A, headers: RetryHeaders): void;
  /** A refusal goes back to who asked, who sends again where it `goesOn`. */
  refused(exchange: E, answer: A, goesOn: boolean): void;
  /** Did the request fail because who asked wants it no more? */
  isCancelled(exchange: E): boolean;
  failedAs(exchange: E, error: unknown): 'timeout' | 'connection_error';
  /** Will the request be sent again after this failure? */
  retriesFailure(exchange: E, error: unknown): boolean;
  /** The call waits for its next attempt. */
  wait(exchange: E): void;
}

/**
 * Sends the request and observes what comes of it, the first bytes to the last. Rejects with the refusal of a guard, or
 * with what `send` rejects with; an error of observing is counted and swallowed.
 */
export async function exchanged<E extends Exchange, A extends AnswerHead>(exchange: E, way: Way<E, A>): Promise<A> {
  const { call, observation } = exchange;
  if (call.attempts === 1) {
    if (observation.guards.length > 0 || call.spends.length > 0) await admit(exchange, way.guarded(exchange));
    informed(observation, (policy) => policy.began());
  }
  let answer: A;
  try {
    answer = await way.send(exchange);
  } catch (error) {
    unfelt(exchange, () => failed(exchange, way, error));
    throw error;
  }
  const steered = unfelt(exchange, () => answered(exchange, way, answer));
  if (steered !== undefined) await steered;
  return answer;
}

function unfelt<T>({ observation, call }: Exchange, step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    observation.onError('middleware', error);
    call.end(null);
    return undefined;
  }
}

/** What has to be waited for before the answer may go back: what a retry policy says of a refusal. */
function answered<E extends Exchange, A extends AnswerHead>(exchange: E, way: Way<E, A>, answer: A) {
  if (!answer.ok) return refused(exchange, way, answer);
  exchange.call.succeed(answer.status, limiters(way.headers(answer)));
  way.follow(exchange, answer);
  return undefined;
}

function refused<E extends Exchange, A extends AnswerHead>(
  exchange: E,
  way: Way<E, A>,
  answer: A,
): Promise<void> | undefined {
  const { call, observation } = exchange;
  const { status, headers } = answer;
  const goesOn = way.retriesAnswer(exchange, answer);
  const asked = goesOn && way.isSteerable(exchange, answer) ? observation.retry : undefined;
  const rejected = way.refusalBody(exchange, answer).then((body) => rejection({ status, headers, body }));
  const verdict: Promise<Verdict> =
    asked === undefined
      ? rejected.then((rejection) => ({ rejection, denied: null, isLast: !goesOn }))
      : rejected.then((rejection) => judged(exchange, way, { policy: asked, answer, rejection }));
  call.refuse({ status, limiters: limiters(headers), verdict });
  if (asked === undefined) {
    way.refused(exchange, answer, goesOn);
    return undefined;
  }
  return verdict
    .then(({ isLast }) => way.refused(exchange, answer, !isLast))
    .catch((error: unknown) => observation.onError('retry', error));
}

function failed<E extends Exchange, A extends AnswerHead>(exchange: E, way: Way<E, A>, error: unknown): void {
  const { call, observation } = exchange;
  if (way.isCancelled(exchange)) {
    call.fail('cancelled');
    return call.end('cancelled');
  }
  const status = way.failedAs(exchange, error);
  call.fail(status);
  if (!way.retriesFailure(exchange, error)) return call.end(status);
  informed(observation, (policy) => policy.retriedUnasked());
  way.wait(exchange);
}

/** An answer before its body. */
export interface AnswerHead {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
}

/** A refusal that the sender would retry, and the policy that decides on it. */
interface Appeal<A extends AnswerHead> {
  readonly policy: RetryPolicy;
  readonly answer: A;
  readonly rejection: Rejection;
}

/** Asks the policy, and tells the sender what it said. A policy that throws is counted, and the sender does as it would alone. */
function judged<E extends Exchange, A extends AnswerHead>(
  { call, observation }: E,
  way: Way<E, A>,
  { policy, answer, rejection }: Appeal<A>,
): Verdict {
  const { status, headers } = answer;
  try {
    const decision = policy.decide({ call, status, headers, rejection, elapsedMs: call.elapsedMs });
    way.steer(answer, retryHeaders(decision));
    if (!decision.retry) return { rejection, denied: decision.reason, isLast: true };
    if (decision.model !== undefined) call.fallbackModel = decision.model;
  } catch (error) {
    observation.onError('retry', error);
  }
  return { rejection, denied: null, isLast: false };
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

/** Tells the policy, where there is one; what it throws is counted and not felt. */
export function informed({ retry, onError }: Observation, tell: (policy: RetryPolicy) => void): void {
  if (retry === undefined) return;
  try {
    tell(retry);
  } catch (error) {
    onError('retry', error);
  }
}
