/** What a client may do after a refusal: the SDK alone, the usual recipe, and the policy of this package. */
import { rejection } from '../src/observe/rejection.ts';
import { retryPolicy } from '../src/retry/policy.ts';
import { RetryBudget } from '../src/retry/retry-budget.ts';
import type { Call } from '../src/vocabulary.ts';

/** What the server says when it does not answer. */
export interface Refusal {
  readonly status: number;
  readonly retryAfterSeconds: number | null;
  readonly errorCode: string | null;
}

/** What is done about one. */
export interface Strategy {
  readonly name: string;
  readonly began: () => void;
  /** Milliseconds to wait before the next try; `null` to give up. `attempts` counts the refused one. */
  readonly waitMs: (refusal: Refusal, attempts: number, elapsedMs: number) => number | null;
}

/** What strategies are made from. */
export interface Surroundings {
  readonly nowMs: () => number;
  readonly random: () => number;
}

/** SDK 1.x as it comes: 3 tries, `retry-after` whatever it is, else 0.5 s and 1 s less up to a quarter. */
export function sdkDefault({ random }: Surroundings): Strategy {
  return {
    name: 'the SDK alone',
    began: () => undefined,
    waitMs: ({ retryAfterSeconds }, attempts) => {
      if (attempts >= 3) return null;
      if (retryAfterSeconds !== null) return retryAfterSeconds * 1_000;
      return Math.min(500 * 2 ** (attempts - 1), 8_000) * (1 - random() * 0.25);
    },
  };
}

/** The recipe of many articles: 4 tries, 1, 2, 4 s and up to a second more, whatever the server says. */
export function exponentialBackoff({ random }: Surroundings): Strategy {
  return {
    name: '1, 2, 4 s + up to 1 s, 4 tries',
    began: () => undefined,
    waitMs: (_refusal, attempts) => (attempts >= 4 ? null : 1_000 * 2 ** (attempts - 1) + random() * 1_000),
  };
}

/** `retryPolicy()` as it comes, with the budget of a process or without one. */
export function plimsoll({ nowMs, random }: Surroundings, budgeted: boolean): Strategy {
  const clock = { epochMs: nowMs, monotonicMs: nowMs };
  const budget = budgeted ? new RetryBudget({ clock }) : null;
  const policy = retryPolicy({ budget, clock, random });
  return {
    name: budgeted ? '`retryPolicy()`' : '`retryPolicy({ budget: null })`',
    began: () => policy.began(),
    waitMs: ({ status, retryAfterSeconds, errorCode }, attempts, elapsedMs) => {
      if (attempts >= policy.attempts) return null;
      const headers = new Headers(retryAfterSeconds === null ? {} : { 'retry-after': String(retryAfterSeconds) });
      const body = { error: errorCode === null ? {} : { details: { error_code: errorCode } } };
      const refused = { status, headers, rejection: rejection({ status, headers, body }), elapsedMs };
      const decision = policy.decide({ ...refused, call: { ...CALL, attempts } });
      return decision.retry ? decision.waitMs : null;
    },
  };
}

const CALL: Call = {
  operation: 'messages.create',
  key: 'default',
  requestedModel: 'claude-haiku-4-5',
  fallbackFrom: null,
  serverFallbackFrom: null,
  answerStartSeconds: null,
  cacheMiss: null,
  attribution: {},
  isBilledToAnother: false,
  maxTokens: 1_024,
  startedAtMs: 0,
  model: null,
  attempts: 1,
  waitSeconds: 0,
  firstTokenSeconds: null,
  durationSeconds: null,
  outcome: null,
  rejection: null,
  requestId: null,
  stopReason: null,
  usage: null,
  cost: null,
};
