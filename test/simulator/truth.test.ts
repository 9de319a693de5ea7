import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { simulator, type Totals, type TruthRequest } from 'plimsoll/simulator';
import { ASK, bench, get, NOW_MS, post, settle, SkippingClock, StandingClock } from '../../testing/simulator-bench.ts';

const STREAM = { ...ASK, stream: true } as const;

/** Haiku 5.5: 1,000 in at 100, 100 out at 500 nano-dollars; 400 characters in 18 deltas. */
const KNOWN = { respond: () => ({ text: 'ahoy'.repeat(100), usage: { input_tokens: 1_000, output_tokens: 100 } }) };

/** Reads so many pieces and leaves. */
async function readSome(response: Response, pieces: number): Promise<void> {
  const reader = response.body?.getReader();
  for (let piece = 0; piece < pieces; piece += 1) await reader?.read();
  await reader?.cancel();
}

function billedNanoUsd(request: TruthRequest | undefined): number {
  return (request?.billed ?? []).reduce((sum, { nanoUsd }) => sum + (nanoUsd?.input ?? 0) + (nanoUsd?.output ?? 0), 0);
}

describe('a record tells of one request', () => {
  test('who asked what, when, and what was answered', async () => {
    const { claude } = bench({
      ...KNOWN,
      clock: new SkippingClock(),
      scenario: { latency: { firstByteMs: { kind: 'constant', value: 250 } } },
    });
    const response = await claude.handle(post('/v1/messages?beta=true', ASK, { 'x-stainless-retry-count': '2' }));
    await response.text();
    const [request] = claude.truth.requests;
    assert.deepEqual(
      { ...request, usage: null, billed: null, verdict: { ...request?.verdict, startUsage: null } },
      {
        number: 1,
        id: response.headers.get('request-id'),
        startedAtMs: NOW_MS,
        endedAtMs: NOW_MS + 250,
        method: 'POST',
        path: '/v1/messages',
        operation: 'messages.create',
        requestedModel: 'claude-haiku-5-5',
        model: 'claude-haiku-5-5',
        key: 'any',
        retryCount: 2,
        status: 200,
        errorType: null,
        errorCode: null,
        fault: null,
        streamed: false,
        toProfile: false,
        eventsSent: 0,
        delivery: 'complete',
        usageReported: 'full',
        verdict: { stopReason: 'max_tokens', refusals: [null], fallbackFrom: null, startUsage: null, cacheMiss: null },
        usage: null,
        billed: null,
      },
    );
  });

  test('the model that answered is its dated id, where it has one', async () => {
    const { claude } = bench();
    await claude.handle(post('/v1/messages', { ...ASK, model: 'claude-sonnet-4-5' }));
    assert.equal(claude.truth.requests[0]?.requestedModel, 'claude-sonnet-4-5');
    assert.equal(claude.truth.requests[0]?.model, 'claude-sonnet-4-5-20250929');
  });

  test('operations are named as the methods of the SDK', async () => {
    const { claude, sdk } = bench();
    await sdk.messages.create(ASK);
    await sdk.messages.stream(ASK).finalMessage();
    await sdk.messages.countTokens({ model: ASK.model, messages: ASK.messages });
    const { id } = await sdk.messages.batches.create({ requests: [{ custom_id: 'a', params: ASK }] });
    await sdk.messages.batches.list();
    for await (const line of await sdk.messages.batches.results(id)) assert.equal(line.custom_id, 'a');
    await sdk.messages.batches.delete(id);
    await sdk.models.list();
    await sdk.models.retrieve(ASK.model);
    const file = await sdk.files.upload({ file: new File(['log'], 'log.txt') });
    await sdk.files.list();
    await sdk.files.retrieveMetadata(file.id);
    await sdk.files.delete(file.id);
    await claude.handle(get('/v1/unknown'));
    assert.deepEqual(
      claude.truth.requests.map(({ operation }) => operation),
      [
        'messages.create',
        'messages.stream',
        'messages.count_tokens',
        'messages.batches.create',
        'messages.batches.list',
        'messages.batches.retrieve',
        'messages.batches.results',
        'messages.batches.delete',
        'models.list',
        'models.retrieve',
        'files.upload',
        'files.list',
        'files.retrieve_metadata',
        'files.delete',
        'other',
      ],
    );
  });
});

