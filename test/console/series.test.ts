import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeriesReader } from '../../src/console/series.ts';

const call = (route: string): string =>
  `anthropic_requests_total{operation="messages.create",key="k",model="m",outcome="ok",route="${route}"}`;
const bucket = (le: string): string =>
  `anthropic_request_duration_seconds_bucket{operation="messages.create",key="k",model="m",outcome="ok",le="${le}"}`;

test('a series has one index on all pages, and a page that lacks it has no value there', () => {
  const reader = new SeriesReader();
  const one = reader.read(`# HELP x\n${call('chat')} 3\n${call('} 9')} 4\n`);
  const other = reader.read(`${call('} 9')} 7 1700000000\nup 1\n`);
  assert.deepEqual([...(one ?? [])], [3, 4]);
  assert.deepEqual([...(other ?? [])], [NaN, 7, 1]);
  assert.deepEqual(
    reader.all.map(({ name, place }) => [name, place.model, place.attribution['route']]),
    [
      ['anthropic_requests_total', 'm', 'chat'],
      ['anthropic_requests_total', 'm', '} 9'],
      ['up', '', undefined],
    ],
  );
});

test('buckets stand together, the lowest first', () => {
  const reader = new SeriesReader();
  reader.read([bucket('+Inf'), bucket('0.5'), bucket('16')].map((head) => `${head} 1`).join('\n'));
  const [histogram, ...others] = reader.histograms;
  assert.deepEqual([histogram?.buckets.map(({ le }) => le), others.length], [[0.5, 16, Infinity], 0]);
});

test('what is no metrics page of plimsoll has no values', () => {
  const reader = new SeriesReader();
  for (const text of ['', '<html>', 'up 1', `${call('chat')}`, `${call('chat')} 1\nnot a line`])
    assert.equal(reader.read(text), null, text);
});

test('a page that is refused takes no room from the others', () => {
  const reader = new SeriesReader();
  reader.read(`${call('chat')} 1\n${bucket('1')} 1`);
  assert.equal(reader.read(`${call('other')} 1\n${bucket('2')} 1\nnot a line`), null);
  assert.deepEqual([reader.all.length, [...reader.histograms].flatMap(({ buckets }) => buckets.length)], [2, [1]]);
  assert.deepEqual([...(reader.read(`${bucket('2')} 5\n${call('search')} 7`) ?? [])], [NaN, NaN, 5, 7]);
});
