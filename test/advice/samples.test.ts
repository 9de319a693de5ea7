import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { samplesIn } from '../../src/advice/samples.ts';

/** What a label is, as one expression says it, which begins anew at each letter. */
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

test('the labels of a line are those that an expression finds, however the line is broken', () => {
  const pieces = fc.constantFrom('a', 'B_', '9', '="', '"', '\\', '\\"', '\\n', '=', ',', ' ', '}', 'é');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 24 }), (parts) => {
      const text = parts.join('');
      const found = [...text.matchAll(LABEL)].map(([, name = '', value = '']): [string, string] => [
        name,
        value.replace(/\\./g, (escaped) => ({ '\\n': '\n' })[escaped] ?? escaped.slice(1)),
      ]);
      assert.deepEqual(samplesIn(`up{${text}} 1`)?.[0]?.labels, Object.fromEntries(found));
    }),
    { numRuns: 2_000 },
  );
});

test('an escaped backslash before an n is a backslash and an n', () => {
  assert.deepEqual(samplesIn(String.raw`up{path="C:\\new\\\nx\"y"} 1`)?.[0]?.labels, { path: 'C:\\new\\\nx"y' });
});

test('a page with a name that never ends is read once', () => {
  const name = 'a'.repeat(2_000_000);
  assert.deepEqual(samplesIn(`up{${name}} 1\nup{job="x",${name}} 2`), [
    { name: 'up', labels: {}, value: 1 },
    { name: 'up', labels: { job: 'x' }, value: 2 },
  ]);
});

test('what looks like an exemplar is one only behind the value', () => {
  const labels = { route: 'C # {a="b"} 3', key: 'k} 7' };
  const line = `calls_total{route="C # {a=\\"b\\"} 3",key="k} 7"} 5`;
  for (const more of ['', ' 1700000000.5', ' # {trace_id="1f"} 0.5', ' 17 # {trace_id="1f"} 0.5 17'])
    assert.deepEqual(samplesIn(`${line}${more}\nup 1\nlast{le="+Inf"} +Inf`), [
      { name: 'calls_total', labels, value: 5 },
      { name: 'up', labels: {}, value: 1 },
      { name: 'last', labels: { le: '+Inf' }, value: Infinity },
    ]);
});
