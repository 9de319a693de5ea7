import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, numbersOf } from '../../src/console/counted.ts';
import type { PageRead } from '../../src/console/metrics-pages.ts';
import { Replicas } from '../../src/console/replicas.ts';

const AT_MS = Date.UTC(2026, 10, 26, 12);

/** Pages by URL; `null` does not answer. */
function over(pages: Record<string, readonly string[] | null>, mostSeries?: number) {
  const read = async (url: string): Promise<PageRead> => {
    const lines = pages[url];
    if (lines === undefined || lines === null) return { trouble: 'no answer' };
    return { bytes: Buffer.from(`${lines.join('\n')}\n`) };
  };
  const replicas = new Replicas(Object.keys(pages), {
    read,
    now: () => AT_MS,
    ...(mostSeries !== undefined && { mostSeries }),
  });
  const numbers = () => numbersOf(counted(replicas.hour, { rangeSeconds: 300, filter: {} }, AT_MS), AT_MS, AT_MS);
  return { pages, replicas, numbers };
}

const calls = (count: number): string =>
  `anthropic_requests_total{operation="messages.create",key="k",model="claude-haiku-4-5",outcome="ok",route="chat"} ${count}`;

test('the growth of counters is counted from the first reading on; one that begins anew counts in whole', async () => {
  const { pages, replicas, numbers } = over({ 'http://one/': [calls(7)] });
  await replicas.poll();
  assert.equal(numbers().calls, 0);
  for (const [count, total] of [
    [9, 2],
    [9, 2],
    [3, 5],
  ] as const) {
    pages['http://one/'] = [calls(count)];
    await replicas.poll();
    assert.equal(numbers().calls, total);
  }
});

test('durations are read from the buckets of the histogram, and quantiles stay within the bucket', async () => {
  const bucket = (le: string, count: number): string =>
    `anthropic_request_duration_seconds_bucket{operation="messages.create",key="k",model="claude-haiku-4-5",outcome="ok",le="${le}"} ${count}`;
  const { pages, replicas, numbers } = over({ 'http://one/': [calls(0)] });
  await replicas.poll();
  pages['http://one/'] = [bucket('1', 0), bucket('2', 90), bucket('4', 100), bucket('+Inf', 100)];
  await replicas.poll();
  const { latency } = numbers();
  assert.ok(latency !== null && latency.p50 >= 1 && latency.p50 <= 2 && latency.p95 >= 2 && latency.p95 <= 4);
});

test('gauges of replicas are joined as the catalogue says, and those of a silent one are its last', async () => {
  const remaining = (left: number): string =>
    `anthropic_ratelimit_remaining{key="k",model_class="haiku-4.5",dimension="requests"} ${left}`;
  const reserved = 'anthropic_budget_ledger_up{ledger="redis",ledger_id="a"}';
  const { pages, replicas } = over({
    'http://one/': [remaining(40), `${reserved} 1`],
    'http://other/': [remaining(30), `${reserved} 0`],
  });
  await replicas.poll();
  pages['http://other/'] = null;
  await replicas.poll();
  assert.deepEqual(
    replicas.samples.map(({ name, value }) => [name, value]),
    [
      ['anthropic_ratelimit_remaining', 30],
      ['anthropic_budget_ledger_up', 0],
    ],
  );
  assert.deepEqual(replicas.replicas, [
    { name: 'one', seenAtMs: AT_MS, trouble: null },
    { name: 'other', seenAtMs: AT_MS, trouble: 'no answer' },
  ]);
});

test('one that has never answered has been seen at no time', async () => {
  const { replicas } = over({ 'http://one/': null });
  await replicas.poll();
  assert.deepEqual(replicas.replicas, [{ name: 'one', seenAtMs: null, trouble: 'no answer' }]);
});

test('a page that is none of plimsoll is silent', async () => {
  const { pages, replicas } = over({ 'http://one/': [calls(1)], 'http://other/': ['up 1'] });
  await replicas.poll();
  assert.deepEqual(
    replicas.replicas.map(({ trouble }) => trouble),
    [null, 'metrics, but none of plimsoll'],
  );
  pages['http://one/'] = ['<html>'];
  await replicas.poll();
  assert.equal(replicas.replicas[0]?.trouble, 'something else than metrics');
});

const routed = (route: number, count: number): string =>
  `anthropic_requests_total{operation="messages.create",key="k",model="m",outcome="ok",route="${route}"} ${count}`;

test('series that vanish are forgotten, so that a page whose labels change for ever never goes silent', async () => {
  const { pages, replicas, numbers } = over({ 'http://one/': [calls(1)], 'http://other/': [calls(1)] }, 4_000);
  await replicas.poll();
  const [rounds, each] = [12, 1_500];
  for (let round = 0; round < rounds; round += 1) {
    const routes = Array.from({ length: each }, (_, at) => routed(round * each + at, 1));
    pages['http://one/'] = [calls(2 + round), ...routes];
    pages['http://other/'] = [...routes, calls(2 + round)];
    await replicas.poll();
    assert.deepEqual(
      replicas.replicas.map(({ trouble }) => trouble),
      [null, null],
    );
    const [first] = replicas.samples;
    assert.deepEqual([replicas.samples.length, first?.value], [each + 1, 2 * (2 + round)]);
  }
  assert.equal(numbers().calls, 2 * rounds * (each + 1), 'no growth was lost, none was counted twice');
  assert.ok(replicas.forgotten >= (rounds - 2) * each, `${replicas.forgotten} were forgotten`);
});

test('a silent page keeps its last series while others vanish', async () => {
  const { pages, replicas } = over({ 'http://one/': [calls(7)], 'http://other/': [routed(-1, 1)] });
  await replicas.poll();
  pages['http://one/'] = null;
  for (let round = 0; round < 4; round += 1) {
    pages['http://other/'] = Array.from({ length: 2_000 }, (_, at) => routed(round * 2_000 + at, 1));
    await replicas.poll();
  }
  assert.ok(replicas.forgotten > 0);
  assert.equal(replicas.samples.find(({ labels }) => labels['route'] === 'chat')?.value, 7);
});

test('pages with too many series together: the one that finds no room says so, and the others stay', async () => {
  const many = (from: number, length: number): string[] => Array.from({ length }, (_, at) => routed(from + at, 1));
  const { pages, replicas } = over({ 'http://one/': many(0, 1_500), 'http://other/': many(1_500, 600) }, 2_000);
  const troubles = () => replicas.replicas.map(({ trouble }) => trouble);
  await replicas.poll();
  const noRoom = 'series for which there is no room: all pages together have more than 2,000';
  assert.deepEqual([troubles(), replicas.samples.length], [[null, noRoom], 1_500]);
  pages['http://one/'] = many(0, 10);
  await replicas.poll();
  assert.deepEqual([troubles(), replicas.samples.length], [[null, null], 610]);
});
