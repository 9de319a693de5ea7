/** Calls and attempts as literals, with what a test is about given and the rest plain. */
import type { Limiter } from '../src/limiter.ts';
import type { Attempt, Call, Recorder, Tokens, Usage, UsagePart } from '../src/vocabulary.ts';

export const START_MS = Date.UTC(2026, 10, 24, 12, 0, 0);

const NO_TOKENS: Tokens = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  output: 0,
  output_estimated: 0,
  input_estimated: 0,
};

export function aCall(given: Partial<Call> = {}): Call {
  return {
    operation: 'messages.create',
    key: 'prod-api-key',
    requestedModel: 'claude-haiku-4-5',
    fallbackFrom: null,
    serverFallbackFrom: null,
    attribution: {},
    isBilledToAnother: false,
    maxTokens: null,
    startedAtMs: START_MS,
    model: null,
    attempts: 1,
    waitSeconds: 0,
    firstTokenSeconds: null,
    answerStartSeconds: null,
    durationSeconds: 1.5,
    outcome: 'ok',
    rejection: null,
    requestId: null,
    stopReason: null,
    cacheMiss: null,
    usage: null,
    cost: null,
    ...given,
  };
}

/** A recorder gets a whole call: its start, its attempts and its end. */
export function record(recorder: Recorder, call: Call, attempts: readonly Attempt[] = []): void {
  const ofCall = recorder.started(call);
  for (const attempt of attempts) ofCall?.attempted?.(attempt);
  ofCall?.finished?.();
}

export function anAttempt(given: Partial<Attempt> = {}): Attempt {
  return {
    index: 0,
    model: 'claude-haiku-4-5',
    startedAtMs: START_MS,
    durationSeconds: 0.5,
    waitSeconds: 0,
    status: 200,
    rejection: null,
    retryReason: null,
    limiters: [],
    requestId: null,
    ...given,
  };
}

export function aPart(tokens: Partial<Tokens>, given: Partial<UsagePart> = {}): UsagePart {
  return { model: null, speed: null, role: 'answer', refusal: null, ...given, tokens: { ...NO_TOKENS, ...tokens } };
}

export function aUsage(parts: readonly UsagePart[], given: Partial<Usage> = {}): Usage {
  return {
    parts,
    thinkingTokens: 0,
    serverToolUses: {},
    serviceTier: null,
    inferenceGeo: null,
    cacheSplitAssumed: false,
    stepsListed: false,
    malformed: false,
    ...given,
  };
}

export function aLimiter(given: Partial<Limiter> = {}): Limiter {
  return { dimension: 'requests', limit: 1000, remaining: 900, resetAtMs: START_MS + 60_000, ...given };
}
