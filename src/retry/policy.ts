import { systemClock, type Clock } from '../clock.ts';
import { ConfigurationError, optionProblems, unfit, type Problem } from '../errors.ts';
import type { RefusedAttempt, RetryDecision, RetryPolicy } from '../decisions.ts';
import { retryAfterMs } from '../limiter.ts';
import { LIMITED_BY, MESSAGE_OPERATIONS, type Call, type Rejection } from '../vocabulary.ts';
import { RetryBudget, processRetryBudget } from './retry-budget.ts';

/** The options of `retryPolicy()`. All are optional. */
export interface RetryPolicyOptions {
  /** Attempts of a call, including the first, if the call does not set its own `maxRetries`. Default 4. */
  readonly attempts?: number;
  /** The longest wait before the first retry; it doubles with each next one. Default 1,000. */
  readonly backoffMs?: number;
  /** The longest wait before any retry, unless the server asks for more. Default 30,000. */
  readonly maxBackoffMs?: number;
  /** The longest wait that the server may ask for: a call that would wait longer ends at once. Default 60,000. */
  readonly maxRetryAfterMs?: number;
  /** No retry starts later than this after the start of the call. Default: no deadline. */
  readonly deadlineMs?: number;
  /** Default: one budget for the process, of 20% over a minute. `null`: no limit. */
  readonly budget?: RetryBudget | null;
  /**
   * A Messages call continues on this model after a 529, or if the server asks for a longer wait than allowed. Default:
   * no other model.
   */
  readonly fallbackModel?: string;
  /** From 0 up to 1, for tests. */
  readonly random?: () => number;
  /** For tests. */
  readonly clock?: Clock;
}

const NAMES: Readonly<Record<keyof RetryPolicyOptions, true>> = {
  attempts: true,
  backoffMs: true,
  maxBackoffMs: true,
  maxRetryAfterMs: true,
  deadlineMs: true,
  budget: true,
  fallbackModel: true,
  random: true,
  clock: true,
};

/** For a longer delay, `setTimeout` fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Decides for `instrument({ retry })` which refused requests the SDK's own loop sends again, and when: with full jitter,
 * never before the server's `retry-after`, within a budget, and never if another try cannot help. The SDK retries
 * timeouts and connection errors by its own rules; here they only use up budget.
 *
 * Throws a `ConfigurationError` (`PLIMSOLL_RETRY_INVALID`) with all problems of the options.
 *
 * @example
 * const claude = instrument(new Anthropic(), { retry: retryPolicy({ attempts: 4, deadlineMs: 90_000 }) });
 */
export function retryPolicy(options: RetryPolicyOptions = {}): RetryPolicy {
  const settings = settingsOf(options);
  const { attempts, budget } = settings;
  return {
    attempts,
    began: () => budget?.countCall(),
    decide: (refused) => decide(settings, refused),
    retriedUnasked: () => budget?.countRetry(),
  };
}

interface Settings extends Backoff {
  readonly attempts: number;
  readonly maxRetryAfterMs: number;
  readonly deadlineMs: number;
  readonly budget: RetryBudget | null;
  readonly fallbackModel: string | null;
  readonly random: () => number;
  readonly clock: Clock;
}

function settingsOf(options: RetryPolicyOptions): Settings {
  const unknown = optionProblems(options, NAMES);
  const settings = {
    attempts: options.attempts ?? 4,
    backoffMs: options.backoffMs ?? 1_000,
    maxBackoffMs: options.maxBackoffMs ?? 30_000,
    maxRetryAfterMs: options.maxRetryAfterMs ?? 60_000,
    deadlineMs: options.deadlineMs ?? Infinity,
    fallbackModel: options.fallbackModel ?? null,
    random: options.random ?? Math.random,
    clock: options.clock ?? systemClock,
  };
  const problems = [...unknown, ...settingProblems(settings, options.budget)];
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_RETRY_INVALID', problems);
  return { ...settings, budget: options.budget === undefined ? processRetryBudget() : options.budget };
}

