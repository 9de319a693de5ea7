import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { APIError, APIConnectionTimeoutError, APIUserAbortError, RateLimitError } from '@anthropic-ai/sdk';
import fc from 'fast-check';
import { RetryBudget, retryPolicy, type RetryPolicy, type RetryPolicyOptions } from 'plimsoll';
import type { Fault } from 'plimsoll/simulator';
import {
  PARAMS,
  STEP_MS,
  samples,
  steppedClock,
  total,
  withSteppedTime,
  workbench,
  type Workbench,
} from '../../testing/client-workbench.ts';

const many = (count: number, fault: Fault): readonly Fault[] => Array.from({ length: count }, () => fault);

interface Given extends RetryPolicyOptions {
  readonly script: readonly Fault[];
  readonly policy?: RetryPolicy;
}

/** A client with a policy of its own budget, whose jitter is always half. */
function bench({ script, policy, ...options }: Given): Workbench {
  const retry = policy ?? retryPolicy({ budget: null, random: () => 0.5, clock: steppedClock, ...options });
  const made = workbench({
    client: { timeout: 60_000, maxRetries: 2 },
    instrument: { clock: steppedClock, retry },
  });
  made.sim.script(script);
  return made;
}

const failure = (call: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(call).then(
    () => assert.fail('it was answered'),
    (error: unknown) => error,
  );

describe("the SDK's loop with a retry policy", () => {
  it("makes the policy's 4 tries, though the client was made for 3", async () => {
    await withSteppedTime(async () => {
      const { claude, sim, registry } = bench({ script: many(3, { fault: 'overloaded' }) });
      assert.equal((await claude.messages.create(PARAMS)).type, 'message');
      assert.equal(sim.truth.requests.length, 4);
      const waited = await total(registry, 'anthropic_retry_wait_seconds_total');
      assert.ok(Math.abs(waited - 3.5) < (8 * STEP_MS) / 1_000, `0.5 + 1 + 2 s of jitter, not ${waited} s`);
    });
  });

  for (const [maxRetries, requests] of [
    [0, 1],
    [1, 2],
    [5, 6],
  ] as const) {
    it(`makes ${requests} where the call says maxRetries: ${maxRetries}, as without a policy`, async () => {
      await withSteppedTime(async () => {
        const { claude, sim } = bench({ script: many(9, { fault: 'overloaded' }) });
        const error = await failure(claude.messages.create(PARAMS, { maxRetries }));
        assert.ok(error instanceof APIError && error.status === 529);
        assert.equal(sim.truth.requests.length, requests);
      });
    });
  }

  it('keeps the maxRetries of a later withOptions()', async () => {
    await withSteppedTime(async () => {
      const { claude, sim } = bench({ script: many(9, { fault: 'overloaded' }) });
      await failure(claude.withOptions({ maxRetries: 1 }).messages.create(PARAMS));
      assert.equal(sim.truth.requests.length, 2);
    });
  });

  it('comes back after what the server asks for, and spread over the first second beyond', async () => {
    await withSteppedTime(async () => {
      const { claude, log, registry } = bench({
        script: [{ fault: 'requests_limit', headers: { 'retry-after': '12' } }],
      });
      await claude.messages.create(PARAMS);
      await log.finishedCalls(1);
      const waited = await total(registry, 'anthropic_retry_wait_seconds_total');
      assert.ok(waited >= 12.5 && waited < 12.5 + (3 * STEP_MS) / 1_000, `waited ${waited} s`);
    });
  });

  it('gives up at once where the server asks for an hour, and the error says how long', async () => {
    await withSteppedTime(async () => {
      const started = Date.now();
      const { claude, log, registry } = bench({
        script: [{ fault: 'requests_limit', headers: { 'retry-after': '3600' } }],
      });
      const error = await failure(claude.messages.create(PARAMS));
      assert.ok(error instanceof RateLimitError);
      assert.equal(error.headers?.get('retry-after'), '3600');
      assert.equal(error.headers.get('plimsoll-retry-denied'), 'retry_after');
      assert.ok(Date.now() - started < 1_000);
      await log.finishedCalls(1);
      assert.deepEqual(log.events, ['started', 'attempted 429', 'finished rate_limited']);
      assert.deepEqual(await samples(registry, 'anthropic_retries_denied_total'), {
        'key=default,reason=retry_after': 1,
      });
    });
  });

  it('gives up on a spend cap, which the SDK alone would try three times', async () => {
    await withSteppedTime(async () => {
      const { claude, log, registry, sim } = bench({ script: [{ fault: 'tier_spend_cap' }] });
      await failure(claude.messages.create(PARAMS));
      await log.finishedCalls(1);
      assert.equal(sim.truth.requests.length, 1);
      assert.deepEqual(
        log.calls.map(({ outcome }) => outcome),
        ['spend_limited'],
      );
      assert.deepEqual(await samples(registry, 'anthropic_retries_denied_total'), {
        'key=default,reason=spend_limit': 1,
      });
    });
  });

  it('counts nothing as denied that the SDK would not have retried', async () => {
    await withSteppedTime(async () => {
      const { claude, registry } = bench({
        script: [{ fault: 'invalid_request' }, ...many(4, { fault: 'overloaded' })],
      });
      await failure(claude.messages.create(PARAMS));
      await failure(claude.messages.create(PARAMS));
      assert.deepEqual(await samples(registry, 'anthropic_retries_denied_total'), {});
    });
  });

  it('begins no try after the deadline of the call', async () => {
    await withSteppedTime(async () => {
      const { claude, registry, sim } = bench({ script: many(9, { fault: 'overloaded' }), deadlineMs: 2_000 });
      await failure(claude.messages.create(PARAMS, { maxRetries: 8 }));
      assert.equal(sim.truth.requests.length, 3, 'at 0, 0.5 and 1.5 s, not at 3.5 s');
      assert.deepEqual(await samples(registry, 'anthropic_retries_denied_total'), { 'key=default,reason=deadline': 1 });
    });
  });

  it('stops a storm: beyond the budget that clients share, each call is one request', async () => {
    await withSteppedTime(async () => {
      const budget = new RetryBudget({ floor: 2, clock: steppedClock });
      const clients = [1, 2].map(() => bench({ script: many(40, { fault: 'overloaded' }), budget }));
      for (const { claude } of clients) for (let i = 0; i < 5; i++) await failure(claude.messages.create(PARAMS));
      const requests = clients.map(({ sim }) => sim.truth.requests.length);
      assert.deepEqual(requests, [7, 5], '10 calls and the 2 retries of 20%');
    });
  });

  it('ends a wait at once when the caller aborts', async () => {
    await withSteppedTime(async () => {
      const { claude, log, sim } = bench({ script: [{ fault: 'requests_limit', headers: { 'retry-after': '50' } }] });
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 10_000);
      const error = await failure(claude.messages.create(PARAMS, { signal: controller.signal }));
      assert.ok(error instanceof APIUserAbortError);
      await log.finishedCalls(1);
      assert.deepEqual(log.events, ['started', 'attempted 429', 'finished cancelled']);
      assert.equal(sim.truth.requests.length, 1);
    });
  });

  it('retries timeouts by its own rules, within the tries, and they use up budget', async () => {
    await withSteppedTime(async () => {
      const budget = new RetryBudget({ floor: 3, clock: steppedClock });
      const slow: Fault = { fault: 'slow_first_byte', delayMs: 120_000 };
      const { claude, sim } = bench({ script: [...many(4, slow), { fault: 'overloaded' }], budget });
      const late = await failure(claude.messages.create(PARAMS, { timeout: 1_000 }));
      assert.ok(late instanceof APIConnectionTimeoutError);
      assert.equal(sim.truth.requests.length, 4);
      assert.ok((await failure(claude.messages.create(PARAMS))) instanceof APIError);
      assert.equal(sim.truth.requests.length, 5, 'a 529, and nothing left to retry it with');
    });
  });

  it('never sends a stream again that has begun', async () => {
    await withSteppedTime(async () => {
      const { claude, log, sim } = bench({ script: [{ fault: 'body_reset', at: 'content_block_delta' }] });
      await failure(claude.messages.stream(PARAMS).finalMessage());
      await log.finishedCalls(1);
      assert.equal(sim.truth.requests.length, 1);
    });
  });

  it('waits for the reason no longer than a second', async () => {
    await withSteppedTime(async () => {
      const { claude, log, sim } = bench({
        script: [{ fault: 'requests_limit', headers: { 'retry-after-ms': '100' } }],
      });
      const stalled: typeof fetch = async (...request) => {
        const response = await sim.fetch(...request);
        return response.ok ? response : new Response(new ReadableStream(), response);
      };
      const started = Date.now();
      await claude.withOptions({ fetch: stalled }).messages.create(PARAMS);
      assert.ok(Date.now() - started <= 1_000 + 100 + 500 + 4 * STEP_MS);
      await log.finishedCalls(1);
      assert.ok((log.attempts[0]?.durationSeconds ?? 9) < 0.1, 'the reading is not counted as waiting for the server');
    });
  });

  it('throws the very errors of the SDK, undecorated', async () => {
    const { claude } = bench({ script: [{ fault: 'tier_spend_cap' }] });
    const error = await failure(claude.messages.create(PARAMS));
    assert.ok(error instanceof RateLimitError);
    assert.deepEqual(Object.getOwnPropertySymbols(error), []);
    assert.deepEqual(error.errorCode, 'enforced_spend_limit_reached');
  });

  it('goes on as without a policy where the policy fails, which is counted', async () => {
    await withSteppedTime(async () => {
      const fail = (): never => {
        throw new Error('broken');
      };
      const policy = { attempts: 2, began: fail, decide: fail, retriedUnasked: fail };
      const { claude, registry } = bench({ script: [{ fault: 'overloaded' }], policy });
      await claude.messages.create(PARAMS);
      assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=retry': 2 });
    });
  });

  it('never makes more requests than the tries of the call, whatever goes wrong', async () => {
    const fault = fc.constantFrom<Fault>(
      { fault: 'none' },
      { fault: 'overloaded' },
      { fault: 'server_error' },
      { fault: 'requests_limit', headers: { 'retry-after': '2' } },
      { fault: 'requests_limit', headers: { 'x-should-retry': 'true' } },
      { fault: 'invalid_request', headers: { 'x-should-retry': 'true' } },
      { fault: 'tier_spend_cap' },
      { fault: 'connection_reset' },
      { fault: 'slow_first_byte', delayMs: 90_000 },
    );
    const scripts = fc.array(fault, { maxLength: 8 });
    const perCall = fc.option(fc.nat(5), { nil: undefined });
    await withSteppedTime(() =>
      fc.assert(
        fc.asyncProperty(scripts, perCall, async (script, maxRetries) => {
          const { claude, log, sim, registry } = bench({ script });
          await claude.messages.create(PARAMS, maxRetries === undefined ? {} : { maxRetries }).catch(() => undefined);
          await log.finishedCalls(1);
          assert.ok(sim.truth.requests.length <= (maxRetries ?? 3) + 1);
          assert.deepEqual(
            log.attempts.map(({ index }) => index),
            [...sim.truth.requests.keys()],
          );
          assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
          assert.equal(await total(registry, 'plimsoll_errors_total'), 0);
        }),
        { numRuns: 60 },
      ),
    );
  });
});

