import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { budgets } from '../../../src/budget/index.ts';
import { metricsHandler } from '../../../src/record/metrics/page.ts';
import { prometheusNames } from '../../../src/record/otel/prometheus-names.ts';
import { PARAMS, collected, workbench, type Workbench } from '../../../testing/client-workbench.ts';
import { otlpReceiver, type ReceivedPoint } from '../../../testing/otlp-receiver.ts';
import { sampleKey, scraped } from '../../../testing/scraped.ts';

const START_MS = Date.UTC(2026, 10, 24, 9, 30);
const clock = { epochMs: () => START_MS, monotonicMs: () => performance.now() };

/** Sends what the producer has to a receiver, over HTTP, and returns what came. */
async function pushed(t: TestContext, registry: Workbench['registry']): Promise<readonly ReceivedPoint[]> {
  const receiver = await otlpReceiver();
  const exporter = new OTLPMetricExporter({ url: `${receiver.endpoint}/v1/metrics` });
  const metricProducers = [prometheusNames({ registry, clock: { ...clock, epochMs: () => START_MS + 60_000 } })];
  const provider = new MeterProvider({
    resource: resourceFromAttributes({
      'service.namespace': 'shop',
      'service.name': 'checkout',
      'service.instance.id': 'a1',
    }),
    readers: [new PeriodicExportingMetricReader({ exporter, metricProducers })],
  });
  t.after(async () => {
    await provider.shutdown();
    await receiver.close();
  });
  await provider.forceFlush();
  return receiver.points;
}

/**
 * The series that Prometheus makes of OTLP, by its page "OTLP metrics translation", with the default strategy
 * (UnderscoreEscapingWithSuffixes): what a name may not have becomes `_`; the unit is appended, `_ratio` for a gauge whose
 * unit is 1; a monotonic sum ends in `_total`; buckets are added up; `job` and `instance` are of the resource.
 */
function translated(points: readonly ReceivedPoint[]): ReadonlyMap<string, number> {
  const samples = new Map<string, number>();
  const add = (name: string, labels: Readonly<Record<string, string | number>>, value: number): void => {
    const key = sampleKey(name, labels);
    assert.ok(!samples.has(key), `twice: ${key}`);
    samples.set(key, value);
  };
  for (const point of points) {
    const name = translatedName(point);
    const labels = Object.fromEntries(
      Object.entries(point.attributes).map(([label, value]) => [label.replace(/\W/g, '_'), String(value)]),
    );
    if (point.type !== 'histogram') add(name, labels, point.value);
    else {
      let below = 0;
      [...point.bounds, '+Inf'].forEach((le, bucket) => {
        below += point.bucketCounts[bucket] ?? NaN;
        add(`${name}_bucket`, { ...labels, le }, below);
      });
      add(`${name}_sum`, labels, point.value);
      add(`${name}_count`, labels, point.count);
    }
  }
  return samples;
}

function translatedName({ name, unit, type, isMonotonic }: ReceivedPoint): string {
  const words = name.split(/[^a-zA-Z0-9:]+/).filter((word) => word !== '');
  const withUnit = unit === '' ? words : [...words, type === 'gauge' && unit === '1' ? 'ratio' : unit];
  return (isMonotonic ? [...withUnit.filter((word) => word !== 'total'), 'total'] : withUnit).join('_');
}

/** Calls that fill every kind of metric: streams, a refusal that is retried, a budget, labels. */
async function busy(): Promise<Workbench> {
  const bench = workbench({
    instrument: {
      clock,
      key: 'prod-checkout',
      attribution: { route: ['search'] },
      labels: { route: 'search' },
      tier: { name: 'Build' },
      budgets: budgets({ definitions: [{ name: 'month', period: 'month', usd: 100, mode: 'warn' }], clock }),
    },
  });
  const { claude, sim } = bench;
  sim.script([{ fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }]);
  await claude.messages.create(PARAMS);
  await collected(await claude.messages.create({ ...PARAMS, stream: true }));
  await assert.rejects(claude.messages.create({ ...PARAMS, model: 'no-such-model' }));
  return bench;
}

test('what is pushed has the names, labels, bucket bounds and values of the page that is scraped', async (t) => {
  const { registry } = await busy();
  const page = await metricsHandler({ registry })(new Request('http://host/metrics'));
  const { samples, types } = scraped(await page.text());
  const sent = await pushed(t, registry);
  assert.deepEqual(new Map([...translated(sent)].sort()), new Map([...samples].sort()));
  assert.ok(samples.size > 150, `${samples.size} samples`);
  assert.deepEqual(new Set(sent.map(({ type }) => type)), new Set(['gauge', 'sum', 'histogram']));
  for (const { name, type } of sent) assert.equal(types.get(name), type === 'sum' ? 'counter' : type, name);
});

test('sums are cumulative from the start of the process, and job and instance are of the resource', async (t) => {
  const { registry } = await busy();
  const sent = await pushed(t, registry);
  for (const { name, type, isCumulative, isMonotonic, startMs, resource } of sent) {
    assert.deepEqual([isCumulative, isMonotonic], [type !== 'gauge', type === 'sum'], name);
    assert.equal(startMs, START_MS, name);
    assert.equal(resource['service.name'], 'checkout');
    assert.equal(resource['service.instance.id'], 'a1');
  }
  const start = sent.find(({ name }) => name === 'plimsoll_start_time_seconds');
  assert.equal(start?.value, START_MS / 1_000);
});

test('default labels of the registry are attributes, and a label of the series stays', async (t) => {
  const { registry } = await busy();
  registry.setDefaultLabels({ stage: 'prod', model: 'none' });
  const page = await metricsHandler({ registry })(new Request('http://host/metrics'));
  const { samples } = scraped(await page.text());
  const sent = translated(await pushed(t, registry));
  assert.deepEqual([...sent.keys()].sort(), [...samples.keys()].sort());
  assert.ok([...sent.keys()].every((key) => key.includes('stage="prod"')));
});

test('a registry without an instrumented client sends nothing, and gets no metrics by being asked', async (t) => {
  const { registry } = workbench();
  registry.clear();
  const other = new (registry.constructor as new () => typeof registry)();
  assert.deepEqual(await pushed(t, other), []);
  assert.deepEqual(other.getMetricsAsArray(), []);
});