function settingProblems(settings: Omit<Settings, 'budget'>, budget: unknown): readonly Problem[] {
  const { attempts, deadlineMs, fallbackModel } = settings;
  const times = `milliseconds from 0 to ${LONGEST_TIMER_MS}`;
  const outside = (['backoffMs', 'maxBackoffMs', 'maxRetryAfterMs'] as const).filter(
    (name) => !(settings[name] >= 0 && settings[name] <= LONGEST_TIMER_MS),
  );
  return [
    ...(Number.isSafeInteger(attempts) && attempts >= 1
      ? []
      : [unfit('attempts', attempts, { expected: 'a whole number from 1 up', advice: '1 means no retry' })]),
    ...outside.map((name) => unfit(name, settings[name], { expected: times })),
    ...(deadlineMs > 0 ? [] : [unfit('deadlineMs', deadlineMs, { expected: 'milliseconds above 0' })]),
    ...(budget === undefined || budget === null || budget instanceof RetryBudget
      ? []
      : [
          unfit('budget', budget, {
            expected: 'a RetryBudget or null',
            advice: 'pass new RetryBudget({ ratio: 0.2 })',
          }),
        ]),
    ...(fallbackModel === null || /\S/.test(fallbackModel)
      ? []
      : [unfit('fallbackModel', fallbackModel, { expected: 'the id of a model', advice: 'leave it out' })]),
  ];
}

/**
 * Statuses that refuse the request itself or its sender: a retry is refused too, whatever the server says about
 * retries.
 */
const FINAL: ReadonlySet<number> = new Set([400, 401, 402, 403, 404, 413]);

function decide(settings: Settings, refused: RefusedAttempt): RetryDecision {
  const { rejection, headers, call } = refused;
  if (isForSpend(refused)) return { retry: false, reason: 'spend_limit' };
  if (!isRetryable(refused)) return { retry: false, reason: 'not_retryable' };
  const asked = retryAfterMs(headers, settings.clock.epochMs());
  const tooLong = asked !== null && asked > settings.maxRetryAfterMs;
  const fallback = tooLong || rejection.outcome === 'overloaded' ? fallbackOf(settings, call) : null;
  if (tooLong && fallback === null) return { retry: false, reason: 'retry_after' };
  // The server's wait applies to the model that refused, not to another.
  const wait = waitMs(settings, {
    retries: call.attempts - 1,
    retryAfterMs: fallback === null ? asked : null,
    random: settings.random,
  });
  if (refused.elapsedMs + wait > settings.deadlineMs) return { retry: false, reason: 'deadline' };
  if (settings.budget?.take() === false) return { retry: false, reason: 'retry_budget' };
  return { retry: true, waitMs: wait, ...(fallback !== null && { model: fallback }) };
}

function isForSpend({ rejection: { spendScope, rateLimitReason } }: RefusedAttempt): boolean {
  return spendScope !== null || (rateLimitReason !== null && LIMITED_BY[rateLimitReason] === 'spend');
}

/** The request is refused for what it is: waiting changes nothing. */
function isForItself({ rateLimitReason }: Rejection): boolean {
  return rateLimitReason !== null && LIMITED_BY[rateLimitReason] === 'request';
}

function isRetryable({ status, headers, rejection }: RefusedAttempt): boolean {
  if (FINAL.has(status) || isForItself(rejection)) return false;
  const shouldRetry = headers.get('x-should-retry');
  if (shouldRetry === 'true' || shouldRetry === 'false') return shouldRetry === 'true';
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

function fallbackOf({ fallbackModel }: Settings, { operation, requestedModel }: Call): string | null {
  if (!MESSAGE_OPERATIONS.has(operation) || requestedModel === null || requestedModel === fallbackModel) return null;
  return fallbackModel;
}

/** The growth of waits. */
interface Backoff {
  /** The longest wait before the first retry. */
  readonly backoffMs: number;
  /** The bound at which doubling stops. */
  readonly maxBackoffMs: number;
}

/** The facts that a wait depends on, besides the backoff. */
interface Waiting {
  /** Retries made so far: 0 before the first. */
  readonly retries: number;
  /** The wait that the server asked for; `null` if it asked for none. */
  readonly retryAfterMs: number | null;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/**
 * Returns the wait before the next attempt, in milliseconds: a random part of a bound that doubles with each retry
 * (full jitter), on top of the server's wait. It is spread beyond the server's wait because clients that are refused
 * together get the same wait, and would return together.
 */
export function waitMs({ backoffMs, maxBackoffMs }: Backoff, { retries, retryAfterMs, random }: Waiting): number {
  const bound = Math.min(maxBackoffMs, backoffMs * 2 ** retries);
  return (retryAfterMs ?? 0) + random() * bound;
}
