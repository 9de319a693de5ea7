import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RefusalName } from 'plimsoll/simulator';
import { ASK, bench, refusal } from '../../testing/simulator-bench.ts';

describe('messages say which limit it was, for whom and until when', () => {
  const messages: readonly (readonly [RefusalName, RegExp])[] = [
    [
      'requests_limit',
      /^This request would exceed your organization's rate limit of 10,000 requests per minute \(org: [0-9a-f-]{36}, model: claude-haiku-5-5\)/,
    ],
    ['input_tokens_limit', /rate limit of 10,000,000 input tokens per minute/],
    ['output_tokens_limit', /rate limit of 2,000,000 output tokens per minute/],
    [
      'organization_spend_limit',
      /^You have reached your specified API usage limits\. You will regain access on 2026-12-01 at 00:00 UTC\.$/,
    ],
    ['workspace_spend_limit', /^You have reached your specified workspace API usage limits\./],
    ['tier_spend_cap', /2026-12-01 at 00:00 UTC/],
  ];
  for (const [fault, message] of messages) {
    test(fault, async () => {
      const { claude, sdk } = bench();
      claude.script([{ fault }]);
      assert.match((await refusal(sdk.messages.create(ASK))).apiMessage ?? '', message);
    });
  }

  const exhausted: readonly (readonly [RefusalName, string])[] = [
    ['requests_limit', 'anthropic-ratelimit-requests-remaining'],
    ['input_tokens_limit', 'anthropic-ratelimit-input-tokens-remaining'],
    ['output_tokens_limit', 'anthropic-ratelimit-output-tokens-remaining'],
  ];
  for (const [fault, header] of exhausted) {
    test(`${fault} has ${header}: 0 and nothing else at 0`, async () => {
      const { claude, sdk } = bench();
      claude.script([{ fault }]);
      const { headers } = await refusal(sdk.messages.create(ASK));
      assert.ok(headers);
      const empty = [...headers].filter(([name, value]) => name.endsWith('-remaining') && value === '0');
      assert.deepEqual(
        empty.map(([name]) => name),
        [header],
      );
    });
  }

  test('a spend cap and an acceleration limit leave every remaining figure above 0', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'tier_spend_cap' }, { fault: 'acceleration_limit' }]);
    for (let each = 0; each < 2; each += 1) {
      const { headers } = await refusal(sdk.messages.create(ASK));
      assert.ok(headers);
      const remaining = [...headers].filter(([name]) => name.endsWith('-remaining'));
      assert.ok(remaining.length >= 4 && remaining.every(([, value]) => Number(value) > 0));
    }
  });

  test('the fast-mode limit shows the fast pool, whose headers have no ratelimit in their names', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'fast_mode_limit' }]);
    const { headers } = await refusal(sdk.messages.create({ ...ASK, model: 'claude-opus-5-5', speed: 'fast' }));
    assert.equal(headers?.get('anthropic-fast-input-tokens-remaining'), '0');
    assert.equal(headers?.get('anthropic-ratelimit-input-tokens-remaining'), null);
  });

  test('the fast-mode limit shows the fast pool on a request that is not fast, too', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'fast_mode_limit' }]);
    const { headers } = await refusal(sdk.messages.create(ASK));
    assert.equal(headers?.get('anthropic-fast-input-tokens-remaining'), '0');
    assert.equal(headers?.get('anthropic-ratelimit-input-tokens-remaining'), null);
  });
});

describe('headers can be overridden, on refusals and on answers', () => {
  test('a value replaces, null removes', async () => {
    const { claude, sdk } = bench();
    claude.script([
      { fault: 'requests_limit', headers: { 'retry-after': null, 'retry-after-ms': '20', 'x-should-retry': 'false' } },
      { fault: 'headers', headers: { 'retry-after': '31', 'anthropic-ratelimit-requests-reset': 'soon' } },
    ]);
    const { headers } = await refusal(sdk.messages.create(ASK));
    assert.deepEqual(
      ['retry-after', 'retry-after-ms', 'x-should-retry'].map((name) => headers?.get(name)),
      [null, '20', 'false'],
    );
    const { response } = await sdk.messages.create(ASK).withResponse();
    assert.equal(response.headers.get('retry-after'), '31');
    assert.equal(response.headers.get('anthropic-ratelimit-requests-reset'), 'soon');
  });

  test('the SDK obeys what the retry headers say', async () => {
    const { claude, sdk } = bench({}, { maxRetries: 2 });
    claude.script([{ fault: 'requests_limit', headers: { 'x-should-retry': 'false' } }]);
    await refusal(sdk.messages.create(ASK));
    assert.equal(claude.truth.requests.length, 1);
    claude.script([
      { fault: 'invalid_request', headers: { 'x-should-retry': 'true', 'retry-after-ms': '1' } },
      { fault: 'overloaded', headers: { 'retry-after-ms': '1' } },
    ]);
    await sdk.messages.create(ASK);
    assert.deepEqual(
      claude.truth.requests.map(({ status, retryCount }) => [status, retryCount]),
      [
        [429, 0],
        [400, 0],
        [529, 1],
        [200, 2],
      ],
    );
  });
});
