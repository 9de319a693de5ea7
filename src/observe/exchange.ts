import type { GuardedRequest, Rejection, RetryDecision, RetryPolicy } from '../vocabulary.ts';
import { admitted } from './admission.ts';
import { limiters } from './limiters.ts';
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
  headers(answer: A): Pick<Headers, 'get'>;
  /** Reads along in the body of a success, and ends the call when it is over. */
  follow(exchange: E, answer: A): void;
  /** The parsed body of a refusal; `null` where it cannot be had in time. */
  refusalBody(exchange: E, answer: A): Promise<unknown>;
  /** Will the request be sent again after this refusal? */
  retriesAnswer(exchange: E, answer: A): boolean;
  /** May a retry policy say whether and when? */
  isSteerable(exchange: E, answer: A): boolean;
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
    if (observation.guards.length > 0) await admitted(observation, call, way.guarded(exchange));
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
  exchange.call.answered(answer.status, limiters(way.headers(answer)));
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
      : rejected.then((rejection) => judged(exchange, { policy: asked, answer, rejection }));
  call.refused({ status, limiters: limiters(headers), verdict });
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
    call.failed('cancelled');
    return call.end('cancelled');
  }
  const status = way.failedAs(exchange, error);
  call.failed(status);
  if (!way.retriesFailure(exchange, error)) return call.end(status);
  informed(observation, (policy) => policy.retriedUnasked());
  way.wait(exchange);
}

/** What is known of an answer before its body. `headers` of a refusal are replaced where a retry policy has a say in them. */
export interface AnswerHead {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
}

/** Says on a refusal why the policy ended the call with it, for whoever reads the headers of the SDK's error. */
const DENIED_HEADER = 'plimsoll-retry-denied';

/** A refusal that the SDK would retry, and who is to decide on it. */
export interface Appeal {
  readonly policy: RetryPolicy;
  /** Its `headers` are replaced. */
  readonly answer: AnswerHead;
  readonly rejection: Rejection;
}

/** Asks the policy, and tells the SDK what it said. A policy that throws is counted, and the SDK does as it would alone. */
export function judged(
  { call, observation }: { readonly call: LiveCall; readonly observation: Observation },
  { policy, answer, rejection }: Appeal,
): Verdict {
  const { status, headers } = answer;
  try {
    const decision = policy.decide({ call, status, headers, rejection, elapsedMs: call.elapsedMs });
    steer(answer, decision);
    if (!decision.retry) return { rejection, denied: decision.reason, isLast: true };
    if (decision.model !== undefined) call.fallbackModel = decision.model;
  } catch (error) {
    observation.onError('retry', error);
  }
  return { rejection, denied: null, isLast: false };
}

/**
 * Puts a decision where the SDK's own loop reads it: in the headers of this answer. What the server said stays
 * beside it, so the error that the SDK throws still shows its `retry-after`.
 */
function steer(answer: AnswerHead, decision: RetryDecision): void {
  // The headers of a fetched response cannot be changed.
  const headers = new Headers(answer.headers);
  headers.set('x-should-retry', String(decision.retry));
  // The SDK takes 0 for "not said".
  if (decision.retry) headers.set('retry-after-ms', String(Math.max(1, Math.ceil(decision.waitMs))));
  else headers.set(DENIED_HEADER, decision.reason);
  Object.defineProperty(answer, 'headers', { value: headers, configurable: true });
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
