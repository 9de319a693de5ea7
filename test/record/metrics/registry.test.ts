import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counter, Gauge, Registry } from 'prom-client';
import { ConfigurationError } from '../../../src/errors.ts';
import { CATALOGUE } from '../../../src/record/metrics/catalogue.ts';
import { storeFor } from '../../../src/record/metrics/registry.ts';
import type { MetricRegistry } from '../../../src/record/metrics/registry.ts';
import { sampleKey, scraped } from '../../../testing/scraped.ts';

const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE;
const TEXT = Registry.PROMETHEUS_CONTENT_TYPE;
const call = { model: 'm', operation: 'messages.create', key: 'k', outcome: 'ok' };

/** prom-client's types know no content type of a new registry but the default. */
function registryOf(contentType: string): Registry {
  const registry = new Registry();
  registry.setContentType(contentType as typeof TEXT);
  return registry;
}

/** A registry with a counter, a counter of money, a gauge and a histogram that have something to show. */
function fed(registry = new Registry()): Registry {
  const { families } = storeFor(registry);
  families.anthropic_requests_total.series(call, { tenant: 'a"b\\c\nd' }).add(3);
  families.anthropic_cost_usd_total.series({ ...call, kind: 'input' }).addNanoUsd(1_500_000_001);
  families.anthropic_requests_in_flight.series(call).set(2);
  const durations = families.anthropic_request_duration_seconds.series(call);
  for (const seconds of [0.25, 3, 1000]) durations.observe(seconds);
  return registry;
}

const EXPECTED: readonly (readonly [string, number])[] = [
  [sampleKey('anthropic_requests_total', { ...call, tenant: 'a"b\\c\nd' }), 3],
  [
    sampleKey('anthropic_cost_usd_total', { model: 'm', operation: 'messages.create', key: 'k', kind: 'input' }),
    1.500000001,
  ],
  [sampleKey('anthropic_requests_in_flight', { operation: 'messages.create', key: 'k' }), 2],
  [sampleKey('anthropic_request_duration_seconds_bucket', { ...call, le: '0.25' }), 1],
  [sampleKey('anthropic_request_duration_seconds_bucket', { ...call, le: '2' }), 1],
  [sampleKey('anthropic_request_duration_seconds_bucket', { ...call, le: '4' }), 2],
  [sampleKey('anthropic_request_duration_seconds_bucket', { ...call, le: '600' }), 2],
  [sampleKey('anthropic_request_duration_seconds_bucket', { ...call, le: '+Inf' }), 3],
  [sampleKey('anthropic_request_duration_seconds_sum', call), 1003.25],
  [sampleKey('anthropic_request_duration_seconds_count', call), 3],
];

function assertShows(text: string): void {
  const { samples } = scraped(text);
  for (const [key, value] of EXPECTED) assert.equal(samples.get(key), value, key);
  assert.equal(samples.size, 15 + 3 + 3);
}

test('registry.metrics() shows every family of the catalogue, whatever feeds it', async () => {
  const registry = new Registry();
  storeFor(registry);
  const { types } = scraped(await registry.metrics());
  assert.deepEqual(
    [...types],
    CATALOGUE.map(({ name, type }) => [name, type]),
  );
});

test('registry.metrics() shows the same numbers when the registry is switched to OpenMetrics and back', async () => {
  const registry = fed();
  for (const contentType of [TEXT, OPEN_METRICS, TEXT, OPEN_METRICS, TEXT]) {
    registry.setContentType(contentType as typeof TEXT);
    const text = await registry.metrics();
    assertShows(text);
    const name = contentType === TEXT ? 'anthropic_requests_total' : 'anthropic_requests';
    assert.equal(scraped(text).types.get(name), 'counter');
  }
});

test('a registry made for OpenMetrics is fed as well', async () => {
  assertShows(await fed(registryOf(OPEN_METRICS)).metrics());
});

test('getMetricsAsJSON() has the full names in either content type, and the default labels', async () => {
  const registry = fed();
  registry.setDefaultLabels({ app: 'shop' });
  for (const contentType of [TEXT, OPEN_METRICS]) {
    registry.setContentType(contentType as typeof TEXT);
    await registry.metrics();
    const json = await registry.getMetricsAsJSON();
    const requests = json.find(({ name }) => name === 'anthropic_requests_total');
    assert.deepEqual(requests?.values, [{ labels: { ...call, tenant: 'a"b\\c\nd', app: 'shop' }, value: 3 }]);
    const durations = json.find(({ name }) => name === 'anthropic_request_duration_seconds');
    assert.deepEqual(durations?.values[0], {
      labels: { ...call, le: 0.25, app: 'shop' },
      metricName: 'anthropic_request_duration_seconds_bucket',
      value: 1,
    });
  }
});

test('a single metric is found and printed by its name', async () => {
  const registry = fed();
  const metric = registry.getSingleMetric('anthropic_requests_total');
  assert.equal((await metric?.get())?.values[0]?.value, 3);
  assert.equal(scraped(`${await registry.getSingleMetricAsString('anthropic_requests_total')}\n`).samples.size, 1);
  registry.setContentType(OPEN_METRICS as never);
  const text = await registry.getSingleMetricAsString('anthropic_requests_total');
  assert.ok(scraped(`${text}\n`).samples.has(EXPECTED[0]?.[0] ?? ''));
});

