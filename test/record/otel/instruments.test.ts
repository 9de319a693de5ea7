import assert from 'node:assert/strict';
import test from 'node:test';
import { serverAttributes, shown, shownName } from '../../../src/record/otel/instruments.ts';

const SERVERS = [
  ['https://api.anthropic.com', 'api.anthropic.com', 443],
  ['http://localhost:8080/v1', 'localhost', 8080],
  ['http://gateway.internal', 'gateway.internal', 80],
  ['https://[2001:db8::1]:8443', '2001:db8::1', 8443],
] as const;

test('each base URL has its own address and port, also when two clients take turns', () => {
  for (const [baseUrl, address, port] of [...SERVERS, ...SERVERS])
    assert.deepEqual(serverAttributes(baseUrl), { 'server.address': address, 'server.port': port });
  assert.deepEqual(serverAttributes('no URL'), {});
  assert.deepEqual(serverAttributes(undefined), {});
});

test('a name is shown each time, and never one that may be a key, however many names have come before', () => {
  const key = ['sk', 'ant', 'api03', 'x'.repeat(20)].join('-');
  for (let round = 0; round < 2; round += 1) {
    for (let at = 0; at < 300; at += 1) assert.equal(shownName(`model-${at}`), `model-${at}`);
    for (const unfit of [key, 'two\nlines', 'x'.repeat(200)]) {
      assert.equal(shownName(unfit), 'other');
      assert.equal(shown(unfit), 'other');
    }
  }
});
