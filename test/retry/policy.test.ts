import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ConfigurationError,
  sentenceOf,
  RetryBudget,
  retryPolicy,
  type RefusedAttempt,
  type RetryDecision,
  type RetryPolicyOptions,
} from 'plimsoll';
import { rejection } from '../../src/observe/rejection.ts';
import { retryAfterMs } from '../../src/limiter.ts';
import { waitMs } from '../../src/retry/policy.ts';
import { aCall } from '../../testing/calls.ts';

interface Given {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly errorCode?: string;
  readonly attempts?: number;
  readonly elapsedMs?: number;
  readonly operation?: string;
  readonly requestedModel?: string;
}

function refusal(given: Given): RefusedAttempt {
  const { status, errorCode, attempts = 1, elapsedMs = 0, operation = 'messages.create' } = given;
  const headers = new Headers(given.headers);
  const body = { error: errorCode === undefined ? {} : { details: { error_code: errorCode } } };
  return {
    call: aCall({ attempts, operation, requestedModel: given.requestedModel ?? 'claude-opus-5-5' }),
    status,
    headers,
    rejection: rejection({ status, headers, body }),
    elapsedMs,
  };
}

const decided = (given: Given, options: RetryPolicyOptions = {}): RetryDecision =>
  retryPolicy({ budget: null, random: () => 0.5, ...options }).decide(refusal(given));

const waits = (waitMs: number): RetryDecision => ({ retry: true, waitMs });

const denied = (reason: Extract<RetryDecision, { retry: false }>['reason']): RetryDecision => ({
  retry: false,
  reason,
});

const CASES: readonly (readonly [name: string, given: Given, decision: RetryDecision, options?: RetryPolicyOptions])[] =
  [
    ['a 429 without a time is retried after half of the first bound', { status: 429 }, waits(500)],
    ['a third refusal is retried within four times the first bound', { status: 429, attempts: 3 }, waits(2_000)],
    ['a 429 is retried after what it asks for', { status: 429, headers: { 'retry-after': '12' } }, waits(12_500)],
    ['a 529 is retried', { status: 529 }, waits(500)],
    ['a 500 is retried', { status: 500 }, waits(500)],
    ['a 408 is retried', { status: 408 }, waits(500)],
    ['a 409 is retried', { status: 409 }, waits(500)],
    ['an acceleration limit is retried', { status: 429, errorCode: 'ramp_limit_exceeded' }, waits(500)],
    ['what the server asks to retry is', { status: 425, headers: { 'x-should-retry': 'true' } }, waits(500)],
    [
      'a 400 is not, though the server asks to',
      { status: 400, headers: { 'x-should-retry': 'true' } },
      denied('not_retryable'),
    ],
    [
      'a 401 is not, though the server asks to',
      { status: 401, headers: { 'x-should-retry': 'true' } },
      denied('not_retryable'),
    ],
    [
      'a 529 is not where the server forbids it',
      { status: 529, headers: { 'x-should-retry': 'false' } },
      denied('not_retryable'),
    ],
    ["a tier's spend cap is not", { status: 429, errorCode: 'enforced_spend_limit_reached' }, denied('spend_limit')],
    [
      "a contract's spend cap is not",
      { status: 429, errorCode: 'contract_spend_limit_reached' },
      denied('spend_limit'),
    ],
    [
      'a linked organization without credit is not, whatever the server asks',
      { status: 402, errorCode: 'linked_organization_spend_limit_reached', headers: { 'x-should-retry': 'true' } },
      denied('spend_limit'),
    ],
    ['a wait at the ceiling is made', { status: 429, headers: { 'retry-after': '60' } }, waits(60_500)],
    ['a wait above the ceiling is not', { status: 429, headers: { 'retry-after': '61' } }, denied('retry_after')],
    [
      'a ceiling of its own holds',
      { status: 429, headers: { 'retry-after': '11' } },
      denied('retry_after'),
      { maxRetryAfterMs: 10_000 },
    ],
    ['a wait that ends at the deadline is made', { status: 429, elapsedMs: 9_500 }, waits(500), { deadlineMs: 10_000 }],
    [
      'a wait that ends after the deadline is not',
      { status: 429, elapsedMs: 9_501 },
      denied('deadline'),
      { deadlineMs: 10_000 },
    ],
    [
      'a 529 goes on with the fallback',
      { status: 529 },
      { retry: true, waitMs: 500, model: 'claude-haiku-4-5' },
      { fallbackModel: 'claude-haiku-4-5' },
    ],
    [
      'a long limit goes on with the fallback, without the wait',
      { status: 429, headers: { 'retry-after': '3600' } },
      { retry: true, waitMs: 500, model: 'claude-haiku-4-5' },
      { fallbackModel: 'claude-haiku-4-5' },
    ],
    [
      'a short limit waits for its own model',
      { status: 429, headers: { 'retry-after': '3' } },
      waits(3_500),
      { fallbackModel: 'claude-haiku-4-5' },
    ],
    [
      'the fallback itself has no other',
      { status: 529, requestedModel: 'claude-haiku-4-5' },
      waits(500),
      { fallbackModel: 'claude-haiku-4-5' },
    ],
    [
      'a batch has no fallback',
      { status: 529, operation: 'messages.batches.create' },
      waits(500),
      { fallbackModel: 'claude-haiku-4-5' },
    ],
  ];

