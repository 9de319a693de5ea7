import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { ASK, codeOf, failure, LONG, STREAM, bench, post, settle } from '../../testing/simulator-bench.ts';

describe('a script', () => {
  test('its faults meet requests one by one in order of arrival, and the rest are answered', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'overloaded' }, { fault: 'none' }]);
    claude.script([{ fault: 'server_error' }]);
    assert.equal(claude.scripted, 3);
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => sdk.messages.create(ASK)));
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(
      claude.truth.requests.map(({ fault }) => fault),
      ['overloaded', null, 'server_error', null],
    );
    assert.equal(claude.scripted, 0);
  });

  test('it comes before the scenario and before what a reply says', async () => {
    const scenario = { faults: [{ probability: 1, fault: { fault: 'server_error' } as const }] };
    const { claude, sdk } = bench({ scenario, respond: () => ({ fault: { fault: 'conflict' } }) });
    claude.script([{ fault: 'overloaded' }]);
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'OverloadedError');
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'InternalServerError');
  });

  test('a reply can carry its own fault, for one kind of request', async () => {
    const respond = ({ body }: { body: { model: string } }) =>
      body.model.includes('opus') ? { fault: { fault: 'overloaded' } as const } : undefined;
    const { sdk } = bench({ respond });
    await sdk.messages.create(ASK);
    assert.equal((await failure(sdk.messages.create({ ...ASK, model: 'claude-opus-5-5' }))).name, 'OverloadedError');
  });
});

describe('the connection breaks before the response', () => {
  test('fetch rejects as a real one does, and the SDK calls it a connection error', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'connection_reset' }, { fault: 'connection_reset' }]);
    const plain = await failure(claude.handle(post('/v1/messages', ASK)));
    assert.ok(plain instanceof TypeError);
    assert.equal(plain.message, 'fetch failed');
    assert.equal(codeOf(plain.cause), 'ECONNRESET');
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'APIConnectionError');
  });

  test('it has no status and no bill', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'connection_reset' }]);
    await failure(sdk.messages.create(STREAM));
    const [request] = claude.truth.requests;
    assert.deepEqual([request?.status, request?.delivery, request?.usage, request?.billed], [null, 'none', null, []]);
    assert.equal(claude.truth.statuses.get('none'), 1);
    assert.equal(claude.truth.open, 0);
  });

  test('a response that is lost on its way was made: it is billed, and nobody has its usage', async () => {
    const { claude, sdk } = bench(LONG);
    claude.script([{ fault: 'lost_response' }, { fault: 'lost_response' }]);
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'APIConnectionError');
    await failure(sdk.messages.create(STREAM));
    const seen = claude.truth.requests.map(({ status, delivery, usage, usageReported }) => ({
      status,
      delivery,
      output: usage?.output_tokens,
      usageReported,
    }));
    assert.deepEqual(seen, [
      { status: null, delivery: 'none', output: 100, usageReported: 'none' },
      { status: null, delivery: 'none', output: 0, usageReported: 'none' },
    ]);
    assert.equal(claude.truth.totals().get(ASK.model)?.tokens.output, 100);
    assert.equal(claude.truth.totals('reported').size, 0);
    assert.equal(claude.truth.statuses.get('none'), 2);
  });

  test('the SDK retries on its own', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { claude, sdk } = bench({}, { maxRetries: 1 });
    claude.script([{ fault: 'connection_reset' }]);
    const message = sdk.messages.create(ASK).then((answered) => answered);
    await settle();
    t.mock.timers.tick(500);
    await message;
    assert.deepEqual(
      claude.truth.requests.map(({ status, retryCount }) => [status, retryCount]),
      [
        [null, 0],
        [200, 1],
      ],
    );
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
