import assert from 'node:assert/strict';
import test from 'node:test';
import { ConfigurationError, sentenceOf } from 'plimsoll';
import { gateway, type GatewayOptions } from 'plimsoll/gateway';

const GOOD: GatewayOptions = {
  authenticate: () => Promise.resolve('unknown'),
  keys: new Map([['prod-api-key', () => 'x']]),
};

function problems(options: Partial<GatewayOptions>): readonly string[] {
  try {
    gateway({ ...GOOD, ...options });
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.problems.map(sentenceOf);
  }
}

test('the public address has the form of the address of the API', () => {
  for (const publicUrl of ['https://claude.example.com', 'http://10.0.0.1:8787/claude/'])
    assert.deepEqual(problems({ publicUrl }), []);
  for (const publicUrl of ['claude.example.com', 'ftp://a', 'https://u:hunter2@a', 'https://a?b', 'https://a#b', ''])
    assert.match(
      problems({ publicUrl }).join(),
      /^publicUrl: expected an http or https address(?!.*hunter2)/,
      publicUrl,
    );
});

test('every proxy that is no address and no network is named', () => {
  assert.deepEqual(problems({ trustProxy: ['127.0.0.1', '10.0.0.0/8'] }), []);
  assert.equal(problems({ trustProxy: ['loopback', '10.0.0.0/8', '10.0.0.0/40'] }).length, 2);
});
