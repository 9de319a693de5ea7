import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rejection } from '../../src/observe/rejection.ts';

function refused(message: string, headers: Readonly<Record<string, string>> = {}): string | null {
  const body = { type: 'error', error: { type: 'rate_limit_error', message } };
  return rejection({ status: 429, headers: new Headers(headers), body }).rateLimitReason;
}

describe('the reason of a 429 that has no code', () => {
  it('is the bucket that the headers show empty, whatever the message says', () => {
    const headers = { 'anthropic-ratelimit-output-tokens-remaining': '0' };
    assert.equal(
      refused('This request would exceed your rate limit of 5 requests per minute', headers),
      'output_tokens',
    );
  });

  const words: Readonly<Record<string, string>> = {
    'This request would exceed your rate limit of 5 requests per minute': 'requests',
    "This request would exceed your organization's limit of 9 batch requests in the processing queue.": 'requests',
    'This request would exceed your rate limit of 9 input tokens per minute': 'input_tokens',
    'This request would exceed your rate limit of 9 output tokens per minute': 'output_tokens',
    'This request would exceed your rate limit of 9 fast mode input tokens per minute': 'fast_mode',
    'This request would exceed the rate limit of your Claude Code workspace.': 'unknown',
    'This request was refused.': 'unknown',
    'Slow down.': 'unknown',
  };
  for (const [message, reason] of Object.entries(words)) {
    it(`is read from the message where nothing else says it: ${reason} from “${message}”`, () => {
      assert.equal(refused(message), reason);
    });
  }
});
