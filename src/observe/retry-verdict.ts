import type { Rejection, RetryDecision, RetryPolicy } from '../vocabulary.ts';
import type { AnswerHead } from './answer-head.ts';
import type { LiveCall, Observation, Verdict } from './live-call.ts';

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
