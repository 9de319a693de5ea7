import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ASK, bench, post, refusal } from '../../testing/simulator-bench.ts';

describe('keys', () => {
  const keys = [
    { name: 'prod-checkout-api', key: 'sk-ant-api03-one', workspace: 'wrkspc_01' },
    { name: 'ci-runner-key', key: 'sk-ant-api03-two', organization: 'org-two' },
  ];

  test('a key is accepted as a bearer token and as x-api-key, and known by its name only', async () => {
    const { claude } = bench({ keys });
    await claude.handle(post('/v1/messages', ASK, { 'x-api-key': 'sk-ant-api03-two' }));
    const bearer = post('/v1/messages', ASK, { authorization: 'Bearer sk-ant-api03-one' });
    bearer.headers.delete('x-api-key');
    const { headers } = await claude.handle(bearer);
    assert.deepEqual(
      claude.truth.requests.map((request) => request.key),
      ['ci-runner-key', 'prod-checkout-api'],
    );
    assert.equal(headers.get('anthropic-workspace-id'), 'wrkspc_01');
    assert.ok(!JSON.stringify(claude.truth.requests).includes('sk-ant'));
  });

  test('a key belongs to its organization, whose id is in the responses', async () => {
    const { sdk } = bench({ keys }, { apiKey: 'sk-ant-api03-two' });
    const { response } = await sdk.messages.create(ASK).withResponse();
    assert.equal(response.headers.get('anthropic-organization-id'), 'org-two');
    assert.equal(response.headers.get('anthropic-workspace-id'), null);
  });

  test('another key is a 401 that does not name an organization', async () => {
    const { claude, sdk } = bench({ keys }, { apiKey: 'sk-ant-api03-three' });
    const error = await refusal(sdk.messages.create(ASK));
    assert.deepEqual([error.name, error.apiMessage], ['AuthenticationError', 'Invalid bearer token']);
    assert.equal(error.headers?.get('anthropic-organization-id'), null);
    assert.equal(claude.truth.requests[0]?.key, null);
  });

  test('without configured keys any key is accepted', async () => {
    const { claude, sdk } = bench({}, { apiKey: 'whatever' });
    await sdk.messages.create(ASK);
    assert.equal(claude.truth.requests[0]?.key, 'any');
  });
});
