import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, tierReport } from 'plimsoll';
import { WatchBench, shown } from '../../testing/organization/watch-bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-watch-'));
after(() => rmSync(folder, { recursive: true }));

describe('a watch', () => {
  const bench = new WatchBench();
  let running: ReturnType<WatchBench['watch']>;
  before(async () => {
    await bench.live();
    running = bench.watch({ store: join(folder, 'first.db') });
    await bench.settle();
  });
  after(() => running.watch.close());

  test('reads the last three days again at each poll, and the last 31 once a day', async () => {
    const days = (): readonly string[] => [
      ...new Set(bench.asked.filter((line) => line.startsWith('analytics/cost')).map((line) => line.slice(15, 25))),
    ];
    assert.equal(days()[0], '2026-10-26');
    assert.ok(days().includes('2026-09-28'), 'the first poll reads all');
    bench.asked.length = 0;
    await bench.pass(9);
    assert.deepEqual(bench.asked, [], 'nothing before ten minutes are over');
    await bench.pass(1);
    assert.deepEqual(days(), ['2026-10-26']);
    bench.asked.length = 0;
    bench.books.clock.nowMs += 24 * 3_600_000;
    await bench.pass(1);
    assert.ok(days().includes('2026-10-27') && days().includes('2026-09-29'), days().join());
  });

  test('goes on after a restart where it was, and asks nothing before it is due', async () => {
    await running.watch.close();
    const before = running.watch.view();
    bench.asked.length = 0;
    running = bench.watch({ store: join(folder, 'first.db') });
    await bench.settle();
    assert.deepEqual(running.watch.view(), before);
    assert.deepEqual(bench.asked, []);
    assert.ok((await shown(running.registry, 'anthropic_bill_billed_usd')).length > 0);
  });
});

test('of two processes one reads, and both show what it read', async () => {
  const bench = new WatchBench();
  await bench.live();
  const store = join(folder, 'two.db');
  const [one, two] = [bench.watch({ store }), bench.watch({ store })];
  await bench.settle();
  await bench.pass(1);
  const polls = 'anthropic_bill_polls_total{organization="default",outcome="ok"}';
  assert.deepEqual([...(await shown(one.registry, polls)), ...(await shown(two.registry, polls))], [' 1', ' 0']);
  assert.deepEqual(two.watch.view(), one.watch.view());
  await one.watch.close();
  await bench.pass(10);
  assert.deepEqual(await shown(two.registry, polls), [' 1'], 'the other goes on');
  await two.watch.close();
});

test('without access it says so once, in one line, and shows no amount', async () => {
  for (const [kind, sentence] of [
    ['none', /takes an admin key of the organization; an individual account has none/],
    ['wrong key', /the admin key is refused/],
  ] as const) {
    const bench = new WatchBench(kind === 'none' ? { kind } : { adminKeys: ['another'] });
    await bench.live();
    const { watch, registry } = bench.watch();
    await bench.settle();
    await bench.pass(130);
    assert.equal(bench.problems.length, 1);
    assert.match(bench.problems[0] ?? '', sentence);
    assert.deepEqual(await shown(registry, 'anthropic_bill_billed'), []);
    assert.equal(watch.view(), null);
    const outcome = kind === 'none' ? 'forbidden' : 'unauthorized';
    const polls = await shown(registry, `anthropic_bill_polls_total{organization="default",outcome="${outcome}"}`);
    assert.deepEqual(polls, [' 3'], 'once an hour');
    await watch.close();
  }
});

test('a report without data is unknown, and not zero', async () => {
  const bench = new WatchBench({ lagMs: 30 * 86_400_000 });
  await bench.live();
  const { watch, registry } = bench.watch();
  await bench.settle();
  assert.equal(watch.view()?.refreshedAtMs, null);
  const lines = await shown(registry, 'anthropic_bill_');
  assert.deepEqual(
    lines.filter((line) => /^(billed|listed|difference|drift|coverage|complete)/.test(line)),
    [],
  );
  await watch.close();
});

test('waits as long as the API asks, and keeps what it had', async () => {
  const bench = new WatchBench({ readsPerMinute: 30 });
  await bench.live();
  const { watch, registry } = bench.watch();
  await bench.settle();
  const before = watch.view();
  assert.ok(before);
  // Others use up the limit at the moment of the next poll.
  await bench.pass(9);
  await bench.step(50_000);
  const other = bench.books.admin();
  for (let read = 0; read < 30; read++) await other.get('me', {});
  bench.asked.length = 0;
  await bench.step(10_000);
  assert.equal(bench.asked.length, 1, 'a refusal ends the poll');
  assert.deepEqual(watch.view(), before);
  const refused = 'anthropic_bill_polls_total{organization="default",outcome="rate_limited"}';
  assert.deepEqual(await shown(registry, refused), [' 1']);
  assert.match(bench.problems.join(), /read too often/);
  bench.asked.length = 0;
  await bench.pass(9);
  assert.deepEqual(bench.asked, []);
  await bench.pass(1);
  assert.notDeepEqual(watch.view(), before);
  await watch.close();
});

test('the tier, its cap and the limits are known before the first call, and unknown when they are old', async () => {
  const bench = new WatchBench();
  await bench.live();
  const store = join(folder, 'tier.db');
  const { watch, registry } = bench.watch({ store });
  assert.equal(tierReport({ registry })?.verdict.tier, null);
  await bench.settle();
  // The simulator's organization is in its tier Scale: $200,000 a month, 10,000 requests a minute.
  const report = tierReport({ registry });
  assert.deepEqual([report?.verdict.tier, report?.verdict.source], ['Scale', 'organization']);
  assert.ok(report?.limits.some(({ dimension, limit }) => dimension === 'requests' && limit === 10_000));
  const info = 'anthropic_tier_info{organization="default",tier="Scale",next_tier="Custom",source="organization"}';
  const cap = 'anthropic_tier_monthly_cap_usd{organization="default"}';
  assert.deepEqual([await shown(registry, info), await shown(registry, cap)], [[' 1'], [' 200000']]);
  assert.deepEqual(await shown(registry, 'anthropic_tier_spend_usd'), [], 'no call is recorded here: not $0');
  instrument(new Anthropic({ apiKey: 'of-nobody', fetch: bench.books.sim.fetch }), { registry });
  assert.deepEqual(await shown(registry, 'anthropic_tier_spend_usd'), ['{organization="default"} 0']);
  assert.deepEqual([await shown(registry, info), await shown(registry, cap)], [[' 1'], [' 200000']]);
  await watch.close();
  const fetch = (): Promise<Response> => Promise.reject(new Error('nobody answers'));
  const later = bench.watch({ store, fetch });
  await bench.settle();
  assert.deepEqual(await shown(later.registry, cap), [' 200000'], 'kept');
  bench.books.clock.nowMs += 49 * 3_600_000;
  await bench.pass(1);
  assert.deepEqual([await shown(later.registry, info), await shown(later.registry, cap)], [[], []]);
  await later.watch.close();
});
