/**
 * Errors in the body of a 200, as servers send them after their head has gone out. The right values are by hand: what the
 * error's type means where it comes with a status.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, type Call, type Rejection } from 'plimsoll';
import { Registry } from 'prom-client';
import { collected, PARAMS, samples } from '../../testing/client-workbench.ts';

const START =
  'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",' +
  '"model":"claude-haiku-4-5","content":[],"usage":{"input_tokens":12,"output_tokens":1}}}\n\n';

const REPORTS: Readonly<Record<string, readonly [error: string, expected: Rejection]>> = {
  'an overload, with details and padding': [
    '{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}              }',
    { outcome: 'overloaded', rateLimitReason: null, spendScope: null },
  ],
  'a rate limit that names itself': [
    '{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed the rate limit for your organization (d1f8a929) of 8,000 output tokens per minute."}}',
    { outcome: 'rate_limited', rateLimitReason: 'output_tokens', spendScope: null },
  ],
  'a rate limit that does not': [
    '{"type":"error","error":{"type":"rate_limit_error","message":"Rate limited"}}',
    { outcome: 'rate_limited', rateLimitReason: 'unknown', spendScope: null },
  ],
  'a failure of the server': [
    '{"type":"error","error":{"type":"api_error","message":"Internal server error"},"request_id":"req_1"}',
    { outcome: 'server_error', rateLimitReason: null, spendScope: null },
  ],
  'a prompt that is too long after all': [
    '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 205351 tokens > 200000 maximum"}}',
    { outcome: 'invalid_request', rateLimitReason: null, spendScope: null },
  ],
  'credit that runs out': [
    '{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}',
    { outcome: 'out_of_credit', rateLimitReason: null, spendScope: 'credit' },
  ],
  'a type that nobody has heard of': [
    '{"type":"error","error":{"type":"sunspot_error","message":"…"}}',
    { outcome: 'stream_error', rateLimitReason: null, spendScope: null },
  ],
};

interface Told {
  readonly call: Call;
  readonly registry: Registry;
}

async function told(body: string, type: string, make: (claude: Anthropic) => Promise<unknown>): Promise<Told> {
  const registry = new Registry();
  const fetch = (): Promise<Response> => Promise.resolve(new Response(body, { headers: { 'content-type': type } }));
  const plain = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off', maxRetries: 0 });
  const call = await new Promise<Call>((onCall) => {
    make(instrument(plain, { registry, onCall })).catch(() => undefined);
  });
  return { call, registry };
}

const streamed = async (claude: Anthropic): Promise<unknown> =>
  collected(await claude.messages.create({ ...PARAMS, stream: true }));

async function assertTold({ call, registry }: Told, expected: Rejection): Promise<void> {
  assert.equal(call.outcome, expected.outcome);
  assert.deepEqual({ ...call.rejection }, expected);
  const of = { model: 'claude-haiku-4-5', key: 'default' };
  const labels = Object.entries(of).map(([name, value]) => `${name}=${value}`);
  const key = (more: string): string => [...labels, more].join(',');
  const { rateLimitReason: reason, spendScope: scope } = expected;
  const count = async (metric: string): Promise<unknown> => samples(registry, metric);
  assert.deepEqual(
    await count('anthropic_rate_limited_total'),
    reason === null ? {} : { [key(`reason=${reason}`)]: 1 },
  );
  assert.deepEqual(await count('anthropic_spend_limited_total'), scope === null ? {} : { [key(`scope=${scope}`)]: 1 });
  const overloads = expected.outcome === 'overloaded' ? { [labels.join(',')]: 1 } : {};
  assert.deepEqual(await count('anthropic_overloaded_total'), overloads);
}

describe('an error in the body of a 200 is counted as what it is', () => {
  for (const [name, [error, expected]] of Object.entries(REPORTS)) {
    it(`in a stream that had begun: ${name}`, async () => {
      const had = await told(`${START}event: error\ndata: ${error}\n\n`, 'text/event-stream; charset=utf-8', streamed);
      await assertTold(had, expected);
      assert.equal(had.call.usage?.parts[0]?.tokens.input, 12);
    });

    it(`as the only event of a stream: ${name}`, async () => {
      await assertTold(await told(`event: error\ndata: ${error}\n\n`, 'text/event-stream', streamed), expected);
    });

    it(`as a JSON document: ${name}`, async () => {
      const had = await told(error, 'application/json', (claude) => claude.messages.create(PARAMS));
      await assertTold(had, expected);
    });
  }

  it('without a type of its own, as other servers write errors', async () => {
    const error = '{"error":{"message":"upstream is down","code":502}}';
    const had = await told(error, 'application/json', (claude) => claude.messages.create(PARAMS));
    assert.equal(had.call.outcome, 'stream_error');
  });
});
