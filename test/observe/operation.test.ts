import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callDetails, operation } from '../../src/observe/operation.ts';

describe('the operation of a request', () => {
  // By method and path, from the API reference.
  const NAMED: readonly (readonly [method: string, path: string, name: string])[] = [
    ['post', '/v1/messages', 'messages.create'],
    ['POST', '/v1/messages?beta=true', 'messages.create'],
    ['POST', 'https://proxy.example/anthropic/v1/messages', 'messages.create'],
    ['POST', '/v1/messages/count_tokens', 'messages.count_tokens'],
    ['POST', '/v1/messages/batches', 'messages.batches.create'],
    ['GET', '/v1/messages/batches?limit=20', 'messages.batches.list'],
    ['GET', '/v1/messages/batches/msgbatch_01', 'messages.batches.retrieve'],
    ['GET', '/v1/messages/batches/msgbatch_01/results', 'messages.batches.results'],
    ['POST', '/v1/messages/batches/msgbatch_01/cancel', 'messages.batches.cancel'],
    ['DELETE', '/v1/files/file_01', 'files.delete'],
    ['GET', '/v1/models/claude-opus-5-5', 'models.retrieve'],
  ];
  for (const [method, path, name] of NAMED) {
    test(`of ${method} ${path} is ${name}`, () => assert.equal(operation(method, path, false), name));
  }

  test('tells a stream apart, for messages alone', () => {
    assert.equal(operation('post', '/v1/messages', true), 'messages.stream');
    assert.equal(operation('POST', 'https://proxy.example/v1/messages', true), 'messages.stream');
    assert.equal(operation('POST', '/v1/messages/count_tokens', true), 'messages.count_tokens');
  });

  test('is `other`, without a name or an id of the path, where it is not known', () => {
    for (const path of [
      '/v1/complete',
      '/v1/messages/batches/msgbatch_01/results/9',
      '/v2/messages',
      '/constructor',
      '',
    ]) {
      assert.equal(operation('POST', path, false), 'other');
    }
    assert.equal(operation('PATCH', '/v1/messages', false), 'other');
    assert.equal(operation('GET', '/v1/toString', false), 'other');
  });
});

describe('the details of a call', () => {
  test('are those that the request states', () => {
    const body = { output_config: { effort: 'high' }, service_tier: 'auto' };
    assert.deepEqual(callDetails(body, 'conversation-7'), {
      conversationId: 'conversation-7',
      reasoningLevel: 'high',
      serviceTier: 'auto',
      responseId: null,
    });
  });

  test('are unknown where the request states nothing, or no text', () => {
    const unknown = { conversationId: null, reasoningLevel: null, serviceTier: null, responseId: null };
    assert.deepEqual(callDetails(null, undefined), unknown);
    assert.deepEqual(callDetails({ output_config: { effort: 3 }, service_tier: '' }, 7), unknown);
    assert.deepEqual(callDetails({ output_config: 'high' }, ''), unknown);
  });
});
