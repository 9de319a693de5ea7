import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic, { toFile } from '@anthropic-ai/sdk';
import { simulator } from 'plimsoll/simulator';
import { ASK, bench, NOW_MS, StandingClock } from '../../testing/simulator-bench.ts';

const HOUR_MS = 3_600_000;

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

  test('what was made up adds up too, with thinking where it was asked for', async () => {
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

  test('a beta stream tells the iterations of a compaction and an advisor', async () => {
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

describe('batches through the real SDK', () => {
  const requests = ['a', 'b', 'c', 'd'].map((custom_id) => ({ custom_id, params: ASK }));

  async function resultsOf(sdk: Anthropic, id: string): Promise<Readonly<Record<string, string>>> {
    const results: Record<string, string> = {};
    for await (const line of await sdk.messages.batches.results(id)) {
      const { result } = line;
      results[line.custom_id] = result.type === 'errored' ? `errored ${result.error.error.type}` : result.type;
    }
    return results;
  }

  test('a batch is in progress when it is made, and has results when it has ended', async () => {
    const { sdk } = bench();
    const made = await sdk.messages.batches.create({ requests });
    assert.deepEqual(
      [made.processing_status, made.request_counts.processing, made.results_url],
      ['in_progress', 4, null],
    );
    const ended = await sdk.messages.batches.retrieve(made.id);
    assert.deepEqual(ended.request_counts, { processing: 0, succeeded: 4, errored: 0, canceled: 0, expired: 0 });
    assert.deepEqual(await resultsOf(sdk, made.id), { a: 'succeeded', b: 'succeeded', c: 'succeeded', d: 'succeeded' });
  });

  test('it takes its time', async () => {
    const clock = new StandingClock();
    const { sdk } = bench({ clock, scenario: { latency: { batchMs: { kind: 'constant', value: HOUR_MS } } } });
    const { id } = await sdk.messages.batches.create({ requests });
    clock.advance(HOUR_MS - 1);
    assert.equal((await sdk.messages.batches.retrieve(id)).processing_status, 'in_progress');
    await assert.rejects(sdk.messages.batches.results(id), /Has it finished processing/);
    clock.advance(1);
    const ended = await sdk.messages.batches.retrieve(id);
    assert.deepEqual([ended.processing_status, ended.ended_at], ['ended', new Date(NOW_MS + HOUR_MS).toISOString()]);
  });

  test('what was done when it is canceled keeps its result, the rest is canceled', async () => {
    const clock = new StandingClock();
    const { sdk, claude } = bench({ clock, scenario: { latency: { batchMs: { kind: 'constant', value: 4_000 } } } });
    const { id } = await sdk.messages.batches.create({ requests });
    clock.advance(2_000);
    const canceling = await sdk.messages.batches.cancel(id);
    assert.deepEqual([canceling.processing_status, canceling.request_counts.processing], ['canceling', 4]);
    assert.deepEqual(await resultsOf(sdk, id), { a: 'succeeded', b: 'succeeded', c: 'canceled', d: 'canceled' });
    assert.deepEqual(
      claude.truth.batchItems.map(({ billed }) => billed.length),
      [1, 1, 0, 0],
    );
    await assert.rejects(sdk.messages.batches.cancel(id), Anthropic.BadRequestError);
  });

  test('what is not done after a day has expired', async () => {
    const clock = new StandingClock();
    const { sdk } = bench({ clock, scenario: { latency: { batchMs: { kind: 'constant', value: 48 * HOUR_MS } } } });
    const { id } = await sdk.messages.batches.create({ requests });
    clock.advance(24 * HOUR_MS);
    assert.deepEqual(await resultsOf(sdk, id), { a: 'succeeded', b: 'succeeded', c: 'expired', d: 'expired' });
  });

  test('a bad item is errored by itself, and a hook can refuse one', async () => {
    const { sdk, claude } = bench({
      respond: ({ batchItem }) => (batchItem === 'c' ? { fault: { fault: 'overloaded' } } : undefined),
    });
    const { id } = await sdk.messages.batches.create({
      requests: [
        { custom_id: 'a', params: { ...ASK, max_tokens: 0 } },
        { custom_id: 'b', params: { ...ASK, model: 'claude-typo' } },
        { custom_id: 'c', params: ASK },
        { custom_id: 'd', params: ASK },
        { custom_id: 'e', params: { ...ASK, model: 'claude-opus-5-5', speed: 'fast' } },
      ],
    });
    assert.deepEqual(await resultsOf(sdk, id), {
      a: 'errored invalid_request_error',
      b: 'errored not_found_error',
      c: 'errored overloaded_error',
      d: 'succeeded',
      e: 'errored invalid_request_error',
    });
    assert.deepEqual((await sdk.messages.batches.retrieve(id)).request_counts.errored, 4);
    assert.deepEqual(
      claude.truth.batchItems.map(({ result }) => result).filter((result) => result === 'succeeded').length,
      1,
    );
  });

  test('items are billed at half price once, and told once, however often they are read', async () => {
    const { sdk, claude } = bench({ respond: () => ({ usage: { input_tokens: 1_000, output_tokens: 100 } }) });
    const { id } = await sdk.messages.batches.create({ requests });
    await sdk.messages.batches.retrieve(id);
    // 4 × (1,000 × 50 + 100 × 250).
    assert.equal(claude.truth.totals().get(ASK.model)?.totalNanoUsd, 300_000);
    assert.equal(claude.truth.totals('reported').size, 0);
    await resultsOf(sdk, id);
    await resultsOf(sdk, id);
    assert.equal(claude.truth.totals().get(ASK.model)?.totalNanoUsd, 300_000);
    assert.deepEqual(claude.truth.totals('reported'), claude.truth.totals());
    assert.equal(claude.truth.batchItems[0]?.usage?.service_tier, 'batch');
  });

  test('of results that break off, the lines that arrived are told', async () => {
    const { sdk, claude } = bench();
    const { id } = await sdk.messages.batches.create({ requests });
    claude.script([{ fault: 'none' }, { fault: 'body_reset' }]);
    await assert.rejects(resultsOf(sdk, id));
    assert.deepEqual(
      claude.truth.batchItems.map(({ told }) => told),
      [true, true, false, false],
    );
  });

  test('batches are listed newest first, page by page, and can be deleted when they have ended', async () => {
    const { sdk } = bench();
    const ids: string[] = [];
    for (let each = 0; each < 5; each += 1) ids.push((await sdk.messages.batches.create({ requests })).id);
    const listed: string[] = [];
    for await (const batch of sdk.messages.batches.list({ limit: 2 })) listed.push(batch.id);
    assert.deepEqual(listed, ids.toReversed());
    await sdk.messages.batches.delete(ids[0] ?? '');
    await assert.rejects(sdk.messages.batches.retrieve(ids[0] ?? ''), Anthropic.NotFoundError);
  });

  test('a batch in progress cannot be deleted, nor a queue filled beyond its limit', async () => {
    const clock = new StandingClock();
    const { sdk } = bench({
      clock,
      tier: 'start',
      scenario: { latency: { batchMs: { kind: 'constant', value: HOUR_MS } } },
    });
    const many = Array.from({ length: 70_000 }, (_, index) => ({
      custom_id: String(index),
      params: { ...ASK, max_tokens: 1 },
    }));
    const { id } = await sdk.messages.batches.create({ requests: many });
    await assert.rejects(sdk.messages.batches.delete(id), Anthropic.BadRequestError);
    await sdk.messages.batches.create({ requests: many });
    await assert.rejects(sdk.messages.batches.create({ requests: many }), /limit of 200,000 batch requests/);
  });

  test('a batch belongs to its organisation', async () => {
    const keys = [
      { name: 'one', key: 'one' },
      { name: 'two', key: 'two', organization: 'org-two' },
    ];
    const { sdk, claude } = bench({ keys }, { apiKey: 'one' });
    const { id } = await sdk.messages.batches.create({ requests });
    const other = new Anthropic({ apiKey: 'two', fetch: claude.fetch, maxRetries: 0 });
    await assert.rejects(other.messages.batches.retrieve(id), Anthropic.NotFoundError);
    assert.equal((await other.messages.batches.list()).data.length, 0);
  });
});

describe('models through the real SDK', () => {
  test('all are listed, newest first, page by page', async () => {
    const { sdk, claude } = bench();
    const ids: string[] = [];
    const created: string[] = [];
    for await (const model of sdk.models.list({ limit: 10 })) {
      ids.push(model.id);
      created.push(model.created_at);
    }
    assert.ok(ids.length > 20 && new Set(ids).size === ids.length);
    assert.deepEqual(created, created.toSorted().toReversed());
    assert.equal(claude.truth.requests.length, Math.ceil(ids.length / 10));
  });

  test('one is found by its id and by its alias, with where it is in its life', async () => {
    const { sdk } = bench();
    const model = await sdk.models.retrieve('claude-sonnet-4-5');
    assert.deepEqual(
      [model.id, model.lifecycle, model.retires_at, model.line],
      ['claude-sonnet-4-5-20250929', 'deprecated', '2026-11-30T00:00:00Z', 'sonnet'],
    );
    assert.equal((await sdk.models.retrieve('claude-opus-4-1')).lifecycle, 'retired');
    assert.equal((await sdk.models.retrieve('claude-opus-5-5')).lifecycle, 'active');
    await assert.rejects(sdk.models.retrieve('claude-typo'), Anthropic.NotFoundError);
  });
});

describe('files through the real SDK', () => {
  test('a file is uploaded, listed, described and deleted', async () => {
    const { sdk } = bench();
    const bytes = new Uint8Array([0, 255, 10, 200]);
    const file = await sdk.files.upload({ file: await toFile(bytes, 'chart.png', { type: 'image/png' }) });
    assert.deepEqual(
      [file.filename, file.mime_type, file.size_bytes, file.downloadable],
      ['chart.png', 'image/png', 4, false],
    );
    const second = await sdk.files.upload({ file: await toFile(bytes, 'two.png') });
    const listed: string[] = [];
    for await (const each of sdk.files.list({ limit: 1 })) listed.push(each.id);
    assert.deepEqual(listed, [second.id, file.id]);
    assert.deepEqual(await sdk.files.retrieveMetadata(file.id), file);
    await sdk.files.delete(file.id);
    await assert.rejects(sdk.files.retrieveMetadata(file.id), Anthropic.NotFoundError);
  });

  test('what a user uploaded cannot be downloaded, as at the API', async () => {
    const { sdk } = bench();
    const { id } = await sdk.files.upload({ file: await toFile(Buffer.from('log'), 'log.txt') });
    await assert.rejects(sdk.files.download(id), { name: 'FileNotDownloadableError', status: 400 });
  });

  test('where the simulator is told to, every byte comes back', async () => {
    const { sdk } = bench({ downloadableFiles: 'uploaded' });
    const bytes = new Uint8Array(Array.from({ length: 256 }, (_, byte) => byte));
    const { id } = await sdk.files.upload({ file: await toFile(bytes, 'all.bin') });
    const response = await sdk.files.download(id);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
  });
});
