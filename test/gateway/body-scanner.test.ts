import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { REQUEST, scan } from '../../testing/gateway/scanned-body.ts';

/** Whether JSON.parse, which was written apart, takes it. */
function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Any JSON, as a field that means nothing and in the conversation. */
const asked = fc
  .tuple(fc.jsonValue(), fc.jsonValue(), fc.constantFrom(0, 2, '\t'))
  .map(([other, content, space]) =>
    JSON.stringify({ model: 'm', thinking: { other }, max_tokens: 5, messages: [content] }, null, space),
  );

test('what is written as JSON is read, whatever else is in it', () => {
  fc.assert(
    fc.property(asked, (text) => {
      const { problem, textLength } = scan(text);
      assert.ok(problem === null || !['not_json', 'too_deep', 'no_object'].includes(problem), String(problem));
      assert.equal(textLength, text.length);
    }),
  );
});

test('a body is JSON where JSON.parse says so, and only there', () => {
  const noise = fc.constantFrom(
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '0',
    '-',
    '.',
    'e',
    'null',
    '\n',
    '\0',
    '\\u12',
    'ü',
  );
  const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), remove: fc.nat(3), insert: noise });
  fc.assert(
    fc.property(asked, fc.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
      const changed = changes.reduce((so, { at, remove, insert }) => {
        const place = Math.floor(at * so.length);
        return so.slice(0, place) + insert + so.slice(place + remove);
      }, text);
      // Surrogates that were torn apart become other characters in UTF-8.
      const sent = Buffer.from(changed).toString();
      assert.equal(scan(sent).problem !== 'not_json', isJsonText(sent), sent);
    }),
    { numRuns: 2_000 },
  );
});

test('numbers are those of JSON', () => {
  for (const number of [
    '0',
    '-0',
    '1.5',
    '1e400',
    '-1.25E-3',
    '01',
    '1.',
    '.5',
    '+1',
    '1e',
    '-',
    'Infinity',
    'NaN',
    '0x1',
  ])
    assert.equal(scan(`{"a":${number},${REQUEST.slice(1)}`).problem !== 'not_json', isJsonText(number), number);
});

test('bytes that are not UTF-8, a byte order mark and nothing at all are not JSON', () => {
  for (const bytes of [
    Buffer.from('{"model":"\xff"}', 'latin1'),
    Buffer.from(`\uFEFF${REQUEST}`),
    Buffer.from(REQUEST, 'utf16le'),
    Buffer.alloc(0),
  ])
    assert.equal(scan(bytes).problem, 'not_json');
});

test('the size of the portions in which a body is read changes nothing', () => {
  fc.assert(
    fc.property(asked, fc.integer({ min: 1, max: 40 }), (text, portion) => {
      assert.deepEqual(scan(text, 'message', portion), scan(text));
    }),
  );
});
