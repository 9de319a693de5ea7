import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTENT_NAMES, nameIn } from '../../src/gateway/body-names.ts';
import { scan } from '../../testing/gateway/scanned-body.ts';

function named(written: string): string {
  const bytes = Buffer.from(`"${written}"`);
  return nameIn(bytes, { start: 0, end: bytes.length, hasEscape: written.includes('\\') });
}

const escaped = (name: string): string =>
  Array.from(name, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

test('a name is known however it is escaped, and not by half', () => {
  for (const name of ['model', 'max_tokens', 'stream', 'speed', 'fallbacks', 'requests', 'params', ...CONTENT_NAMES]) {
    assert.equal(named(name), name);
    assert.equal(named(escaped(name)), name);
    assert.equal(named(name.slice(0, 1) + escaped(name.slice(1))), name);
    for (const other of [name.toUpperCase(), `${name} `, name.slice(1), `${name}s`, escaped(`${name}x`)])
      assert.equal(named(other), '', other);
  }
});

test('names that come twice where nobody reads them are none of the gateway’s business', () => {
  const text = `{"top_k":1,"top_k":2,"messages":[{"role":"user","role":"user","content":{"a":1,"a":2}}],"model":"m","max_tokens":5}`;
  assert.equal(scan(text).problem, null);
});
