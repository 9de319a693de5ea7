import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { ASK, bench, NOW_MS, StandingClock } from '../../testing/simulator-bench.ts';

const HOUR_MS = 3_600_000;

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

  test('it takes as long as the scenario says', async () => {
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

  test('a bad item fails alone, and a hook can refuse an item', async () => {
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

  test('items are billed at half price and counted once, however often they are read', async () => {
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

  test('of results that break off, the lines that arrived are counted', async () => {
    const { sdk, claude } = bench();
    const { id } = await sdk.messages.batches.create({ requests });
    claude.script([{ fault: 'none' }, { fault: 'body_reset' }]);
    await assert.rejects(resultsOf(sdk, id));
    assert.deepEqual(
      claude.truth.batchItems.map(({ wasRead: told }) => told),
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

  test('a batch belongs to its organization', async () => {
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
