import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { simulator } from 'plimsoll/simulator';
import { ASK, bench } from '../../testing/simulator-bench.ts';

describe('messages through the real SDK', () => {
  const rich = () => ({
    thinking: 'A greeting. 🐟 Answer in kind.',
    text: 'Ahoy! Ünïcode 🐟🐟🐟 survives however it is cut.',
    toolUse: [{ name: 'weather', input: { place: 'Þórshöfn', days: [1, 2] } }],
  });

  test('a stream adds up to what JSON would have been', async () => {
    const json = await bench({ respond: rich }).sdk.messages.create(ASK);
    const { parsed_output: _parsed, ...streamed } = await bench({ respond: rich })
      .sdk.messages.stream(ASK)
      .finalMessage();
    assert.deepEqual(streamed, json);
    assert.deepEqual(
      json.content.map(({ type }) => type),
      ['thinking', 'text', 'tool_use'],
    );
    assert.equal(json.stop_reason, 'tool_use');
  });

  test('a made-up answer adds up too, with thinking if it was requested', async () => {
    const ask = { ...ASK, max_tokens: 2_000, thinking: { type: 'enabled', budget_tokens: 1_024 } } as const;
    const json = await bench().sdk.messages.create(ask);
    const streamed = await bench().sdk.messages.stream(ask).finalMessage();
    assert.deepEqual(streamed.content, json.content);
    assert.deepEqual(
      json.content.map(({ type }) => type),
      ['thinking', 'text'],
    );
    assert.ok((json.usage.output_tokens_details?.thinking_tokens ?? 0) > 0);
  });

  test('every field of the usage arrives', async () => {
    const usage = {
      input_tokens: 1,
      output_tokens: 2,
      cache_read_input_tokens: 3,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 5 },
      output_tokens_details: { thinking_tokens: 1 },
      server_tool_use: { web_search_requests: 6, web_fetch_requests: 7 },
      service_tier: 'priority',
      inference_geo: 'us',
      speed: 'fast',
    } as const;
    const expected = { ...usage, cache_creation_input_tokens: 9 };
    const { sdk } = bench({ respond: () => ({ text: 'Ahoy', usage }) });
    assert.deepEqual({ ...(await sdk.messages.create(ASK)).usage }, expected);
    assert.deepEqual({ ...(await sdk.messages.stream(ASK).finalMessage()).usage }, expected);
  });

  test('a beta stream reports the iterations of a compaction and an advisor', async () => {
    const respond = () => ({
      text: 'Ahoy',
      usage: {
        iterations: [
          { type: 'compaction', input_tokens: 100, output_tokens: 10 },
          { type: 'message', input_tokens: 20, output_tokens: 5 },
          { type: 'advisor_message', model: 'claude-opus-5-5', input_tokens: 7, output_tokens: 3 },
        ] as const,
      },
    });
    const { usage } = await bench({ respond }).sdk.beta.messages.stream(ASK).finalMessage();
    assert.deepEqual(
      usage.iterations?.map(({ type }) => type),
      ['compaction', 'message', 'advisor_message'],
    );
    assert.deepEqual([usage.input_tokens, usage.output_tokens], [27, 8]);
  });

  test('max_tokens cuts what is made up', async () => {
    const scenario = { outputTokens: { kind: 'constant', value: 500 } } as const;
    const message = await bench({ scenario }).sdk.messages.create({ ...ASK, max_tokens: 50 });
    assert.deepEqual([message.usage.output_tokens, message.stop_reason], [50, 'max_tokens']);
  });

  test('a tool that is forced is called; a tool runner goes on with its result', async () => {
    const asked: unknown[] = [];
    const { sdk, claude } = bench({
      respond: ({ body }) =>
        body.messages.length === 1 ? { toolUse: [{ name: 'add', input: { a: 1, b: 2 } }] } : { text: 'It is 3.' },
    });
    const message = await sdk.beta.messages.toolRunner({
      ...ASK,
      tools: [
        {
          type: 'custom',
          name: 'add',
          description: 'adds',
          input_schema: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } },
          run: (input: unknown) => {
            asked.push(input);
            return '3';
          },
          parse: (input: unknown) => input,
        },
      ],
    });
    assert.deepEqual(asked, [{ a: 1, b: 2 }]);
    assert.equal(message.content[0]?.type === 'text' && message.content[0].text, 'It is 3.');
    assert.equal(claude.truth.requests.length, 2);
    const forced = await bench().sdk.messages.create({
      ...ASK,
      tools: [{ name: 'add', input_schema: { type: 'object' } }],
      tool_choice: { type: 'tool', name: 'add' },
    });
    assert.equal(forced.content[0]?.type, 'tool_use');
  });

  test('a conversation that the API holds goes on from its last answer, and counts as a whole', async () => {
    const { sdk } = bench();
    const first = await sdk.beta.messages.create({ ...ASK, thread: { type: 'create' } });
    const next = { ...ASK, thread: { type: 'continue', previous_message_id: first.id } } as const;
    const second = await sdk.beta.messages.create(next);
    assert.ok(second.usage.input_tokens > 2 * first.usage.input_tokens);
    const unknown = { ...next, thread: { ...next.thread, previous_message_id: 'msg_never' } };
    await assert.rejects(sdk.beta.messages.create(unknown), { name: 'ThreadNotFoundError', status: 404 });
  });

  test('ids, headers and the raw response are there', async () => {
    const { sdk } = bench();
    const { data, request_id, response } = await sdk.messages.create(ASK).withResponse();
    assert.match(data.id, /^msg_01[1-9A-HJ-NP-Za-km-z]{22}$/);
    assert.equal(response.headers.get('request-id'), request_id);
  });

  test('count_tokens counts about four characters a token', async () => {
    const { sdk } = bench();
    const count = async (content: string): Promise<number> =>
      (await sdk.messages.countTokens({ model: ASK.model, messages: [{ role: 'user', content }] })).input_tokens;
    const short = await count('');
    assert.equal((await count('x'.repeat(400))) - short, 100);
  });

  test('a hook that throws is the failure of its request', async () => {
    const claude = simulator({
      respond: () => {
        throw new Error('a mistake in the test');
      },
    });
    const sdk = new Anthropic({ apiKey: 'test', fetch: claude.fetch, maxRetries: 0 });
    await assert.rejects(
      sdk.messages.create(ASK),
      (error: Error) => (error.cause as Error).message === 'a mistake in the test',
    );
    assert.equal(claude.truth.open, 0);
  });
});
