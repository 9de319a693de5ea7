import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryPolicy } from 'plimsoll';
import { consoleHandler } from 'plimsoll/console';
import { pace } from 'plimsoll/pace';
import { viewOfReplicas } from '../../src/console/handler.ts';
import type { PageRead } from '../../src/console/metrics-pages.ts';
import { Replicas } from '../../src/console/replicas.ts';
import type { View } from '../../src/console/view.ts';
import { models } from '../../src/routing/models.ts';
import { PARAMS, steppedClock, withSteppedTime, workbench } from '../../testing/client-workbench.ts';

const AT_MS = Date.UTC(2026, 10, 26, 12);

/** A client on 20 requests a minute, and the page of its process. */
function watched(options: Partial<Parameters<typeof workbench>[0]> = {}) {
  const bench = workbench({
    simulator: { limits: { 'haiku-4.5': { requests: 20, inputTokens: 2_000 } } },
    instrument: { clock: steppedClock, retry: retryPolicy({ clock: steppedClock }), ...options.instrument },
  });
  const handle = consoleHandler({ registry: bench.registry, clock: steppedClock });
  const view = async (range: number): Promise<View> =>
    (await (await handle(new Request(`http://localhost/data?range=${range}`))).json()) as View;
  return { ...bench, view };
}

test('the page shows which calls of a process wait, for what they waited, and which never fit', async () => {
  await withSteppedTime(async () => {
    const own = pace({ clock: steppedClock, random: () => 0.5, maxWaitMs: 300_000 });
    const { claude, view } = watched({ instrument: { pace: own } });
    await claude.messages.create(PARAMS);
    assert.deepEqual((await view(300)).pace, {
      waiting: 0,
      longestSeconds: 0,
      isUnpaced: false,
      waits: [],
      neverFits: 0,
    });

    const messages = [{ role: 'user' as const, content: 'tide '.repeat(4_000) }];
    await assert.rejects(claude.messages.create({ ...PARAMS, messages }), { reason: 'never_fits' });
    const startedMs = Date.now();
    const calls = Array.from({ length: 23 }, () => claude.messages.create(PARAMS));
    while (Date.now() < startedMs + 2_000) await new Promise((resolve) => setTimeout(resolve, 100));
    const during = (await view(300)).pace;
    assert.ok(during !== null && during.waiting > 0 && during.longestSeconds >= 1, JSON.stringify(during));
    await Promise.all(calls);

    const after = (await view(300)).pace;
    assert.ok(after !== null);
    const { waiting, neverFits, waits } = after;
    assert.deepEqual([waiting, neverFits, waits.map(({ lane }) => lane)], [0, 1, waits.map(() => 'interactive')]);
    assert.ok(
      waits.some(({ count, seconds }) => count > 0 && seconds > 2),
      JSON.stringify(after),
    );

    await new Promise((resolve) => setTimeout(resolve, 120_000));
    const later = (await view(60)).pace;
    assert.deepEqual([later?.waits, later?.neverFits], [[], 0]);
  });
});

test('nothing is shown where nobody paces', async () => {
  await withSteppedTime(async () => {
    const { claude, view } = watched();
    await claude.messages.create(PARAMS);
    assert.equal((await view(300)).pace, null);
  });
});

test('waits of other processes are the growth of their histograms, added up', async () => {
  const pageOf = (count: number): string =>
    [
      'anthropic_pace_waiting{pace="default",lane="batch"} 2',
      'anthropic_pace_longest_wait_seconds{pace="default",lane="batch"} 4.5',
      'anthropic_pace_store_up{pace="default",store="redis"} 1',
      `anthropic_pace_turns_total{pace="default",lane="batch",end="never_fits"} ${count}`,
      `anthropic_pace_turns_total{pace="default",lane="batch",end="waited"} ${count * 7}`,
      `anthropic_pace_wait_seconds_sum{pace="default",lane="batch",cause="input_tokens"} ${count * 3}`,
      `anthropic_pace_wait_seconds_count{pace="default",lane="batch",cause="input_tokens"} ${count * 2}`,
    ].join('\n') + '\n';
  let count = 5;
  const read = async (): Promise<PageRead> => ({ bytes: Buffer.from(pageOf(count)) });
  const now = (): number => AT_MS;
  const replicas = new Replicas(['http://one/', 'http://two/'], { read, now });
  const view = viewOfReplicas({ name: 'harbor', replicas, models: models({}), now });
  await replicas.poll();
  const first = (await view({ filter: {} })).pace;
  assert.deepEqual([first?.waiting, first?.longestSeconds, first?.waits, first?.neverFits], [4, 4.5, [], 0]);
  count = 8;
  await replicas.poll();
  assert.deepEqual((await view({ filter: {} })).pace, {
    ...{ waiting: 4, longestSeconds: 4.5, isUnpaced: false, neverFits: 6 },
    waits: [{ lane: 'batch', cause: 'input_tokens', count: 12, seconds: 18 }],
  });
});
