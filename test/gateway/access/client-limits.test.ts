import assert from 'node:assert/strict';
import type { RequestListener, ServerResponse } from 'node:http';
import test, { type TestContext } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { ClientLimits } from '../../../src/gateway/access/client-limits.ts';
import { memoryLimits, type LimitStore } from '../../../src/gateway/access/limits.ts';
import { NO_LIMITS, type Limits } from '../../../src/gateway/access/member.ts';
import { gatewayBench, TOKEN } from '../../../testing/gateway/workbench.ts';
import { PARAMS } from '../../../testing/gateway/processes.ts';

interface Bench {
  readonly store?: LimitStore;
  /** In place of the simulator. */
  readonly api?: RequestListener;
}

async function bench(t: TestContext, limits: Partial<Limits>, more: Bench = {}) {
  const { store = memoryLimits(), api } = more;
  const held = new ClientLimits({ store });
  const guard = held.guard('shop', [{ holder: 'client', name: 'shop', limits: { ...NO_LIMITS, ...limits } }]);
  assert.ok(guard !== null);
  const gateway = await gatewayBench({ grant: { spendGuards: [guard] }, ...(api && { api }) });
  t.after(() => gateway.close());
  return gateway;
}

async function refusal(call: Promise<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  const error: unknown = await call.then(
    () => assert.fail('the call was let through'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Anthropic.APIError);
  return error;
}

test('a client over its tokens a minute gets a 429 with the headers of the API, which says that it is not of the API', async (t) => {
  const gateway = await bench(t, { outputTokensPerMinute: 20 });
  const claude = gateway.claude({ maxRetries: 0 });
  const first = await claude.messages.create(PARAMS).withResponse();
  assert.equal(first.response.headers.get('plimsoll-limit'), null);
  const error = await refusal(claude.messages.create(PARAMS));
  assert.ok(error instanceof Anthropic.RateLimitError);
  const { headers } = error;
  assert.equal(headers.get('plimsoll-limit'), 'client');
  assert.equal(headers.get('anthropic-ratelimit-output-tokens-limit'), '20');
  assert.equal(headers.get('anthropic-ratelimit-input-tokens-limit'), null);
  assert.match(headers.get('anthropic-ratelimit-output-tokens-reset') ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(Number(headers.get('retry-after')) >= 1);
  assert.match(error.message, /would use more output tokens than the limit of 20 per minute/);
  assert.equal(gateway.sim.truth.requests.length, 1);
});

test('an instrumented client behind the gateway never takes a limit of the gateway for one of the API', async (t) => {
  const gateway = await bench(t, { inputTokensPerMinute: 1_000_000, outputTokensPerMinute: 20 });
  const registry = new Registry();
  const claude = instrument(new Anthropic({ apiKey: TOKEN, baseURL: gateway.url, maxRetries: 0, logLevel: 'off' }), {
    registry,
    key: 'prod-shop-api',
  });
  const limitsShown = async (): Promise<readonly string[]> =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => /^anthropic_ratelimit_limit|_remaining.*output_tokens/.test(line));
  await claude.messages.create(PARAMS);
  const before = await limitsShown();
  assert.ok(before.length > 0);
  await refusal(claude.messages.create(PARAMS));
  assert.deepEqual(await limitsShown(), before);
  const metrics = await registry.metrics();
  assert.match(metrics, /^anthropic_rate_limited_total\{.*reason="client_limit".*\} 1$/m);
  assert.doesNotMatch(metrics, /^anthropic_rate_limited_total\{.*reason="output_tokens".*\} [1-9]/m);
});

const MESSAGE = {
  ...{ id: 'msg_1', type: 'message', role: 'assistant', model: PARAMS.model, content: [], stop_reason: 'end_turn' },
  usage: { input_tokens: 1, output_tokens: 1 },
};

test('requests in progress hold their slots until they end, and one that is given up gives its slot back', async (t) => {
  const waiting: ServerResponse[] = [];
  let arrived = (): void => undefined;
  const gateway = await bench(
    t,
    { parallelRequests: 1 },
    {
      api(_incoming, outgoing) {
        waiting.push(outgoing);
        arrived();
      },
    },
  );
  const claude = gateway.claude({ maxRetries: 0 });
  const begin = async (signal?: AbortSignal) => {
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const call = claude.messages.create(PARAMS, signal === undefined ? {} : { signal });
    call.catch(() => undefined);
    await arrival;
    return {
      call,
      answer: () => void waiting.pop()?.setHeader('content-type', 'application/json').end(JSON.stringify(MESSAGE)),
    };
  };
  const ending = new AbortController();
  await begin(ending.signal);
  const { status, headers } = await refusal(claude.messages.create(PARAMS));
  assert.deepEqual([status, headers?.get('plimsoll-limit'), headers?.get('retry-after')], [429, 'client', '1']);
  ending.abort();
  while (gateway.log.calls.every(({ outcome }) => outcome !== 'cancelled')) await new Promise(setImmediate);
  for (let turn = 0; turn < 2; turn += 1) {
    const { call, answer } = await begin();
    await refusal(claude.messages.create(PARAMS));
    answer();
    await call;
  }
});

test('what was taken is settled by what was used, and all of it given back when the API refuses', async (t) => {
  const taken: number[] = [];
  const inner = memoryLimits();
  const store: LimitStore = {
    ...inner,
    take(ask) {
      taken.push(...ask.takes.map(({ amount }) => amount));
      return inner.take(ask);
    },
    settle(settlement) {
      taken.push(...settlement.takes.map(({ amount }) => amount));
      return inner.settle(settlement);
    },
  };
  const gateway = await bench(t, { outputTokensPerMinute: 1_000 }, { store });
  const claude = gateway.claude({ maxRetries: 0 });
  const { usage } = await claude.messages.create(PARAMS);
  assert.equal(
    taken.reduce((sum, amount) => sum + amount, 0),
    usage.output_tokens,
  );
  await refusal(claude.messages.create({ ...PARAMS, model: 'claude-none-9' }));
  assert.equal(
    taken.reduce((sum, amount) => sum + amount, 0),
    usage.output_tokens,
  );
});

test('while nobody can count, its requests are refused as overload', async (t) => {
  const store: LimitStore = { ...memoryLimits(), take: () => Promise.reject(new Error('away')) };
  const gateway = await bench(t, { parallelRequests: 1 }, { store });
  const error = await refusal(gateway.claude({ maxRetries: 0 }).messages.create(PARAMS));
  assert.equal(error.status, 529);
  assert.equal(gateway.sim.truth.requests.length, 0);
});
