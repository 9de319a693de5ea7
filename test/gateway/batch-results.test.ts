import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withOwnResults } from '../../src/gateway/batch-results.ts';

const OWN = 'https://claude.example.com';

test('addresses of results lead to the gateway, and nothing else changes', () => {
  const results = (address: string): string => `{ "id": "a", "results_url" : "${address}", "n": 1 }`;
  const path = '/v1/messages/batches/msgbatch_1/results';
  for (const before of ['https://api.anthropic.com', 'http://127.0.0.1:9', 'https://proxy.example/claude'])
    assert.equal(withOwnResults(results(before + path), OWN), results(OWN + path));
  const untouched = [results('ftp://x/v1/messages/batches/1'), results('https://x/elsewhere'), '{"results_url":null}'];
  for (const text of [
    ...untouched,
    '{"results_url":7,"a":"https://x/v1/messages/batches/"}',
    '"results_url":"',
    '',
    '{}',
  ])
    assert.equal(withOwnResults(text, OWN), text);
  const two = `[${results(`https://a${path}`)},${results(`https://b${path}`)}]`;
  assert.equal(withOwnResults(two, OWN), `[${results(OWN + path)},${results(OWN + path)}]`);
});

test('an address without an end is read once, not once for each of its characters', () => {
  // A reading that begins again at each of a million places would take hours.
  for (const endless of [
    'https://x'.repeat(200_000),
    `https://x${'/v1/messages/batches'.repeat(100_000)}`,
    '"results_url"'.repeat(100_000),
  ])
    assert.ok(withOwnResults(`{"results_url":"${endless}`, OWN).length > 0);
});
