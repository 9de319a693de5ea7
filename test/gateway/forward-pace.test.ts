/** A gateway that lets calls wait for room in the rate limits: what its clients get, and when they leave. */
import assert from 'node:assert/strict';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { pace } from 'plimsoll/pace';
import { gatewayBench } from '../../testing/gateway/workbench.ts';
import { PARAMS } from '../../testing/client-workbench.ts';

const LIMITS = { 'haiku-4.5': { requests: 20 } };

async function until(isSo: () => boolean): Promise<void> {
  for (const untilMs = performance.now() + 60_000; !isSo();) {
    assert.ok(performance.now() < untilMs, 'it never came to be so');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a call that has waited as long as it may gets a 429, and the API never sees it', async (t) => {
  const own = pace({ limits: LIMITS, maxWaitMs: 20 });
  const bench = await gatewayBench({ simulator: { limits: LIMITS }, gateway: { pace: own } });
  t.after(() => bench.close());
  const claude = bench.claude({ maxRetries: 0 });
  const ends = await Promise.allSettled(Array.from({ length: 25 }, () => claude.messages.create(PARAMS)));
  const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  assert.ok(errors.length >= 8);
  for (const error of errors) {
    assert.ok(error instanceof Anthropic.RateLimitError);
    assert.equal(error.headers?.get('retry-after'), '5');
    assert.match(error.message, /as long as it may wait/);
  }
  assert.equal(bench.sim.truth.requests.length, 25 - errors.length);
  assert.ok(bench.sim.truth.requests.every(({ status }) => status === 200));
});

test('a prompt that never fits gets a 429 that the SDKs do not retry', async (t) => {
  const limits = { 'haiku-4.5': { inputTokens: 1_000 } };
  const bench = await gatewayBench({ simulator: { limits }, gateway: { pace: pace({ limits }) } });
  t.after(() => bench.close());
  const content = 'tide '.repeat(4_000);
  const error: unknown = await bench
    .claude()
    .messages.create({ ...PARAMS, messages: [{ role: 'user', content }] })
    .catch((caught: unknown) => caught);
  assert.ok(error instanceof Anthropic.RateLimitError);
  assert.equal(error.headers?.get('x-should-retry'), 'false');
  assert.equal(bench.sim.truth.requests.length, 0);
});

test('a client that disconnects leaves its place at once', async (t) => {
  const own = pace({ limits: LIMITS });
  const bench = await gatewayBench({ simulator: { limits: LIMITS }, gateway: { pace: own } });
  t.after(() => bench.close());
  const claude = bench.claude({ maxRetries: 0 });
  const controller = new AbortController();
  const calls = Array.from({ length: 25 }, () => claude.messages.create(PARAMS, { signal: controller.signal }));
  const settled = Promise.allSettled(calls);
  await until(() => own.waiting('interactive').calls > 5);
  controller.abort();
  await settled;
  await until(() => own.waiting('interactive').calls === 0);
  assert.ok(bench.sim.truth.requests.length < 20);
});

test('a lane by client paces those that have one, and leaves the others alone', async (t) => {
  const own = pace({
    limits: LIMITS,
    maxWaitMs: 20,
    organizationOf: (key) => key,
    lane: ({ client }) => (client === 'nightly' ? 'batch' : null),
  });
  for (const [client, isPaced] of [
    ['nightly', true],
    ['checkout', false],
  ] as const) {
    const bench = await gatewayBench({ simulator: { limits: LIMITS }, gateway: { pace: own }, grant: { client } });
    t.after(() => bench.close());
    const claude = bench.claude({ maxRetries: 0 });
    const ends = await Promise.allSettled(Array.from({ length: 25 }, () => claude.messages.create(PARAMS)));
    assert.equal(
      ends.some((end) => end.status === 'rejected' && /as long as it may wait/.test(String(end.reason))),
      isPaced,
      client,
    );
  }
});
