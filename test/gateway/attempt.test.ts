import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { retryPolicy } from 'plimsoll';
import { PARAMS, samples } from '../../testing/client-workbench.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';
import { gatewayBench, TOKEN, type GatewayBench, type GatewayBenchOptions } from '../../testing/gateway/workbench.ts';

const HEADERS = { 'x-api-key': TOKEN, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };

async function bench(t: TestContext, options: GatewayBenchOptions = {}) {
  const time = new StandingTime(Date.UTC(2026, 10, 24));
  const made = await gatewayBench({ ...options, gateway: { clock: time, timers: time, ...options.gateway } });
  t.after(() => made.close());
  return { ...made, time };
}

/** One attempt of a client that says how many it has made, or does not say. */
async function attempt({ url }: GatewayBench, retryCount: number | null, params: object = PARAMS): Promise<Response> {
  const headers = { ...HEADERS, ...(retryCount !== null && { 'x-stainless-retry-count': String(retryCount) }) };
  const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body: JSON.stringify(params) });
  await response.text();
  return response;
}

describe('a client that was refused', () => {
  it('and does not come back counts as refused, at the time of the refusal, once it is no longer expected', async (t) => {
    const made = await bench(t);
    const { sim, log, time } = made;
    sim.script([{ fault: 'requests_limit', headers: { 'retry-after': '20' } }]);
    await attempt(made, 0);
    time.pass(29_999);
    assert.equal(log.inFlight, 1);
    time.pass(1);
    assert.deepEqual(
      log.calls.map(({ outcome, attempts, durationSeconds }) => [outcome, attempts, durationSeconds]),
      [['rate_limited', 1, 0]],
    );
  });

  it('and comes back goes on with its call, and its wait is counted', async (t) => {
    const made = await bench(t);
    const { sim, log, time } = made;
    sim.script([{ fault: 'requests_limit', headers: { 'retry-after': '20' } }]);
    await attempt(made, 0);
    time.pass(20_500);
    await attempt(made, 1);
    assert.deepEqual(
      log.calls.map(({ outcome, attempts, waitSeconds }) => [outcome, attempts, waitSeconds]),
      [['ok', 2, 20.5]],
    );
  });

  it('is not confused with one that asks for something else, or is at another attempt', async (t) => {
    const made = await bench(t);
    const { sim, log } = made;
    sim.script([{ fault: 'overloaded' }]);
    await attempt(made, 0);
    await attempt(made, 1, { ...PARAMS, max_tokens: 65 });
    await attempt(made, 2);
    assert.deepEqual(
      log.calls.map(({ outcome, attempts }) => [outcome, attempts]),
      [
        ['ok', 1],
        ['ok', 1],
      ],
    );
    assert.equal(log.inFlight, 1);
  });

  it('is over at once where it does not say how often it has tried', async (t) => {
    const made = await bench(t);
    made.sim.script([{ fault: 'overloaded' }]);
    await attempt(made, null);
    await attempt(made, null);
    assert.deepEqual(
      made.log.calls.map(({ outcome }) => outcome),
      ['overloaded', 'ok'],
    );
  });

  it('is over when the gateway ends', async (t) => {
    const made = await bench(t);
    made.sim.script([{ fault: 'overloaded' }]);
    await attempt(made, 0);
    await made.gateway.close();
    assert.equal(made.log.calls[0]?.outcome, 'overloaded');
  });
});

describe('a client that leaves before its answer', () => {
  async function left(t: TestContext, afterMs: number) {
    let arrived: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (arrived = resolve));
    const made = await bench(t, {
      api: (incoming) => {
        incoming.resume();
        arrived();
      },
    });
    const headers = { ...HEADERS, 'x-stainless-retry-count': '0', 'x-stainless-timeout': '60' };
    const controller = new AbortController();
    const { signal } = controller;
    const body = JSON.stringify(PARAMS);
    const answer = fetch(`${made.url}/v1/messages`, { method: 'POST', headers, body, signal }).catch(() => null);
    await asked;
    made.time.pass(afterMs);
    controller.abort();
    await answer;
    while (made.log.attempts.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return made;
  }

  it('after as long as it said it would wait has timed out, and may come back', async (t) => {
    const { log, gateway } = await left(t, 60_000);
    assert.equal(log.attempts[0]?.status, 'timeout');
    assert.equal(log.inFlight, 1);
    await gateway.close();
    assert.equal(log.calls[0]?.outcome, 'timeout');
  });

  it('earlier than that has canceled its call', async (t) => {
    const { log } = await left(t, 30_000);
    assert.equal(log.attempts[0]?.status, 'cancelled');
    assert.equal(log.calls[0]?.outcome, 'cancelled');
  });
});

describe('a retry policy of the gateway', () => {
  it('tells the client when to come back, or that it need not', async (t) => {
    const retry = retryPolicy({ attempts: 3 });
    const made = await bench(t, { gateway: { retry } });
    made.sim.script([{ fault: 'requests_limit', headers: { 'retry-after': '2' } }, { fault: 'tier_spend_cap' }]);
    const first = await attempt(made, 0);
    assert.equal(first.headers.get('x-should-retry'), 'true');
    assert.ok(Number(first.headers.get('retry-after-ms')) >= 2_000);
    const second = await attempt(made, 1);
    assert.equal(second.headers.get('x-should-retry'), 'false');
    assert.equal(second.headers.get('plimsoll-retry-denied'), 'spend_limit');
    assert.deepEqual(
      made.log.calls.map(({ outcome, attempts }) => [outcome, attempts]),
      [['spend_limited', 2]],
    );
    const denied = await samples(made.registry, 'anthropic_retries_denied_total');
    assert.deepEqual(Object.values(denied), [1]);
  });
});
