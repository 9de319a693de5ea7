/**
 * The parts that may decide about a call, as types: a guard refuses it, a spend guard also reserves money for it, and a
 * retry policy decides whether it is tried again. Everything else only observes.
 */

import type { SeenBatch } from './answers.ts';
import type { Call, CallRecorder, Recorder, Rejection, RetryDenial } from './vocabulary.ts';

/** A request before it is sent, for guards. It belongs to the caller: read it, and do not keep it. */
export interface GuardedRequest {
  /**
   * The body as the caller passed it, before it is encoded; `null` if it is not an object. The gateway reads no more of a
   * body than `model`, `max_tokens`, `stream`, `speed`, `fallbacks`, the models in `tools`, `bill_to` of the
   * `billing_policy`, and the `requests` of a batch.
   */
  readonly body: Readonly<Record<string, unknown>> | null;
  /** Length of the encoded body, in characters; 0 if there is none. */
  readonly bodyLength: number;
}

/** How long the caller of a request waits for it. */
export interface Patience {
  /** Gives the call up; `null` if nothing does, as far as is known. */
  readonly signal: AbortSignal | null;
  /** The longest wait for an answer to one attempt; `null` where it is not known. */
  readonly timeoutMs: number | null;
}

/**
 * The request that a guard admits: unchanged (`undefined`), with another `max_tokens`, or after a wait that is not the
 * server's time.
 */
export type Admission = { readonly maxTokens: number } | { readonly waitedMs: number } | undefined;

/**
 * May refuse a call, because the user asked for it: the only part of plimsoll that can. Asked once per call, before its
 * first request is sent and after `started`; a refused call ends as `blocked`. A guard refuses by throwing (or
 * rejecting with) an error that is marked by `REFUSAL`; any other error of a guard is counted. plimsoll waits for a promise: a slow one delays the call.
 */
export interface Guard {
  /**
   * What becomes of the call if the guard fails. `open`, the default: it goes on. `closed`: it is refused with a
   * `GuardFailedError`. In the gateway every guard is `closed`.
   */
  readonly onError?: GuardFailure;
  /** Decides whether an attempt may be sent. Asked before every attempt; what it throws is treated as `onError` says. */
  admit(call: Call, request: GuardedRequest): Admission | Promise<Admission>;
}

/** A call whose guard has failed goes on, or is refused. */
export type GuardFailure = 'open' | 'closed';

/** A guard that reserves something for each call before it is sent and settles it at the end, as budgets do. */
export interface SpendGuard extends Recorder {
  /** As of a `Guard`. */
  readonly onError?: GuardFailure;
  started(call: Call): CallSpend;
}

/** The reservation of a `SpendGuard` for one call. */
export interface CallSpend extends CallRecorder {
  /** Decides as a `Guard` does, after all of them. Asked before each request is sent, those that are sent again included. */
  admit(request: GuardedRequest, patience: Patience): Admission | Promise<Admission>;
  /**
   * Comes in the gateway before `admit` is asked again: a client may call anything the next attempt of a call. What is
   * still held for the one before becomes spend.
   */
  retried?(): void;
  /** The tokens of the prompt that was admitted, by what calls like it have used; `null` where it does not know better. */
  promptTokens?(): number | null;
  /** A response showed a batch, or the call has come to the end of its results. Comes before `finished`. */
  batchSeen?(batch: SeenBatch): void;
}

/** Marks errors that are refusals: `error[REFUSAL] === true`. The same in every copy of the package. */
export const REFUSAL = Symbol.for('plimsoll.refusal');

/** A refusal that the SDK would retry. Read it, and do not keep it. */
export interface RefusedAttempt {
  /** `attempts` counts the refused one. */
  readonly call: Call;
  readonly status: number;
  readonly headers: Headers;
  readonly rejection: Rejection;
  /** From the start of the call to now, including waits. */
  readonly elapsedMs: number;
}

/**
 * The decision about a refused request: whether to send it again, after how long, and for which model if it changes.
 */
export type RetryDecision =
  | { readonly retry: true; readonly waitMs: number; readonly model?: string }
  | { readonly retry: false; readonly reason: RetryDenial };

/**
 * Decides whether and when a refused request is sent again; the caller sends and waits. Only asked while attempts are
 * left. Its methods must not wait.
 */
export interface RetryPolicy {
  /** Attempts of a call, including the first, if the caller sets no number. */
  readonly attempts: number;
  /** The first request of a call is about to be sent. */
  began(): void;
  /** Decides what to do about an attempt that was refused. What it throws is counted, and the SDK decides. */
  decide(refused: RefusedAttempt): RetryDecision;
  /** A request is sent again without a decision: after a timeout or a connection error. */
  retriedUnasked(): void;
}