describe('what is billed when a body does not arrive whole', () => {
  test('JSON is billed in full when its head is sent, read or not', async () => {
    const { claude } = bench(KNOWN);
    const unread = await claude.handle(post('/v1/messages', ASK));
    assert.equal(billedNanoUsd(claude.truth.requests[0]), 100_000 + 50_000);
    assert.deepEqual([claude.truth.open, claude.truth.requests[0]?.usageReported], [1, 'none']);
    await unread.body?.cancel();
    assert.deepEqual([claude.truth.open, claude.truth.requests[0]?.delivery], [0, 'cancelled']);
    assert.equal(claude.truth.totals().get(ASK.model)?.totalNanoUsd, 150_000);
    assert.equal(claude.truth.totals('reported').size, 0);
  });

  test('a stream that is read to its end is billed in full and delivered in full', async () => {
    const { claude } = bench(KNOWN);
    await (await claude.handle(post('/v1/messages', STREAM))).text();
    assert.equal(billedNanoUsd(claude.truth.requests[0]), 150_000);
    assert.deepEqual(claude.truth.totals('reported'), claude.truth.totals());
  });

  test('a stream that was abandoned is billed for its input and what was generated until then', async () => {
    const { claude } = bench(KNOWN);
    // message_start, content_block_start, ping; deltas of 4 and 24 characters: 28 of 400 are 7 of 100 tokens.
    await readSome(await claude.handle(post('/v1/messages', STREAM)), 5);
    const [request] = claude.truth.requests;
    assert.deepEqual([request?.usage?.input_tokens, request?.usage?.output_tokens], [1_000, 7]);
    assert.equal(billedNanoUsd(request), 100_000 + 3_500);
    assert.equal(request?.usageReported, 'start');
    assert.equal(claude.truth.totals('reported').size, 0);
  });

  test('a stream that was abandoned before any output is billed for its input', async () => {
    const { claude } = bench(KNOWN);
    await readSome(await claude.handle(post('/v1/messages', STREAM)), 1);
    assert.equal(billedNanoUsd(claude.truth.requests[0]), 100_000);
  });

  test('a stream that was abandoned after its last delta is billed for all, and was delivered if it had message_delta', async () => {
    const { claude } = bench(KNOWN);
    const events = (await (await claude.handle(post('/v1/messages', STREAM))).text()).trimEnd().split('\n\n').length;
    // All but message_stop; all but message_delta and message_stop.
    await readSome(await claude.handle(post('/v1/messages', STREAM)), events - 1);
    await readSome(await claude.handle(post('/v1/messages', STREAM)), events - 2);
    assert.deepEqual(
      claude.truth.requests.map((request) => [billedNanoUsd(request), request.usageReported, request.delivery]),
      [
        [150_000, 'full', 'complete'],
        [150_000, 'full', 'cancelled'],
        [150_000, 'start', 'cancelled'],
      ],
    );
  });

  for (const fault of ['body_reset', 'cut_body', 'error_event'] as const) {
    test(`a stream with ${fault} is billed for what was generated until then`, async () => {
      const { claude } = bench(KNOWN);
      claude.script([{ fault, at: 5 }]);
      const response = await claude.handle(post('/v1/messages', STREAM));
      await response.text().catch(() => null);
      assert.equal(billedNanoUsd(claude.truth.requests[0]), 103_500);
      assert.deepEqual([claude.truth.requests[0]?.delivery, claude.truth.requests[0]?.fault], ['cut', fault]);
    });
  }

  test('input that grows in the answer is billed as message_start had it until all was generated', async () => {
    const usage = { input_tokens: 10_000, output_tokens: 100, server_tool_use: { web_search_requests: 1 } };
    const { claude } = bench({
      respond: () => ({ text: 'ahoy'.repeat(100), usage, startUsage: { input_tokens: 2_000 } }),
    });
    await readSome(await claude.handle(post('/v1/messages', STREAM)), 4);
    await (await claude.handle(post('/v1/messages', STREAM))).text();
    assert.deepEqual(
      claude.truth.requests.map(({ billed }) => [billed[0]?.tokens.input, billed[0]?.nanoUsd?.server_tools]),
      [
        [2_000, 0],
        [10_000, 10_000_000],
      ],
    );
  });
});

