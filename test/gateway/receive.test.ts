import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { repeatsName } from '../../src/gateway/receive.ts';

test('no value that was written as JSON has a name twice', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 2, '\t'), (value, space) => {
      assert.equal(repeatsName(JSON.stringify(value, null, space)), false);
    }),
  );
});

test('a name that comes again in its object is found wherever that is, and however it is escaped', () => {
  const escaped = (name: string): string =>
    `"${[...Array(name.length).keys()].map((at) => `\\u${name.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`;
  const found = fc.record({ name: fc.string(), values: fc.tuple(fc.jsonValue(), fc.jsonValue()), depth: fc.nat(3) });
  fc.assert(
    fc.property(found, ({ name, values, depth }) => {
      const [first, second] = values.map((value) => JSON.stringify(value));
      let text = `{${JSON.stringify(name)} : ${first} ,\n${escaped(name)}\t:${second}}`;
      for (let level = 0; level < depth; level++) text = `[{"around":${first},"within":${text}},"last"]`;
      assert.equal(repeatsName(text), true);
    }),
  );
});

test('the same name in two objects, or as a value, is not a repetition', () => {
  assert.equal(repeatsName('[{"a":{"a":1}},{"a":["a","a"]},{"b":"a","a":"b"}]'), false);
  assert.equal(repeatsName('{"a\\\\":1,"a\\"":2,"a":"\\\\"}'), false);
});
