import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { APIError } from '@anthropic-ai/sdk';
import { PARAMS, samples } from '../../testing/client-workbench.ts';
import { clientGuards, memoryRateLimiter, type Grant, type TokenRecord } from 'plimsoll/gateway';
import { unboundClient } from '../../src/gateway/access/client.ts';
import { tokenGuards } from '../../src/gateway/rules.ts';
import { aCall } from '../../testing/calls.ts';
import { gatewayBench, type GatewayBenchOptions } from '../../testing/gateway/workbench.ts';

async function granted(t: TestContext, grant: Partial<Grant>, options: GatewayBenchOptions = {}) {
  const bench = await gatewayBench({ ...options, grant });
  t.after(() => bench.close());
  return bench;
}

async function refusal(call: Promise<unknown>): Promise<unknown> {
  const error: unknown = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof APIError, String(error));
  return [error.status, error.type];
}

const OTHER = 'claude-opus-4-1';
const MINE: Partial<Grant> = { guards: clientGuards({ models: [PARAMS.model] }) };

describe('a token that is bound to models', () => {
  it('may ask for no other: that is a permission_error, and a blocked call', async (t) => {
    const { claude, sim, log } = await granted(t, MINE);
    await claude().messages.create(PARAMS);
    assert.deepEqual(await refusal(claude().messages.create({ ...PARAMS, model: OTHER })), [403, 'permission_error']);
    assert.equal(sim.truth.requests.length, 1);
    assert.equal(log.calls[1]?.outcome, 'blocked');
  });

  it('may count tokens for no other either', async (t) => {
    const { claude } = await granted(t, MINE);
    const { messages } = PARAMS;
    assert.deepEqual(await refusal(claude().messages.countTokens({ model: OTHER, messages })), [
      403,
      'permission_error',
    ]);
  });

  it('reaches no other through a tool that calls a model', async (t) => {
    const { claude } = await granted(t, MINE);
    const tools = [{ type: 'advisor_20260301', name: 'advisor', model: OTHER }] as never;
    assert.deepEqual(await refusal(claude().messages.create({ ...PARAMS, tools })), [403, 'permission_error']);
  });

  it('may mention others in its messages and in the schemas of its tools', async (t) => {
    const { claude } = await granted(t, MINE);
    const input = { model: OTHER };
    const schema = { type: 'object' as const, properties: { model: { type: 'string' } }, examples: [input] };
    const messages = [
      { role: 'user' as const, content: 'Which?' },
      { role: 'assistant' as const, content: [{ type: 'tool_use' as const, id: 'a', name: 'ask', input }] },
      { role: 'user' as const, content: [{ type: 'tool_result' as const, tool_use_id: 'a', content: 'x' }] },
    ];
    await claude().messages.create({ ...PARAMS, messages, tools: [{ name: 'ask', input_schema: schema }] });
  });

  it('sends no batch of which any request asks for another', async (t) => {
    const { claude, sim } = await granted(t, MINE);
    const requests = [
      { custom_id: 'a', params: PARAMS },
      { custom_id: 'b', params: { ...PARAMS, model: OTHER } },
    ];
    assert.deepEqual(await refusal(claude().messages.batches.create({ requests })), [403, 'permission_error']);
    assert.equal(sim.truth.requests.length, 0);
  });
});

describe('a token that is bound to a family, a pattern or an alias', () => {
  const within = ['opus', 'claude-haiku-4-*'];
  const grant = { guards: clientGuards({ models: within }) };

  it('may ask for what is in it by any of its names, in requests, batches and fallbacks', async (t) => {
    const { claude } = await granted(t, grant);
    for (const model of ['claude-haiku-4-5', 'claude-haiku-4-5-20251001', 'claude-opus-4-8'])
      await claude().messages.create({ ...PARAMS, model });
    const params = { ...PARAMS, model: 'claude-opus-4-5-20251101' };
    await claude().messages.batches.create({ requests: [{ custom_id: 'a', params }] });
  });

  for (const model of [
    'claude-sonnet-4-5',
    'claude-haiku-5-5',
    'haiku',
    'opus',
    'claude-haiku-4-*',
    'claude-haiku-4-5 ',
  ]) {
    it(`may not ask for ${JSON.stringify(model)}, in requests, batches and fallbacks`, async (t) => {
      const { claude, sim } = await granted(t, grant);
      const params = { ...PARAMS, model };
      const further = { ...PARAMS, model: 'claude-opus-4-8', fallbacks: [{ model }] };
      assert.deepEqual(await refusal(claude().messages.create(params)), [403, 'permission_error']);
      assert.deepEqual(await refusal(claude().messages.create(further as never)), [403, 'permission_error']);
      const batch = claude().messages.batches.create({ requests: [{ custom_id: 'a', params }] });
      assert.deepEqual(await refusal(batch), [403, 'permission_error']);
      assert.equal(sim.truth.requests.length, 0);
    });
  }
});