for (const contentType of [TEXT, OPEN_METRICS]) {
  test(`merged with another registry it shows the same numbers: ${contentType}`, async () => {
    const registry = fed(registryOf(contentType));
    const other = registryOf(contentType);
    new Gauge({ name: 'queue_length', help: 'Orders waiting.', registers: [other] }).set(7);
    const { samples } = scraped(await Registry.merge([registry, other]).metrics());
    for (const [key, value] of EXPECTED) assert.equal(samples.get(key), value, key);
    assert.equal(samples.get('queue_length'), 7);
  });
}

test('resetMetrics() hides counters and histograms again, sets those shown at zero to 0, and leaves gauges', async () => {
  const registry = fed();
  const { families } = storeFor(registry);
  families.anthropic_overloaded_total.series({ model: 'm', key: 'k' }).showAtZero();
  families.anthropic_overloaded_total.series({ model: 'm', key: 'k' }).add(5);
  registry.resetMetrics();
  assert.deepEqual(
    [...scraped(await registry.metrics()).samples],
    [
      [sampleKey('anthropic_requests_in_flight', { operation: 'messages.create', key: 'k' }), 2],
      [sampleKey('anthropic_overloaded_total', { model: 'm', key: 'k' }), 0],
    ],
  );
  families.anthropic_requests_total.series(call).add(1);
  assert.equal(scraped(await registry.metrics()).samples.get(sampleKey('anthropic_requests_total', call)), 1);
});

test('a registry has one store, whoever asks', async () => {
  const registry = fed();
  storeFor(registry).families.anthropic_requests_total.series(call, { tenant: 'a"b\\c\nd' }).add(1);
  assert.equal(storeFor(registry), storeFor(registry));
  assert.notEqual(storeFor(registry), storeFor(new Registry()));
  assert.equal(scraped(await registry.metrics()).samples.get(EXPECTED[0]?.[0] ?? ''), 4);
});

test('after registry.clear() the next client starts from 0, and the one before counts on in the same registry', async () => {
  const registry = fed();
  const before = storeFor(registry);
  registry.clear();
  assert.equal(await registry.metrics(), '\n');
  const after = storeFor(registry);
  assert.equal(scraped(await registry.metrics()).samples.has(EXPECTED[0]?.[0] ?? ''), false);
  for (const store of [before, after]) store.families.anthropic_requests_total.series(call).add(1);
  assert.equal(scraped(await registry.metrics()).samples.get(sampleKey('anthropic_requests_total', call)), 2);
});

test('a single metric that was removed comes back with the next client, its numbers kept', async () => {
  const registry = fed();
  registry.removeSingleMetric('anthropic_requests_total');
  assert.equal(scraped(await registry.metrics()).samples.has(EXPECTED[0]?.[0] ?? ''), false);
  storeFor(registry);
  assertShows(await registry.metrics());
});

test('metrics of others under names of the catalogue are one error that lists them, and nothing is registered', () => {
  const registry = new Registry();
  for (const name of ['anthropic_requests_total', 'plimsoll_errors_total']) {
    new Counter({ name, help: 'Not of plimsoll.', registers: [registry] });
  }
  assert.throws(
    () => storeFor(registry),
    (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.equal(error.code, 'PLIMSOLL_METRIC_NAME_TAKEN');
      assert.match(
        error.message,
        /expected .*, got metrics named anthropic_requests_total, plimsoll_errors_total: rename/,
      );
      return true;
    },
  );
  assert.equal(registry.getMetricsAsArray().length, 2);
});

test('an error of the registry is reported and counted, and the store goes on counting', () => {
  const broken = new Error('no metrics today');
  const fail = (): never => {
    throw broken;
  };
  const registry: MetricRegistry = {
    contentType: TEXT,
    registerMetric: fail,
    getSingleMetric: () => undefined,
    getMetricsAsArray: fail,
    getMetricsAsJSON: fail,
  };
  const told: unknown[] = [];
  const store = storeFor(registry, (...error) => told.push(error));
  assert.deepEqual(told, [['registry', broken]]);
  assert.equal(store.families.plimsoll_errors_total.series({ stage: 'registry' }).value(), 1);
  store.families.anthropic_requests_total.series(call).add(1);
  assert.equal(store.families.anthropic_requests_total.series(call).value(), 1);
});

test('an error of each stage is counted under its name', async () => {
  const registry = new Registry();
  storeFor(registry).errors('body');
  storeFor(registry).errors('body');
  assert.deepEqual(
    [...scraped(await registry.metrics()).samples],
    [[sampleKey('plimsoll_errors_total', { stage: 'body' }), 2]],
  );
});

test('an attribution label without a value is the same series as one that was never declared', () => {
  const { families } = storeFor(new Registry());
  const plain = families.anthropic_requests_total.series(call);
  assert.equal(families.anthropic_requests_total.series(call, { tenant: '' }), plain);
  const both = families.anthropic_requests_total.series(call, { tenant: 'a', feature: 'b' });
  assert.equal(families.anthropic_requests_total.series(call, { feature: 'b', tenant: 'a' }), both);
  assert.notEqual(both, plain);
});
