import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic, {
  APIConnectionTimeoutError,
  APIUserAbortError,
  RateLimitError,
  type Middleware,
} from '@anthropic-ai/sdk';
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

const AT_ONCE = { 'retry-after-ms': '1' };

interface Case {
  readonly name: string;
  readonly maxRetries?: number;
  readonly maxRetriesPerCall?: number;
  readonly script: readonly Fault[];
  /** Status of each attempt, in order. */
  readonly attempts: readonly (number | string)[];
  readonly outcome: string;
  /** `anthropic_rate_limited_total` by reason. */
  readonly limited?: Readonly<Record<string, number>>;
  /** `anthropic_retries_total` by reason. */
  readonly retries?: Readonly<Record<string, number>>;
  /** Seconds lost between attempts. */
  readonly waitSeconds?: number;
}

const CASES: readonly Case[] = [
  {
    name: 'two 429s and then an answer',
    script: [
      { fault: 'requests_limit', headers: { 'retry-after': '2' } },
      { fault: 'input_tokens_limit', headers: { 'retry-after-ms': '1500' } },
    ],
    attempts: [429, 429, 200],
    outcome: 'ok',
    limited: { requests: 1, input_tokens: 1 },
    retries: { rate_limited: 2 },
    waitSeconds: 3.5,
  },
  {
    name: '429s until the last try is used up',
    script: [1, 2, 3].map(() => ({ fault: 'output_tokens_limit', headers: AT_ONCE }) as const),
    attempts: [429, 429, 429],
    outcome: 'rate_limited',
    limited: { output_tokens: 3 },
    retries: { rate_limited: 2 },
  },
  {
    name: 'no tries left from the start, by the client',
    maxRetries: 0,
    script: [{ fault: 'acceleration_limit', headers: AT_ONCE }],
    attempts: [429],
    outcome: 'rate_limited',
    limited: { acceleration: 1 },
  },
  {
    name: 'no tries left from the start, by the call',
    maxRetries: 5,
    maxRetriesPerCall: 0,
    script: [{ fault: 'requests_limit', headers: AT_ONCE }],
    attempts: [429],
    outcome: 'rate_limited',
    limited: { requests: 1 },
  },
  {
    name: 'more tries by the call than by the client',
    maxRetries: 0,
    maxRetriesPerCall: 5,
    script: [1, 2, 3, 4, 5].map(() => ({ fault: 'overloaded', headers: AT_ONCE }) as const),
    attempts: [529, 529, 529, 529, 529, 200],
    outcome: 'ok',
    retries: { overloaded: 5 },
  },
  {
    name: 'a spend cap, which the SDK retries though it cannot help',
    script: [1, 2, 3].map(() => ({ fault: 'tier_spend_cap', headers: AT_ONCE }) as const),
    attempts: [429, 429, 429],
    outcome: 'spend_limited',
    limited: { spend_limit: 3 },
    retries: { spend_limited: 2 },
  },
  {
    name: 'a 429 that the server forbids to retry',
    script: [{ fault: 'requests_limit', headers: { 'x-should-retry': 'false' } }],
    attempts: [429],
    outcome: 'rate_limited',
    limited: { requests: 1 },
  },
  {
    name: 'a 400 that the server asks to retry',
    script: [{ fault: 'invalid_request', headers: { ...AT_ONCE, 'x-should-retry': 'true' } }],
    attempts: [400, 200],
    outcome: 'ok',
    retries: { invalid_request: 1 },
  },
  {
    name: 'a 500 and a 529 with the default wait of the SDK',
    script: [{ fault: 'server_error' }, { fault: 'overloaded' }],
    attempts: [500, 529, 200],
    outcome: 'ok',
    retries: { server_error: 1, overloaded: 1 },
  },
  {
    name: 'a connection that is reset twice',
    script: [{ fault: 'connection_reset' }, { fault: 'connection_reset' }],
    attempts: ['connection_error', 'connection_error', 200],
    outcome: 'ok',
    retries: { connection_error: 2 },
  },
  {
    name: 'a connection that is reset at every try',
    maxRetries: 1,
    script: [{ fault: 'connection_reset' }, { fault: 'connection_reset' }],
    attempts: ['connection_error', 'connection_error'],
    outcome: 'connection_error',
    retries: { connection_error: 1 },
  },
  {
    name: 'a timeout and then an answer',
    script: [{ fault: 'slow_first_byte', delayMs: 120_000 }],
    attempts: ['timeout', 200],
    outcome: 'ok',
    retries: { timeout: 1 },
  },
  {
    name: 'a refusal that is not retried',
    script: [{ fault: 'unauthorized' }],
    attempts: [401],
    outcome: 'unauthorized',
  },
];

