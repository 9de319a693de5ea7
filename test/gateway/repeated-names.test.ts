import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { repeatsName } from '../../src/gateway/repeated-names.ts';

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
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), fc.nat(3), (name, value, other, depth) => {
      const twice = `{${JSON.stringify(name)} : ${JSON.stringify(value)} ,\n${escaped(name)}\t:${JSON.stringify(other)}}`;
      let text = twice;
      for (let level = 0; level < depth; level++)
        text = `[{"around":${JSON.stringify(value)},"within":${text}},"last"]`;
      assert.equal(repeatsName(text), true);
    }),
  );
});

test('the same name in two objects, or as a value, is not a repetition', () => {
  assert.equal(repeatsName('[{"a":{"a":1}},{"a":["a","a"]},{"b":"a","a":"b"}]'), false);
  assert.equal(repeatsName('{"a\\\\":1,"a\\"":2,"a":"\\\\"}'), false);
});