describe('a retry policy', () => {
  for (const [name, given, decision, options] of CASES) {
    it(`decides: ${name}`, () => assert.deepEqual(decided(given, options), decision));
  }

  it('never goes on early, nor beyond ceiling and deadline, whatever the refusal', () => {
    const given = fc.record({
      status: fc.constantFrom(400, 401, 408, 409, 425, 429, 500, 503, 529),
      headers: fc.dictionary(
        fc.constantFrom('retry-after', 'retry-after-ms', 'x-should-retry'),
        fc.oneof(fc.integer({ min: -10, max: 100_000 }).map(String), fc.constantFrom('true', 'false', '')),
      ),
      attempts: fc.integer({ min: 1, max: 12 }),
      elapsedMs: fc.nat(200_000),
    });
    const options = fc.record({
      maxRetryAfterMs: fc.nat(120_000),
      deadlineMs: fc.integer({ min: 1, max: 300_000 }),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }).map((drawn) => () => drawn),
    });
    fc.assert(
      fc.property(given, options, (refused, settings) => {
        const decision = decided(refused, settings);
        if (!decision.retry) return;
        const ms =
          Number.parseFloat(refused.headers['retry-after-ms'] ?? '') ||
          1_000 * Number.parseFloat(refused.headers['retry-after'] ?? '');
        const asked = ms > 0 ? ms : 0;
        assert.ok(decision.waitMs >= asked, 'not early');
        assert.ok(asked <= settings.maxRetryAfterMs, 'not over the ceiling');
        assert.ok(refused.elapsedMs + decision.waitMs <= settings.deadlineMs, 'not over the deadline');
        assert.ok(![400, 401].includes(refused.status));
      }),
      { numRuns: 500 },
    );
  });

  it('takes from its budget only what it allows', () => {
    const clock = { epochMs: () => 0, monotonicMs: () => 0 };
    const policy = retryPolicy({ budget: new RetryBudget({ floor: 2, clock }), clock, random: () => 0.5 });
    const spent = policy.decide(refusal({ status: 429, errorCode: 'enforced_spend_limit_reached' }));
    const decisions = [1, 2, 3].map(() => policy.decide(refusal({ status: 529 })));
    assert.deepEqual([spent, ...decisions], [denied('spend_limit'), waits(500), waits(500), denied('retry_budget')]);
  });

  it('shares one budget with every other policy of the process that does not set one', () => {
    const [one, other] = [retryPolicy(), retryPolicy()];
    const decisions = Array.from({ length: 12 }, (_, index) =>
      (index % 2 ? one : other).decide(refusal({ status: 529 })),
    );
    assert.deepEqual(decisions.slice(10), [denied('retry_budget'), denied('retry_budget')]);
  });

  it('reports all problems of its options at once, and what to write instead', () => {
    const options = {
      attempts: 0,
      backoffMs: -1,
      maxRetryAfterMs: 2 ** 31,
      deadlineMs: 0,
      budget: 0.2,
      fallbackModel: ' ',
    };
    assert.throws(
      () => retryPolicy(options as unknown as RetryPolicyOptions),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.equal(error.code, 'PLIMSOLL_RETRY_INVALID');
        assert.deepEqual(error.problems.map(sentenceOf), [
          'attempts: expected a whole number from 1 up, got 0: 1 means no retry',
          'backoffMs: expected milliseconds from 0 to 2147483647, got -1',
          'maxRetryAfterMs: expected milliseconds from 0 to 2147483647, got 2147483648',
          'deadlineMs: expected milliseconds above 0, got 0',
          'budget: expected a RetryBudget or null, got 0.2: pass new RetryBudget({ ratio: 0.2 })',
          'fallbackModel: expected the id of a model, got " ": leave it out',
        ]);
        return true;
      },
    );
  });
});

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const backoff = fc.record({ backoffMs: fc.nat(10_000), maxBackoffMs: fc.nat(120_000) });

