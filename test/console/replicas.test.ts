import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, numbersOf } from '../../src/console/counted.ts';
import { Replicas } from '../../src/console/replicas.ts';

const AT_MS = Date.UTC(2026, 10, 26, 12);

/** Pages by URL; `null` does not answer. */
function over(pages: Record<string, readonly string[] | null>) {
  const read = async (url: string): Promise<string> => {
    const lines = pages[url];
    if (lines === undefined || lines === null) throw new Error('no answer');
    return `${lines.join('\n')}\n`;
  };
  const replicas = new Replicas(Object.keys(pages), { read, now: () => AT_MS });
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
    { name: 'one', seenAtMs: AT_MS, isSilent: false },
    { name: 'other', seenAtMs: AT_MS, isSilent: true },
  ]);
});

test('one that has never answered has been seen at no time', async () => {
  const { replicas } = over({ 'http://one/': null });
  await replicas.poll();
  assert.deepEqual(replicas.replicas, [{ name: 'one', seenAtMs: null, isSilent: true }]);
});

test('a page that is none of plimsoll is silent', async () => {
  const { pages, replicas } = over({ 'http://one/': [calls(1)], 'http://other/': ['up 1'] });
  await replicas.poll();
  assert.deepEqual(
    replicas.replicas.map(({ isSilent }) => isSilent),
    [false, true],
  );
  pages['http://one/'] = ['<html>'];
  await replicas.poll();
  assert.equal(replicas.replicas[0]?.isSilent, true);
});
