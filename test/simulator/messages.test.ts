import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ASK, bench, get, post } from '../../testing/simulator-bench.ts';

describe('a request that is not valid is refused in the words of the API', () => {
  const cases: readonly (readonly [string, Request, number, RegExp])[] = [
    [
      'no key',
      new Request('https://api.anthropic.com/v1/models', { headers: { 'anthropic-version': '2023-06-01' } }),
      401,
      /^x-api-key header is required$/,
    ],
    [
      'no version',
      new Request('https://api.anthropic.com/v1/models', { headers: { 'x-api-key': 'k' } }),
      400,
      /^anthropic-version: header is required$/,
    ],
    ['a body that is no JSON', post('/v1/messages', '{"secret": '), 400, /^The request body is not valid JSON\.$/],
    ['a body that is a list', post('/v1/messages', []), 400, /^Input should be a valid dictionary$/],
    ['no model', post('/v1/messages', { messages: [], max_tokens: 1 }), 400, /^model: Field required$/],
    ['no max_tokens', post('/v1/messages', { ...ASK, max_tokens: undefined }), 400, /^max_tokens: Field required$/],
    [
      'half a token',
      post('/v1/messages', { ...ASK, max_tokens: 0.5 }),
      400,
      /^max_tokens: Input should be a valid integer$/,
    ],
    [
      'no token',
      post('/v1/messages', { ...ASK, max_tokens: 0 }),
      400,
      /^max_tokens: Input should be greater than or equal to 1$/,
    ],
    ['no messages', post('/v1/messages', { ...ASK, messages: undefined }), 400, /^messages: Field required$/],
    [
      'empty messages',
      post('/v1/messages', { ...ASK, messages: [] }),
      400,
      /^messages: at least one message is required$/,
    ],
    [
      'a model with a typo',
      post('/v1/messages', { ...ASK, model: 'claude-haiku-55' }),
      404,
      /^model: claude-haiku-55$/,
    ],
    [
      'fast mode where there is none',
      post('/v1/messages', { ...ASK, model: 'claude-opus-4-7', speed: 'fast' }),
      400,
      /^speed: /,
    ],
    [
      'inference_geo on an old model',
      post('/v1/messages', { ...ASK, model: 'claude-haiku-4-5', inference_geo: 'us' }),
      400,
      /^inference_geo: /,
    ],
    [
      'more than 32 MB',
      post('/v1/messages', 'x'.repeat(32 * 1024 * 1024 + 1)),
      413,
      /^Request exceeds the maximum size$/,
    ],
    ['a path that is not served', get('/v1/complete'), 404, /^Not found$/],
    ['a path that cannot be decoded', get('/v1/models/%E0%A4%A'), 404, /./],
  ];
  for (const [what, request, status, message] of cases) {
    test(`${what} is a ${status}`, async () => {
      const { claude } = bench();
      const response = await claude.handle(request);
      const { error } = (await response.json()) as { error: { message: string } };
      assert.equal(response.status, status);
      assert.match(error.message, message);
    });
  }

  test('a 400 does not quote the request', async () => {
    const { claude } = bench();
    const response = await claude.handle(post('/v1/messages', '{"secret": '));
    assert.ok(!(await response.text()).includes('secret'));
  });

  test('where unknown models are served, any name is answered', async () => {
    const { claude, sdk } = bench({ unknownModels: 'serve' });
    assert.equal((await sdk.messages.create({ ...ASK, model: 'claude-next' })).model, 'claude-next');
    assert.equal(claude.truth.requests[0]?.billed[0]?.nanoUsd, null);
    assert.equal(claude.truth.totals().get('claude-next')?.unpriced, 1);
  });
});