async function callOnce(bench: Workbench, { maxRetriesPerCall }: Case): Promise<'answered' | 'failed'> {
  const options = maxRetriesPerCall === undefined ? {} : { maxRetries: maxRetriesPerCall };
  try {
    await bench.claude.messages.create(PARAMS, options);
    return 'answered';
  } catch (error) {
    assert.ok(error instanceof Anthropic.APIError, String(error));
    return 'failed';
  }
}

async function byLabel(bench: Workbench, name: string, label: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [labels, value] of Object.entries(await samples(bench.registry, name))) {
    const text = new RegExp(`(?:^|,)${label}=([^,]*)`).exec(labels)?.[1] ?? '';
    found[text] = (found[text] ?? 0) + value;
  }
  return found;
}

describe("the SDK's retry loop", () => {
  for (const entry of CASES) {
    it(`is seen as it is: ${entry.name}`, async () => {
      await withSteppedTime(async () => {
        const bench = workbench({
          client: { timeout: 60_000, ...(entry.maxRetries === undefined ? {} : { maxRetries: entry.maxRetries }) },
          instrument: { clock: steppedClock },
        });
        bench.sim.script(entry.script);
        const result = await callOnce(bench, entry);
        await bench.log.finishedCalls(1);
        const { log, registry, sim } = bench;
        assert.equal(result, entry.outcome === 'ok' ? 'answered' : 'failed');
        assert.deepEqual(
          log.attempts.map(({ status }) => status),
          entry.attempts,
        );
        assert.deepEqual(
          log.attempts.map(({ index }) => index),
          [...entry.attempts.keys()],
        );
        assert.deepEqual(
          log.calls.map(({ outcome, attempts }) => [outcome, attempts]),
          [[entry.outcome, entry.attempts.length]],
        );
        assert.deepEqual(await byLabel(bench, 'anthropic_rate_limited_total', 'reason'), entry.limited ?? {});
        assert.deepEqual(await byLabel(bench, 'anthropic_retries_total', 'reason'), entry.retries ?? {});
        assert.equal(await total(registry, 'anthropic_attempts_total'), entry.attempts.length);
        assert.equal(await total(registry, 'anthropic_requests_total'), 1);
        assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
        assert.equal(await total(registry, 'plimsoll_errors_total'), 0);
        assert.equal(sim.truth.requests.length, entry.attempts.length);
        if (entry.waitSeconds !== undefined) {
          const waited = await total(registry, 'anthropic_retry_wait_seconds_total');
          const tolerance = (2 * STEP_MS * entry.attempts.length) / 1_000;
          assert.ok(
            Math.abs(waited - entry.waitSeconds) <= tolerance,
            `waited ${waited} s, not ${entry.waitSeconds} s`,
          );
        }
      });
    });
  }

  it('throws the very errors of the SDK, undecorated', async () => {
    const { claude, sim } = workbench({ client: { maxRetries: 0 } });
    sim.script([{ fault: 'requests_limit' }]);
    const error = await claude.messages.create(PARAMS).then(
      () => assert.fail('it was answered'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof RateLimitError);
    assert.deepEqual(Object.getOwnPropertySymbols(error), []);
  });

  it('is not held up by a refusal whose body never ends', async () => {
    const { claude, log, sim } = workbench();
    const stalled: typeof fetch = async (...request) => {
      const response = await sim.fetch(...request);
      if (response.ok) return response;
      return new Response(new ReadableStream({ cancel: () => void (canceled = true) }), response);
    };
    let canceled = false;
    sim.script([{ fault: 'requests_limit', headers: AT_ONCE }]);
    await withSteppedTime(async () => {
      const message = await claude.withOptions({ fetch: stalled }).messages.create(PARAMS);
      assert.equal(message.type, 'message');
      assert.ok(canceled);
      await log.finishedCalls(1);
    });
    assert.deepEqual(
      log.attempts.map(({ status }) => status),
      [429, 200],
    );
    assert.equal(log.attempts[0]?.rejection?.rateLimitReason, 'requests', 'the headers say');
  });
});

describe('an abort by the caller', () => {
  const aborted = async (
    bench: Workbench,
    when: (controller: AbortController) => void,
    stream = false,
  ): Promise<void> => {
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const call = stream
      ? bench.claude.messages.create({ ...PARAMS, stream: true }, options).then(async (events) => {
          for await (const event of events) if (event.type === 'content_block_delta') when(controller);
        })
      : bench.claude.messages.create(PARAMS, options);
    if (!stream) when(controller);
    await Promise.resolve(call).catch((error: unknown) => assert.ok(error instanceof APIUserAbortError, String(error)));
  };

  it('before anything is sent is no call', async () => {
    const bench = workbench();
    const signal = AbortSignal.abort();
    await assert.rejects(bench.claude.messages.create(PARAMS, { signal }), APIUserAbortError);
    assert.deepEqual(bench.log.events, []);
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
  });

  it('during an attempt ends the call as cancelled, once', async () => {
    const bench = workbench({ instrument: { clock: steppedClock } });
    await withSteppedTime(async () => {
      bench.sim.script([{ fault: 'slow_first_byte', delayMs: 5_000 }]);
      await aborted(bench, (controller) => setTimeout(() => controller.abort(), 1_000));
    });
    assert.deepEqual(bench.log.events, ['started', 'attempted cancelled', 'finished cancelled']);
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
  });

  it('between two attempts ends the call as cancelled, once', async () => {
    const bench = workbench({ instrument: { clock: steppedClock } });
    await withSteppedTime(async () => {
      bench.sim.script([{ fault: 'requests_limit', headers: { 'retry-after': '3600' } }]);
      await aborted(bench, (controller) => setTimeout(() => controller.abort(), 10_000));
      await bench.log.finishedCalls(1);
    });
    assert.deepEqual(bench.log.events, ['started', 'attempted 429', 'finished cancelled']);
    assert.equal(bench.sim.truth.requests.length, 1);
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
  });

  it('in the middle of a stream ends the call as cancelled, with what was known', async () => {
    const bench = workbench();
    await aborted(bench, (controller) => controller.abort(), true);
    assert.deepEqual(
      bench.log.calls.map(({ outcome }) => outcome),
      ['cancelled'],
    );
    assert.ok((bench.log.calls[0]?.usage?.parts[0]?.tokens.input ?? 0) > 0);
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
  });

  const LATE = new DOMException('The operation was aborted due to timeout', 'TimeoutError');

  for (const [way, late] of Object.entries({
    'a deadline': () => AbortSignal.timeout(1),
    'any of a deadline and a signal': () => AbortSignal.any([AbortSignal.timeout(1), new AbortController().signal]),
    'a TimeoutError of the program': (controller: AbortController) => (
      setImmediate(() => controller.abort(LATE)),
      null
    ),
  })) {
    for (const middleware of [[], [((request, next) => next(request)) satisfies Middleware]]) {
      it(`by ${way} is a timeout, with ${middleware.length} middleware`, async () => {
        const bench = workbench({ client: { middleware } });
        bench.sim.script([{ fault: 'slow_first_byte', delayMs: 3_600_000 }]);
        const controller = new AbortController();
        const signal = late(controller) ?? controller.signal;
        await assert.rejects(Promise.resolve(bench.claude.messages.create(PARAMS, { signal })), APIUserAbortError);
        assert.deepEqual(bench.log.events, ['started', 'attempted timeout', 'finished timeout']);
      });
    }
  }

  it('by a deadline in the middle of a stream, or between two attempts, is a timeout', async () => {
    const bench = workbench({ instrument: { clock: steppedClock } });
    await aborted(bench, (controller) => controller.abort(LATE), true);
    await withSteppedTime(async () => {
      bench.sim.script([{ fault: 'requests_limit', headers: { 'retry-after': '3600' } }]);
      await aborted(bench, (controller) => setTimeout(() => controller.abort(LATE), 10_000));
      await bench.log.finishedCalls(2);
    });
    assert.deepEqual(
      bench.log.calls.map(({ outcome }) => outcome),
      ['timeout', 'timeout'],
    );
  });

  it('is told from a timeout', async () => {
    const bench = workbench({ client: { timeout: 100, maxRetries: 0 }, instrument: { clock: steppedClock } });
    await withSteppedTime(async () => {
      bench.sim.script([{ fault: 'slow_first_byte', delayMs: 5_000 }]);
      await assert.rejects(bench.claude.messages.create(PARAMS), APIConnectionTimeoutError);
    });
    assert.deepEqual(
      bench.log.calls.map(({ outcome }) => outcome),
      ['timeout'],
    );
  });
});
