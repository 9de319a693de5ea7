import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { Account, JoinedGauges, Journal, type Changes } from '../../../src/record/metrics/joined.ts';
import { storeFor } from '../../../src/record/metrics/registry.ts';
import { HistogramSeries, MoneySeries, type Series } from '../../../src/record/metrics/series.ts';
import type { Store } from '../../../src/record/metrics/store.ts';

const LABELS = { model: 'claude-haiku-5-5', operation: 'messages.create', key: 'k', outcome: 'ok' };
const stored = (): Store => storeFor(new Registry());

/** A process with a store of its own, and its account in the joined one. What it tells goes through a clone, as between processes. */
function told(joined: Store) {
  const store = stored();
  const account = new Account(joined);
  const sent: Changes[] = [];
  const journal = new Journal(store, (changes) => {
    sent.push(changes);
    account.add(structuredClone(changes));
  });
  return { store, journal, sent, families: store.families };
}

const shown = (series: Series | null): number | null => series?.value() ?? null;

test('counters, money and histograms of processes add up, and stay when a process has ended', () => {
  const joined = stored();
  const workers = [told(joined), told(joined)];
  for (const [index, { families, journal }] of workers.entries()) {
    for (let turn = 1; turn <= 2; turn += 1) {
      families.anthropic_requests_total.series(LABELS, { team: 'shop' }).add(turn);
      families.anthropic_cost_usd_total
        .series({ model: 'm', operation: 'messages.create', key: 'k', kind: 'input' })
        .addNanoUsd(turn * 10 ** 9 + 7);
      families.anthropic_request_duration_seconds.series(LABELS).observe(index === 0 ? 0.2 : 3);
      journal.flush();
    }
  }
  const another = told(joined);
  another.families.anthropic_requests_total.series(LABELS, { team: 'shop' }).add(4);
  another.journal.flush();
  const { anthropic_requests_total: calls, anthropic_request_duration_seconds: durations } = joined.families;
  assert.equal(shown(calls.series(LABELS, { team: 'shop' })), 10);
  const [money] = joined.families.anthropic_cost_usd_total.all();
  assert.ok(money instanceof MoneySeries);
  assert.equal(money.totalNanoUsd(), 6_000_000_028n);
  const histogram = durations.series(LABELS);
  assert.ok(histogram instanceof HistogramSeries);
  assert.deepEqual([histogram.value(), histogram.sum(), histogram.countIn(0)], [4, 6.4, 2]);
});

test('only what has changed is told again, and a series at zero is told once', () => {
  const { store, journal, sent, families } = told(stored());
  families.plimsoll_gateway_resends_total.series({ cause: 'reset' }).showAtZero();
  families.anthropic_requests_total.series(LABELS).add(1);
  journal.flush();
  families.anthropic_requests_total.series(LABELS).add(1);
  journal.flush();
  journal.flush();
  assert.deepEqual(
    sent.map(({ named, counted }) => [named.length, [...counted]]),
    [
      [2, [0, 1, 0, 1, 1, 1]],
      [0, [1, 1, 1]],
    ],
  );
  assert.equal(shown(store.families.anthropic_requests_total.series(LABELS)), 2);
});

test('changes are told at the end of the turn in which they came, at once, and the next ones together', async () => {
  const { sent, families } = told(stored());
  families.anthropic_requests_total.series(LABELS).add(1);
  families.anthropic_requests_total.series(LABELS).add(1);
  assert.equal(sent.length, 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([...(sent[0]?.counted ?? [])], [0, 1, 2]);
  for (let value = 3; value <= 5; value += 1) families.anthropic_requests_total.series(LABELS).add(1);
  while (sent.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([...(sent[1]?.counted ?? [])], [0, 1, 3]);
});

test('what was counted before anybody followed is told too, and an unknown family is left out', () => {
  const joined = stored();
  const store = stored();
  store.families.anthropic_requests_total.series(LABELS).add(3);
  const account = new Account(joined);
  new Journal(store, (changes) => account.add(changes)).flush();
  account.add({ named: [[99, 'of_another_version', [], {}]], counted: Float64Array.of(99, 1, 1) });
  assert.equal(shown(joined.families.anthropic_requests_total.series(LABELS)), 3);
});

test('processes together give a label no more values than one would', () => {
  const joined = stored();
  for (const process of ['one', 'two', 'three']) {
    const { store, journal, families } = told(joined);
    const places = store.boundedLabel('key', { reserved: ['declared'], cap: 2 });
    for (const raw of ['declared', `${process} a`, `${process} b`, `${process} c`]) {
      const labels = { ...LABELS, key: places.counted(raw) };
      families.anthropic_requests_total.series(labels).add(1);
      families.anthropic_request_duration_seconds.series(labels).observe(1);
    }
    journal.flush();
  }
  const { anthropic_requests_total: calls, anthropic_request_duration_seconds: durations } = joined.families;
  for (const all of [calls.all(), durations.all()]) {
    const counted = all.map((series) => [series.labels.find(([label]) => label === 'key')?.[1], series.value()]);
    assert.deepEqual(counted, [
      ['declared', 3],
      ['one a', 1],
      ['one b', 1],
      ['other', 7],
    ]);
  }
  // One in each process for want of a place there, and four for want of one here.
  assert.equal(shown(joined.families.plimsoll_label_values_dropped_total.series({ label: 'key' })), 7);
});

test('gauges combine as the catalogue says, and go when no process has them any more', () => {
  const joined = stored();
  const gauges = new JoinedGauges(joined);
  const all = [1, 3].map((value) => {
    const { store, journal } = told(joined);
    store.families.anthropic_requests_in_flight.series({ operation: 'messages.create', key: 'k' }).set(value);
    store.families.plimsoll_gateway_redis_up.series({ store: 'tokens' }).set(value - 1);
    store.families.plimsoll_gateway_logins.series({ client: 'c' }).set(value);
    store.families.plimsoll_build_info.series({ version: '1' }).set(1);
    store.families.plimsoll_start_time_seconds.series({}).set(value);
    return journal.gauges();
  });
  gauges.set(all);
  const { families } = joined;
  const values = () => [
    shown(families.anthropic_requests_in_flight.series({ operation: 'messages.create', key: 'k' })),
    shown(families.plimsoll_gateway_redis_up.series({ store: 'tokens' })),
    shown(families.plimsoll_gateway_logins.series({ client: 'c' })),
    shown(families.plimsoll_build_info.series({ version: '1' })),
    shown(families.plimsoll_start_time_seconds.series({})),
  ];
  assert.deepEqual(values(), [4, 0, 3, 1, null]);
  gauges.set([]);
  assert.deepEqual(values(), [null, null, null, null, null]);
});