describe('totals', () => {
  test('they add up by model and kind, and show what never reached the reader', async () => {
    const usage = {
      input_tokens: 10,
      output_tokens: 20,
      cache_read_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 50 },
      server_tool_use: { web_search_requests: 1 },
    };
    const { claude } = bench({ respond: () => ({ usage }) });
    const sonnet = { ...ASK, model: 'claude-sonnet-5-5' };
    await (await claude.handle(post('/v1/messages', sonnet))).text();
    await (await claude.handle(post('/v1/messages', sonnet))).body?.cancel();
    const one: Totals = {
      parts: 1,
      tokens: { input: 10, output: 20, cache_read: 30, cache_write_5m: 40, cache_write_1h: 50 },
      nanoUsd: {
        input: 20_000,
        output: 200_000,
        cache_read: 3_000,
        cache_write_5m: 100_000,
        cache_write_1h: 200_000,
        server_tools: 10_000_000,
      },
      totalNanoUsd: 10_523_000,
      unpriced: 0,
    };
    assert.deepEqual(claude.truth.totals('reported').get('claude-sonnet-5-5'), one);
    const both = claude.truth.totals().get('claude-sonnet-5-5');
    assert.equal(both?.totalNanoUsd, 2 * one.totalNanoUsd);
    assert.equal(both?.tokens.cache_write_1h, 100);
  });

  test('they are those of the records, whatever happens to the requests', async () => {
    const faults = [
      'none',
      'overloaded',
      'connection_reset',
      'body_reset',
      'cut_body',
      'malformed_json',
      'error_event',
    ] as const;
    const request = fc.record({
      stream: fc.boolean(),
      fault: fc.constantFrom(...faults),
      pieces: fc.nat({ max: 12 }),
      model: fc.constantFrom('claude-haiku-5-5', 'claude-opus-5-5'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 12 }), fc.nat(), async (requests, seed) => {
        const claude = simulator({ seed, clock: new StandingClock() });
        for (const { stream, fault, pieces, model } of requests) {
          claude.script([{ fault }]);
          try {
            await readSome(await claude.handle(post('/v1/messages', { ...ASK, model, stream })), pieces);
          } catch {
            // Broken connections are part of the scenario.
          }
        }
        for (const which of ['billed', 'reported'] as const) {
          const counted = claude.truth.requests.filter(
            ({ usageReported }) => which === 'billed' || usageReported === 'full',
          );
          const expected = new Map<string, number>();
          for (const part of counted.flatMap(({ billed }) => billed)) {
            const sum = Object.values(part.nanoUsd ?? {}).reduce((all, nanoUsd) => all + nanoUsd, 0);
            expected.set(part.model, (expected.get(part.model) ?? 0) + sum);
          }
          const totals = [...claude.truth.totals(which)].map(
            ([model, { totalNanoUsd }]) => [model, totalNanoUsd] as const,
          );
          assert.deepEqual(new Map(totals), expected);
        }
        assert.equal(
          [...claude.truth.statuses.values()].reduce((sum, count) => sum + count, 0),
          requests.length,
        );
        assert.equal(claude.truth.open, 0);
      }),
      { numRuns: 60 },
    );
  });

  test('they are kept for all requests, and details for as many as the option says', async () => {
    const { claude } = bench({ ...KNOWN, keepRequests: 2 });
    for (let each = 0; each < 50; each += 1) await (await claude.handle(post('/v1/messages', ASK))).text();
    assert.deepEqual(
      claude.truth.requests.map(({ number }) => number),
      [49, 50],
    );
    assert.equal(claude.truth.totals().get(ASK.model)?.totalNanoUsd, 50 * 150_000);
    assert.equal(claude.truth.totals('reported').get(ASK.model)?.parts, 50);
    assert.equal(claude.truth.statuses.get(200), 50);
  });

  test('a request that is still open when its detail is dropped is counted when it ends', async () => {
    const { claude } = bench({ ...KNOWN, keepRequests: 0 });
    const response = await claude.handle(post('/v1/messages', STREAM));
    assert.deepEqual([claude.truth.requests.length, claude.truth.open], [0, 1]);
    await response.text();
    assert.deepEqual([claude.truth.totals().get(ASK.model)?.parts, claude.truth.open], [1, 0]);
  });

  test('the price of the day on which a request came holds, however late it ends', async () => {
    const clock = new StandingClock();
    clock.advance(Date.UTC(2026, 9, 6, 23, 59) - NOW_MS);
    const usage = { input_tokens: 0, output_tokens: 0, cache_read_input_tokens: 1_000 };
    const claude = simulator({ clock, respond: () => ({ usage }) });
    const response = await claude.handle(post('/v1/messages', { ...STREAM, model: 'claude-sonnet-5-5' }));
    clock.advance(3_600_000);
    await response.text();
    await settle();
    assert.equal(claude.truth.requests[0]?.billed[0]?.nanoUsd?.cache_read, 200_000);
  });
});
