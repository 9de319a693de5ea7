import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeriesReader } from '../../src/console/series.ts';

const call = (route: string): string =>
  `anthropic_requests_total{operation="messages.create",key="k",model="m",outcome="ok",route="${route}"}`;
const bucket = (le: string): string =>
  `anthropic_request_duration_seconds_bucket{operation="messages.create",key="k",model="m",outcome="ok",le="${le}"}`;

/** The values of a page; the name of the fault in their place. */
async function read(reader: SeriesReader, text: string): Promise<readonly number[] | string> {
  const found = await reader.read(Buffer.from(text));
  return 'fault' in found ? found.fault : [...found.values];
}

test('a series has one index on all pages, and a page that lacks it has no value there', async () => {
  const reader = new SeriesReader();
  const one = await read(reader, `# HELP x\n${call('chat')} 3\n${call('} 9')} 4\n`);
  const other = await read(reader, `${call('} 9')} 7 1700000000\nup 1\n`);
  assert.deepEqual(one, [3, 4]);
  assert.deepEqual(other, [NaN, 7, 1]);
  assert.deepEqual(
    reader.all.map(({ name, place }) => [name, place.model, place.attribution['route']]),
    [
      ['anthropic_requests_total', 'm', 'chat'],
      ['anthropic_requests_total', 'm', '} 9'],
      ['up', '', undefined],
    ],
  );
});

test('buckets stand together, the lowest first', async () => {
  const reader = new SeriesReader();
  await read(reader, [bucket('+Inf'), bucket('0.5'), bucket('16')].map((head) => `${head} 1`).join('\n'));
  const [histogram, ...others] = reader.histograms;
  assert.deepEqual([histogram?.buckets.map(({ le }) => le), others.length], [[0.5, 16, Infinity], 0]);
});

test('what is no metrics page of plimsoll has no values, and the reader says what it is', async () => {
  const reader = new SeriesReader(1_000);
  for (const [text, fault] of [
    ['', 'no_metrics'],
    ['# only a comment', 'no_metrics'],
    ['<html>', 'no_metrics'],
    ['up 1', 'others_metrics'],
    [`${call('chat')}`, 'no_metrics'],
    [`${call('chat')} 1\nnot a line`, 'no_metrics'],
    ['anthropic_requests_total 1\n'.repeat(1_001), 'too_large'],
  ] as const)
    assert.equal(await read(reader, text), fault, text.slice(0, 100));
  assert.equal(reader.all.length, 0);
});

test('a page that is refused takes no room from the others', async () => {
  const reader = new SeriesReader();
  await read(reader, `${call('chat')} 1\n${bucket('1')} 1`);
  assert.equal(await read(reader, `${call('other')} 1\n${bucket('2')} 1\nnot a line`), 'no_metrics');
  assert.deepEqual([reader.all.length, [...reader.histograms].flatMap(({ buckets }) => buckets.length)], [2, [1]]);
  assert.deepEqual(await read(reader, `${bucket('2')} 5\n${call('search')} 7`), [NaN, NaN, 5, 7]);
});