describe('the wait before a retry', () => {
  it('is never shorter than the server asked for, and longer by no more than the doubled bound', () => {
    const waiting = fc.record({
      retries: fc.nat(20),
      retryAfterMs: fc.option(fc.nat(3_600_000)),
      random: chance.map((drawn) => () => drawn),
    });
    fc.assert(
      fc.property(backoff, waiting, (settings, { retries, retryAfterMs: asked, random }) => {
        const wait = waitMs(settings, { retries, retryAfterMs: asked, random });
        let bound = settings.backoffMs;
        for (let i = 0; i < retries && bound < settings.maxBackoffMs; i++) bound += bound;
        assert.ok(wait >= (asked ?? 0));
        assert.ok(wait <= (asked ?? 0) + Math.min(bound, settings.maxBackoffMs));
      }),
    );
  });

  it('spreads over the whole range below its bound: 1, 2, 4, 8 s and then the maximum', () => {
    const settings = { backoffMs: 1_000, maxBackoffMs: 10_000 };
    const waits = (drawn: number) =>
      [0, 1, 2, 3, 4, 5].map((retries) => waitMs(settings, { retries, retryAfterMs: null, random: () => drawn }));
    assert.deepEqual(waits(0), [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(waits(0.5), [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    assert.deepEqual(waits(1), [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });
});

describe('what the server asks for', () => {
  const NOW_MS = Date.parse('2026-11-24T12:00:00Z');
  const CASES: readonly (readonly [headers: Record<string, string>, ms: number | null])[] = [
    [{}, null],
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '0.25' }, 250],
    [{ 'retry-after-ms': '1500' }, 1_500],
    [{ 'retry-after-ms': '1500', 'retry-after': '60' }, 1_500],
    [{ 'retry-after-ms': 'soon', 'retry-after': '60' }, 60_000],
    [{ 'retry-after-ms': '0', 'retry-after': '60' }, 60_000],
    [{ 'retry-after': 'Tue, 24 Nov 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Tue, 24 Nov 2026 11:59:00 GMT' }, null],
    [{ 'retry-after': '0' }, null],
    [{ 'retry-after': '-3' }, null],
    [{ 'retry-after': 'tomorrow' }, null],
    [{ 'retry-after': 'Infinity' }, Infinity],
  ];
  for (const [headers, ms] of CASES) {
    it(`is ${ms} ms by ${JSON.stringify(headers)}`, () => assert.equal(retryAfterMs(new Headers(headers), NOW_MS), ms));
  }
});
