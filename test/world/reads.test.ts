/**
 * Endpoints beside the Messages API whose answers have a `usage` of their own: sessions of Managed Agents and their events.
 * The shapes are those of the SDK's types. Reading them is no use of tokens, however often it is done.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { samples, total } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';

const USAGE = {
  ...{ input_tokens: 120_000, output_tokens: 9_000, cache_read_input_tokens: 400_000, active_seconds: 840 },
  list_cost: { amount: '93', currency: 'USD' },
};

const SESSION = { id: 'sesn_01', type: 'session', agent: { model: 'claude-opus-5-5' }, status: 'idle', usage: USAGE };

const EVENTS = [
  { type: 'session.status_running', id: 'sevt_01' },
  { type: 'span.model_request_end', id: 'sevt_02', model_usage: { input_tokens: 9, output_tokens: 3 } },
  { type: 'agent.message', id: 'sevt_03', content: [{ type: 'text', text: 'Done.' }] },
  { type: 'session.usage', id: 'sevt_04', usage: USAGE },
  { type: 'session.status_idle', id: 'sevt_05', stop_reason: { type: 'end_turn' } },
];

function bench() {
  const stream = EVENTS.map((event) => `event: message\ndata: ${JSON.stringify(event)}\n\n`).join('');
  const fetch: typeof globalThis.fetch = async (url) =>
    (url as string).includes('/events')
      ? new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
      : Response.json(SESSION);
  const registry = new Registry();
  const log = new KeepingRecorder();
  const client = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off' });
  return { claude: instrument(client, { registry, recorders: [log] }), registry, log };
}

const MONEY = ['anthropic_tokens_total', 'anthropic_cost_usd_total', 'anthropic_unpriced_requests_total'] as const;

describe('reading a session', () => {
  it('ten times is ten requests, and no tokens, no cost and no unpriced call', async () => {
    const { claude, registry, log } = bench();
    for (let reads = 0; reads < 10; reads++) {
      const { usage } = await claude.beta.sessions.retrieve('sesn_01');
      assert.equal(usage.input_tokens, 120_000);
    }
    await log.finishedCalls(10);
    assert.deepEqual(await samples(registry, 'anthropic_requests_total'), {
      'model=,operation=sessions.retrieve,key=default,outcome=ok': 10,
    });
    for (const name of MONEY) assert.equal(await total(registry, name), 0, name);
    assert.ok(log.calls.every(({ usage, cost }) => usage === null && cost === null));
  });

  it('as events to their end is a whole stream, without tokens', async () => {
    const { claude, registry, log } = bench();
    const types: string[] = [];
    for await (const event of await claude.beta.sessions.events.stream('sesn_01')) types.push(event.type);
    assert.equal(types.length, EVENTS.length);
    await log.finishedCalls(1);
    assert.deepEqual(log.events, ['started', 'attempted 200', 'finished ok']);
    for (const name of [...MONEY, 'plimsoll_errors_total']) assert.equal(await total(registry, name), 0, name);
  });

  it('as events that the program leaves is left by it', async () => {
    const { claude, log } = bench();
    for await (const event of await claude.beta.sessions.events.stream('sesn_01'))
      if (event.type === 'span.model_request_end') break;
    await log.finishedCalls(1);
    assert.equal(log.calls[0]?.outcome, 'cancelled');
  });
});

describe('a message that another address answers', () => {
  it('is counted all the same, because it is one', async () => {
    const { claude, registry } = bench();
    const fetch: typeof globalThis.fetch = async () =>
      Response.json({
        ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-4-5', content: [] },
        ...{ stop_reason: 'end_turn', usage: { input_tokens: 11, output_tokens: 2 } },
      });
    await claude.withOptions({ fetch }).post('/own/answers', { body: {} });
    assert.equal(await total(registry, 'anthropic_tokens_total'), 13);
  });
});
