import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { yamlText, type YamlValue } from '../../src/rules/rule.ts';

/** What YAML would read as something else, or take for its own marks, where it is not quoted. */
const TRICKY = [
  'true',
  'No',
  'null',
  '12',
  '1e3',
  '0x1f',
  '~',
  '- a',
  'a: b',
  '# a',
  "it's",
  '',
  ' a',
  'a ',
  '{{ $x }}',
];

const QUERIES = [
  'sum by (key) (\n  rate(a_total{model="x"}[5m])\n)\n> 0.5',
  'a "quoted" word',
  'back \\ slash\n\nand on',
];

/** Texts of the characters that decide how a string is written: quotes, line feeds, blanks, and control characters. */
const marks = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '\n', ' ', '\t', '\r', '\u0000', ':', '#'),
  maxLength: 8,
});

const text = fc.oneof(fc.constantFrom(...TRICKY, ...QUERIES), fc.string(), marks);

const { value } = fc.letrec<{ value: YamlValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.integer(),
    fc.boolean(),
    fc.array(tie('value')),
    fc.dictionary(text, tie('value')),
  ),
}));

test('what is written as YAML is read back as it was', () => {
  for (const each of [...TRICKY, ...QUERIES]) assert.deepEqual(parse(yamlText({ each: [each] })), { each: [each] });
  fc.assert(fc.property(value, (each) => assert.deepEqual(parse(yamlText(each)), structuredClone(each))));
});

test('a text that ends in a line feed keeps it', () => {
  for (const each of ['say "a"\n', 'a\n', 'a\nb\n\n', '"\n'])
    assert.deepEqual(parse(yamlText({ each: [each, each] })), { each: [each, each] });
});

test('a query of several lines is a block, which reads as it was written', () => {
  assert.equal(yamlText({ expr: 'sum(\n  rate("a")\n)' }), 'expr: |-\n  sum(\n    rate("a")\n  )\n');
});
