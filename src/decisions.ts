/**
 * The parts that may decide about a call, as types: a guard refuses it, a spend guard also holds money for it, and a
 * retry policy says whether it is tried again. Everything else only watches.
 */

import type { Call, CallRecorder, Recorder, Rejection, RetryDenial } from './vocabulary.ts';

/** A request before it is sent, for guards. It belongs to the caller: read it, and do not keep it. */
export interface GuardedRequest {
  /** The body as the caller gave it, before it is encoded; `null` where it is not an object. */
  readonly body: Readonly<Record<string, unknown>> | null;
  /** Length of the encoded body, in characters; 0 where there is none. */
  readonly bodyLength: number;
}

/** The request that a guard lets through: as it is (`undefined`), or with another `max_tokens`. */
export type Admission = { readonly maxTokens: number } | undefined;

/**
 * May refuse a call, because the user asked for it: the only thing of plimsoll's that can. Asked once per call, before
 * its first request is sent and after `started`; a refused call ends as `blocked`.
 * A guard refuses by throwing (or rejecting with) an error that is marked by `REFUSAL`; any other error of a guard's is
 * counted and the call goes on. A promise is waited for: one that is slow delays the call.
 */
export interface Guard {
  admit(call: Call, request: GuardedRequest): Admission | Promise<Admission>;
}

/** A guard that holds something for each call before it is sent and settles it at the end, as budgets do. */
export interface SpendGuard extends Recorder {
  started(call: Call): CallSpend;
}

/** The hold of a `SpendGuard` for one call. */
export interface CallSpend extends CallRecorder {
  /** Decides as a `Guard` does, after all of them. Asked before each request is sent, those that are sent again included. */
  admit(request: GuardedRequest): Admission | Promise<Admission>;
}

/** Marks errors that are refusals: `error[REFUSAL] === true`. The same in every copy of the package. */
export const REFUSAL = Symbol.for('plimsoll.refusal');

/** A refusal that the SDK would try again. It is to be read, and not kept. */
export interface RefusedAttempt {
  /** `attempts` counts the refused one. */
  readonly call: Call;
  readonly status: number;
  readonly headers: Headers;
  readonly rejection: Rejection;
  /** From the start of the call to now, waits included. */
  readonly elapsedMs: number;
}

/** The decision on a refused request: sent again or not, after how long, and for which model where it is another. */
export type RetryDecision =
  | { readonly retry: true; readonly waitMs: number; readonly model?: string }
  | { readonly retry: false; readonly reason: RetryDenial };

/**
 * Decides whether and when a refused request is sent again; who asks does the sending and the waiting. Only asked while
 * there are tries left. None of its methods may wait.
 */
export interface RetryPolicy {
  /** Tries of a call where its caller does not say how many, the first included. */
  readonly attempts: number;
  /** The first request of a call is about to be sent. */
  began(): void;
  decide(refused: RefusedAttempt): RetryDecision;
  /** A request is sent again without having been decided: after a timeout or a connection error. */
  retriedUnasked(): void;
}
