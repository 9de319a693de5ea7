import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleKey, scraped } from '../../testing/scraped.ts';

test('a sample is found by its name and labels, whatever their order and escapes', () => {
  const { samples, types, helps } = scraped('# HELP a Why.\n# TYPE a gauge\na{y="1",x="\\"\\\\\\n}"} 2.5\na -Inf\n');
  assert.equal(samples.get(sampleKey('a', { x: '"\\\n}', y: '1' })), 2.5);
  assert.equal(samples.get(sampleKey('a')), -Infinity);
  assert.equal(types.get('a'), 'gauge');
  assert.equal(helps.get('a'), 'Why.');
});

test('an exemplar is kept apart from its sample', () => {
  const { samples, exemplars, ended } = scraped('a_total{x="1"} 2 # {trace_id="t"} 1 7.5\n# EOF\n');
  assert.equal(samples.get(sampleKey('a_total', { x: '1' })), 2);
  assert.equal(exemplars.get(sampleKey('a_total', { x: '1' })), '{trace_id="t"} 1 7.5');
  assert.ok(ended);
});

for (const [text, why] of [
  ['a 1\na 1\n', /twice/],
  ['a{x="1",y="2"} 1\na{y="2",x="1"} 1\n', /twice/],
  ['a{x="1" 1\n', /not a sample/],
  ['a{x=1} 1\n', /not labels/],
  ['a x\n', /not a number/],
  ['a 1', /not ended/],
] as const) {
  test(`what a scrape would refuse is refused: ${JSON.stringify(text)}`, () => {
    assert.throws(() => scraped(text), why);
  });
}
