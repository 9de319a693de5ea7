import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PARAMS, workbench } from '../../../testing/client-workbench.ts';
import type { ReceivedSpan } from '../../../testing/otlp-receiver.ts';
import { tracing } from '../../../testing/tracing.ts';

const SOON = { 'retry-after-ms': '1' };

const named = (spans: readonly ReceivedSpan[], name: string): readonly ReceivedSpan[] =>
  spans.filter((span) => span.name === name);

describe("a span of plimsoll's own", () => {
  it('says what the conventions for generative AI ask for', async (t) => {
    const traced = await tracing(t);
    const { claude, sim } = workbench({
      client: { openTelemetry: false, baseURL: 'http://localhost:8787' },
      simulator: { respond: () => ({ text: 'Ahoy', usage: { input_tokens: 10, cache_read_input_tokens: 5 } }) },
    });
    sim.script([{ fault: 'acceleration_limit', headers: SOON }]);
    const { id } = await claude.messages.stream(PARAMS).finalMessage();
    const [span] = named(await traced.spans(), 'chat claude-haiku-4-5');
    const {
      'gen_ai.usage.output_tokens': output,
      'gen_ai.response.time_to_first_chunk': firstChunk,
      'plimsoll.retry.wait_seconds': wait,
      'plimsoll.cost_usd': cost,
      ...known
    } = span?.attributes ?? {};
    assert.deepEqual(known, {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.request.model': 'claude-haiku-4-5',
      'gen_ai.request.max_tokens': 64,
      'gen_ai.request.stream': true,
      'anthropic.response.service_tier': 'standard',
      'gen_ai.response.id': id,
      'gen_ai.response.model': 'claude-haiku-4-5-20251001',
      'gen_ai.response.finish_reasons': ['end_turn'],
      'gen_ai.usage.input_tokens': 15,
      'gen_ai.usage.cache_read.input_tokens': 5,
      'gen_ai.usage.cache_write.input_tokens': 0,
      'http.request.resend_count': 1,
      'http.response.status_code': 200,
      'server.address': 'localhost',
      'server.port': 8787,
      'plimsoll.key': 'default',
      'plimsoll.attempts': 2,
      'plimsoll.outcome': 'ok',
      'plimsoll.rate_limited.reasons': ['acceleration'],
    });
    assert.ok(Number(output) > 0 && Number(firstChunk) > 0 && Number(wait) > 0 && Number(cost) > 0);
    assert.equal(span?.kind, 3);
    assert.equal(span.isError, false);
    assert.equal(span.scope, 'plimsoll');
  });

  it('is an error with the outcome as its type, and so is each refused attempt', async (t) => {
    const traced = await tracing(t);
    const { claude, sim } = workbench({ client: { openTelemetry: false } });
    sim.script([{ fault: 'tier_spend_cap', headers: { 'x-should-retry': 'false' } }]);
    await assert.rejects(claude.messages.create(PARAMS));
    const spans = await traced.spans();
    const [call] = named(spans, 'chat claude-haiku-4-5');
    const [attempt] = named(spans, 'anthropic.attempt');
    assert.equal(call?.isError, true);
    assert.equal(call.attributes['error.type'], 'spend_limited');
    assert.equal(attempt?.isError, true);
    assert.equal(attempt.attributes['error.type'], '429');
    assert.equal(attempt.attributes['plimsoll.rate_limited.reason'], 'spend_limit');
    assert.equal(attempt.attributes['plimsoll.spend_limited.scope'], 'tier');
  });

  it('is named after the operation where the conventions know none, without a chat attribute', async (t) => {
    const traced = await tracing(t);
    const { claude } = workbench({ client: { openTelemetry: false } });
    await claude.messages.countTokens({ model: PARAMS.model, messages: PARAMS.messages });
    await claude.models.retrieve(PARAMS.model);
    await claude.get('/v1/unheard_of/id_123').catch(() => null);
    const calls = (await traced.spans()).filter(({ name }) => name !== 'anthropic.attempt');
    assert.deepEqual(
      calls.map(({ name, attributes }) => [name, attributes['gen_ai.operation.name']]),
      [
        ['anthropic.messages.count_tokens', undefined],
        ['anthropic.models.retrieve', undefined],
        ['anthropic.other', undefined],
      ],
    );
  });
});

describe('what a call says', () => {
  it('is on no span: no prompt, no answer, no tool input, no key, however the call ends', async (t) => {
    const canary = (place: string): string => `canary-${place}-5e1f`;
    const key = 'sk-ant-api03-canary-key-5e1f';
    const keyAsModel = 'sk-ant-api03-canary-model-5e1f';
    const traced = await tracing(t);
    const asking = {
      ...PARAMS,
      system: canary('system'),
      metadata: { user_id: canary('user') },
      messages: [{ role: 'user' as const, content: canary('prompt') }],
      tools: [{ name: 'depth', description: canary('tool'), input_schema: { type: 'object' as const } }],
    };
    for (const openTelemetry of [undefined, false] as const) {
      const { claude, sim } = workbench({
        client: { apiKey: key, ...(openTelemetry === false ? { openTelemetry } : {}) },
        simulator: {
          respond: () => ({ text: canary('answer'), toolUse: [{ name: 'depth', input: { at: canary('input') } }] }),
        },
        instrument: { attribution: { tenant: [] }, labels: { tenant: key } },
      });
      await claude.messages.create(asking);
      await claude.messages.stream(asking).finalMessage();
      await claude.messages.create({ ...asking, model: keyAsModel }).catch(() => null);
      sim.script([
        { fault: 'error', status: 400, type: 'invalid_request_error', message: canary('error') },
        { fault: 'error_event', at: 'message_delta' },
      ]);
      await claude.messages.create(asking).catch(() => null);
      await claude.messages
        .stream(asking)
        .finalMessage()
        .catch(() => null);
    }
    await traced.spans();
    const sent = traced.receiver.bytes().toString('latin1');
    assert.ok(sent.includes('claude-haiku-4-5') && sent.includes('plimsoll.attribution.tenant'));
    const leaks = new Set([...sent.matchAll(/canary-\w+-5e1f/g)].map(([leak]) => leak));
    assert.deepEqual([...leaks], ['canary-model-5e1f'], 'the SDK shows the model as it was asked for');
    const own = traced.receiver.spans.filter(({ scope }) => scope === 'plimsoll');
    assert.doesNotMatch(JSON.stringify(own), /5e1f/);
  });
});
