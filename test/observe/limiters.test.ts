import assert from 'node:assert/strict';
import { it } from 'node:test';
import { limiters } from '../../src/observe/limiters.ts';
import { CASSETTES } from '../../testing/cassettes/cassettes.ts';

it('reads the limits of every recorded response as its headers say them', () => {
  const limited = CASSETTES.filter(({ response }) => 'anthropic-ratelimit-requests-limit' in response.headers);
  assert.ok(limited.length > 20);
  for (const { response, source } of limited) {
    const found = limiters(new Headers(response.headers));
    for (const { dimension, limit, remaining, resetAtMs } of found) {
      const header = `anthropic-ratelimit-${dimension.replace('_', '-')}`;
      assert.equal(String(limit), response.headers[`${header}-limit`], source);
      assert.equal(String(remaining), response.headers[`${header}-remaining`], source);
      assert.equal(resetAtMs, Date.parse(response.headers[`${header}-reset`] ?? ''), source);
    }
    const limits = Object.keys(response.headers).filter((name) => /^anthropic-ratelimit-.*-limit$/.test(name));
    assert.equal(found.length, limits.length, source);
  }
});

it('knows the pools of fast mode and of Priority Tier, which are named without `ratelimit`', () => {
  const found = limiters(
    new Headers({
      'anthropic-fast-input-tokens-limit': '0',
      'anthropic-priority-output-tokens-limit': '80000',
      'anthropic-priority-output-tokens-remaining': '79000',
      'anthropic-priority-output-tokens-reset': '2026-02-28T23:59:59Z',
    }),
  );
  assert.deepEqual(found, [
    { dimension: 'fast_input_tokens', limit: 0, remaining: null, resetAtMs: null },
    {
      dimension: 'priority_output_tokens',
      limit: 80_000,
      remaining: 79_000,
      resetAtMs: Date.UTC(2026, 1, 28, 23, 59, 59),
    },
  ]);
});

it('reads a reset in any RFC 3339 form, and treats anything else as unknown', () => {
  const reset = (text: string): number | null | undefined =>
    limiters(new Headers({ 'anthropic-ratelimit-requests-limit': '5', 'anthropic-ratelimit-requests-reset': text }))[0]
      ?.resetAtMs;
  assert.equal(reset('2026-11-24T06:00:00Z'), Date.UTC(2026, 10, 24, 6));
  assert.equal(reset('2026-11-24T06:00:00.250Z'), Date.UTC(2026, 10, 24, 6, 0, 0, 250));
  assert.equal(reset('2026-11-24T08:00:00+02:00'), Date.UTC(2026, 10, 24, 6));
  for (const nonsense of ['soon', '2026-1x-24T06:00:00Z', '']) assert.equal(reset(nonsense), null, nonsense);
});

it('leaves out what is not a number', () => {
  for (const limit of ['many', '-1', 'NaN', '']) {
    assert.deepEqual(limiters(new Headers({ 'anthropic-ratelimit-requests-limit': limit })), []);
  }
});