describe('a token with a ceiling of max_tokens', () => {
  it('learns of it if it asks for more', async (t) => {
    const { claude } = await granted(t, { guards: clientGuards({ maxTokens: { tokens: 10, above: 'reject' } }) });
    const error: unknown = await claude()
      .messages.create(PARAMS)
      .catch((reason: unknown) => reason);
    assert.ok(error instanceof APIError);
    assert.equal(error.status, 400);
    assert.match(error.message, /max_tokens: this token allows at most 10/);
  });

  it('or gets so many, where that is its rule', async (t) => {
    const { claude, log } = await granted(t, { guards: clientGuards({ maxTokens: { tokens: 10, above: 'clamp' } }) });
    const message = await claude().messages.create(PARAMS);
    assert.ok(message.usage.output_tokens <= 10);
    assert.equal(log.calls[0]?.maxTokens, 10);
  });

  it('gets what it asks for below it', async (t) => {
    const { claude, log } = await granted(t, { guards: clientGuards({ maxTokens: { tokens: 64, above: 'reject' } }) });
    await claude().messages.create(PARAMS);
    assert.equal(log.calls[0]?.outcome, 'ok');
  });

  it('sends no batch that asks for more, whatever its rule', async (t) => {
    const { claude } = await granted(t, { guards: clientGuards({ maxTokens: { tokens: 10, above: 'clamp' } }) });
    const batch = claude().messages.batches.create({ requests: [{ custom_id: 'a', params: PARAMS }] });
    assert.deepEqual(await refusal(batch), [400, 'invalid_request_error']);
  });
});

const RECORD: TokenRecord = {
  id: 'token0000001',
  hash: '',
  client: 'shop',
  createdAtMs: 0,
  expiresAtMs: null,
  revokedAtMs: null,
  note: '',
  minted: null,
  member: null,
};

describe('a body', () => {
  const batch = { requests: [{ custom_id: 'a', params: PARAMS }] };
  /** No body fits into the memory of the gateway: what is not refused was sent on without being read. */
  const gateway = { limits: { heldBytes: 1 } };

  it('is sent on unread if no rule of its token needs it', async (t) => {
    const { claude, sim } = await granted(t, { guards: [{ needsBody: false, admit: () => undefined }] }, { gateway });
    await claude().messages.batches.create(batch);
    assert.equal(sim.truth.requests.length, 1);
  });

  for (const [who, guards] of [
    ['a rule about models', clientGuards({ models: [PARAMS.model] })],
    ['a rule about max_tokens', clientGuards({ maxTokens: { tokens: 1_000, above: 'reject' } })],
    ['a guard that does not say that it does without', [{ admit: () => undefined }]],
  ] as const) {
    it(`is read for ${who}`, async (t) => {
      const { claude, sim } = await granted(t, { guards }, { gateway });
      const options = { maxRetries: 0 };
      assert.deepEqual(await refusal(claude(options).messages.batches.create(batch)), [529, 'overloaded_error']);
      assert.equal(sim.truth.requests.length, 0);
    });
  }

  it('is out of reach of the guards of a rule that says it does without', async () => {
    const token = {
      client: { ...unboundClient('shop', 'key'), endpoints: 'messages', requestsPerMinute: 9 },
      record: RECORD,
    } as const;
    const bodiless = tokenGuards(token, memoryRateLimiter()).filter(({ needsBody }) => needsBody === false);
    assert.equal(bodiless.length, 2);
    const request = {
      bodyLength: 1,
      get body(): never {
        throw new Error('the body was looked at');
      },
    };
    for (const guard of bodiless) await guard.admit(aCall({ operation: 'messages.create' }), request);
  });
});

describe('labels', () => {
  const attribution = { feature: [], team: [], cost_center: [] };

  it('come from headers where that is allowed, and from the token whatever a header says', async (t) => {
    const gateway = { attribution, labels: { team: 'none' }, labelHeaders: ['feature', 'cost_center', 'team'] };
    const { claude, log, registry } = await granted(t, { labels: { team: 'payments' } }, { gateway });
    const defaultHeaders = {
      'x-plimsoll-feature': ' chat ',
      'x-plimsoll-cost-center': 'c-7',
      'x-plimsoll-team': 'mallory',
    };
    await claude({ defaultHeaders }).messages.create(PARAMS);
    assert.deepEqual(log.calls[0]?.attribution, { feature: 'chat', cost_center: 'c-7', team: 'payments' });
    const [series] = Object.keys(await samples(registry, 'anthropic_requests_total'));
    assert.match(series ?? '', /team=payments/);
  });

  it('are ignored where a request may not set them', async (t) => {
    const { claude, log } = await granted(t, {}, { gateway: { attribution, labelHeaders: ['team'] } });
    await claude({ defaultHeaders: { 'x-plimsoll-feature': 'chat' } }).messages.create(PARAMS);
    assert.deepEqual(log.calls[0]?.attribution, {});
  });

  it('are cut where they are too long for a name', async (t) => {
    const { claude, log } = await granted(t, {}, { gateway: { attribution, labelHeaders: ['team'] } });
    await claude({ defaultHeaders: { 'x-plimsoll-team': 'x'.repeat(100) } }).messages.create(PARAMS);
    assert.deepEqual(log.calls[0]?.attribution, { team: 'x'.repeat(64) });
  });
});