describe('a fallback model', () => {
  const OPUS = { ...PARAMS, model: 'claude-opus-5-5' };

  for (const [name, fault] of [
    ['a 529', { fault: 'overloaded' }],
    ['a limit of an hour', { fault: 'output_tokens_limit', headers: { 'retry-after': '3600' } }],
  ] as const) {
    it(`answers after ${name}, and is seen`, async () => {
      await withSteppedTime(async () => {
        const { claude, log, registry, sim } = bench({ script: [fault], fallbackModel: 'claude-haiku-4-5' });
        const message = await claude.messages.create(OPUS);
        assert.equal(message.model, 'claude-haiku-4-5-20251001');
        assert.equal(sim.truth.requests.length, 2);
        assert.deepEqual(
          log.calls.map(({ requestedModel, fallbackFrom, model }) => [requestedModel, fallbackFrom, model]),
          [['claude-haiku-4-5', 'claude-opus-5-5', 'claude-haiku-4-5-20251001']],
        );
        assert.deepEqual(await samples(registry, 'anthropic_model_fallbacks_total'), {
          'model=claude-opus-5-5,fallback_model=claude-haiku-4-5,key=default,by=policy': 1,
        });
        const attempts = Object.keys(await samples(registry, 'anthropic_attempts_total'));
        assert.equal(attempts.filter((labels) => /opus.*status=(429|529)/.test(labels)).length, 1);
        assert.equal(attempts.filter((labels) => /haiku.*status=200/.test(labels)).length, 1);
        const limits = Object.keys(await samples(registry, 'anthropic_ratelimit_limit'));
        assert.ok(limits.some((labels) => labels.includes('model_class=haiku')));
      });
    });
  }

  it('answers a stream too, and what the caller gave is as it was', async () => {
    await withSteppedTime(async () => {
      const { claude } = bench({ script: [{ fault: 'overloaded' }], fallbackModel: 'claude-haiku-4-5' });
      const message = await claude.messages.stream(OPUS).finalMessage();
      assert.equal(message.model, 'claude-haiku-4-5-20251001');
      assert.equal(OPUS.model, 'claude-opus-5-5');
    });
  });

  it('is off unless it is named', async () => {
    await withSteppedTime(async () => {
      const { claude, log, registry } = bench({ script: [{ fault: 'overloaded' }] });
      assert.equal((await claude.messages.create(OPUS)).model, 'claude-opus-5-5');
      assert.equal(log.calls[0]?.fallbackFrom, null);
      assert.deepEqual(await samples(registry, 'anthropic_model_fallbacks_total'), {});
    });
  });
});
