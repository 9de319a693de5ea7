import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OrganizationGauges } from '../../src/organization/organization-metrics.ts';
import { storeFor } from '../../src/record/metrics/registry.ts';
import { Registry } from 'prom-client';
import { WatchBench, shown } from '../../testing/organization/watch-bench.ts';

describe('the metrics of the bill', () => {
  const bench = new WatchBench();
  let running: ReturnType<WatchBench['watch']>;
  before(async () => {
    await bench.live();
    const credit = { balance: { usd: 100, at: '2026-10-20' }, credit: [{ usd: 50, at: '2026-10-22' }] };
    running = bench.watch({ credit });
    await bench.settle();
  });
  after(() => running.watch.close());

  test('show what is billed by key, model and window', async () => {
    const billed = await shown(running.registry, 'anthropic_bill_billed_usd{organization="default",');
    const yesterday = billed.filter((line) => line.includes('"yesterday"'));
    assert.deepEqual(yesterday.sort(), [
      'key="foreign",model="claude-haiku-4-5",window="yesterday"} 0.9',
      'key="prod-search-api",model="claude-sonnet-5-5",window="yesterday"} 1.8',
      'key="prod-shop-api",model="claude-opus-5-5",window="yesterday"} 5.4',
    ]);
    const week = 'anthropic_bill_listed_usd{organization="default",key="prod-shop-api",model="claude-opus-5-5",';
    assert.deepEqual((await shown(running.registry, `${week}window="last_7_days"}`)).join(''), ' 42');
  });

  test('show the difference by cause, and the coverage', async () => {
    const week = 'anthropic_bill_difference_usd{organization="default",cause=';
    const lines = (await shown(running.registry, week)).filter((line) => line.includes('last_7_days'));
    assert.deepEqual(lines.sort(), [
      '"discount",window="last_7_days"} -6.3',
      '"not_seen",window="last_7_days"} 14',
      '"unwatched_keys",window="last_7_days"} 7',
    ]);
    const ratios = await shown(running.registry, 'anthropic_bill_drift_ratio{organization="default",cause="discount",');
    const [ratio = ''] = ratios.filter((line) => line.includes('last_7_days'));
    assert.equal(Number(ratio.split(' ')[1]).toFixed(9), '-0.100000000');
    const coverage = await shown(running.registry, 'anthropic_bill_coverage_ratio{organization="default",');
    assert.ok(coverage.includes('window="last_7_days"} 0.75'));
  });

  test('compare nothing with days before plimsoll kept totals, and show no day that is not complete', async () => {
    const recorded = await shown(running.registry, 'anthropic_bill_recorded_usd');
    assert.ok(
      recorded.every((line) => !line.includes('"month"')),
      'the month began before',
    );
    const days = await shown(running.registry, 'anthropic_bill_days{organization="default",');
    assert.deepEqual([...days].sort(), ['window="last_7_days"} 7', 'window="month"} 28', 'window="yesterday"} 1']);
  });

  test('show credit with its bounds, keys, limits and how fresh it is', async () => {
    // $150, less nine complete days of $8.10; since then others may have spent a quarter of the $2.70 of their day.
    const credit = await shown(running.registry, 'anthropic_credit_left_usd{organization="default",bound=');
    const [least = '', middle = '', most = ''] = credit;
    assert.equal(least, '"least"} 76.425');
    assert.deepEqual([middle, most], ['"middle"} 76.425', '"most"} 76.425']);
    const keys = await shown(running.registry, 'anthropic_organization_key_last_used_timestamp_seconds');
    assert.ok(keys.includes(`{organization="default",key="foreign"} ${Date.UTC(2026, 9, 28) / 1_000}`), keys.join());
    const limits = await shown(running.registry, 'anthropic_organization_rate_limit{organization="default",');
    assert.ok(limits.includes('model_class="opus-5.5",dimension="requests"} 10000'), limits.join());
    const complete = await shown(running.registry, 'anthropic_bill_complete_timestamp_seconds');
    assert.equal(complete[0], `{organization="default"} ${Date.UTC(2026, 9, 29, 2) / 1_000}`);
    const polls = await shown(running.registry, 'anthropic_bill_polls_total{organization="default",outcome="ok"}');
    assert.deepEqual(polls, [' 1']);
  });

  test('are absent once their windows are of other days', async () => {
    const view = running.watch.view();
    assert.ok(view);
    const registry = new Registry();
    let nowMs = view.readAtMs + 48 * 3_600_000;
    const gauges = new OrganizationGauges(storeFor(registry), { clock: { epochMs: () => nowMs } });
    gauges.show(view);
    assert.ok((await shown(registry, 'anthropic_bill_billed_usd{')).length > 0);
    nowMs += 1;
    gauges.show(view);
    assert.deepEqual(await shown(registry, 'anthropic_bill_billed_usd{'), []);
    assert.equal((await shown(registry, 'anthropic_bill_read_timestamp_seconds{')).length, 1, 'their age is not');
  });

  test('count keys beyond a hundred as other', async () => {
    const view = running.watch.view();
    assert.ok(view);
    const [key] = view.keys;
    const [line] = view.windows.yesterday.lines;
    assert.ok(key && line);
    const names = Array.from({ length: 150 }, (_, index) => `key-${index}`);
    const yesterday = { ...view.windows.yesterday, lines: names.map((name) => ({ ...line, key: name, billedUsd: 2 })) };
    const registry = new Registry();
    const gauges = new OrganizationGauges(storeFor(registry), { clock: { epochMs: () => view.readAtMs } });
    const keys = names.map((name) => ({ ...key, key: name }));
    const none = { ...yesterday, lines: [] };
    gauges.show({ ...view, keys, windows: { yesterday, last_7_days: none, month: none } });
    const other = await shown(registry, 'anthropic_bill_billed_usd{organization="default",key="other",');
    assert.ok(other.includes('model="claude-opus-5-5",window="yesterday"} 100'), 'fifty keys of $2');
    const billed = await shown(registry, 'anthropic_bill_billed_usd{');
    const ofYesterday = billed.filter((text) => text.includes('yesterday')).map((text) => Number(text.split(' ')[1]));
    assert.equal(
      ofYesterday.reduce((sum, usd) => sum + usd, 0),
      300,
    );
    assert.equal((await shown(registry, 'anthropic_organization_keys{')).length, 101);
  });
});
