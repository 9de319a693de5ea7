import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Counter, Gauge, Histogram, Registry, Summary, collectDefaultMetrics } from 'prom-client';
import { acceptsGzip, metricsHandler, preferredFormat } from '../../../src/record/metrics/page.ts';
import { storeFor } from '../../../src/record/metrics/registry.ts';
import { prometheusRecorder } from '../../../src/record/prometheus.ts';
import { aCall, aLimiter, aPart, aUsage, anAttempt, record } from '../../../testing/calls.ts';
import { sampleKey, scraped } from '../../../testing/scraped.ts';
import { tool } from '../../../testing/tools.ts';

const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE;

const TEXT = Registry.PROMETHEUS_CONTENT_TYPE;

const WILD = 'quote " backslash \\ newline \n end';

const trace = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  timestampSeconds: 1795521600.25,
};

/** A registry with calls of every kind of metric, and metrics of the user's own of every type. */
function busyRegistry(): Registry {
  const registry = new Registry();
  const recorder = prometheusRecorder({
    registry,
    models: ['claude-opus-5'],
    keys: ['prod-api-key'],
    attribution: { tenant: [] },
  });
  const usage = aUsage([aPart({ input: 12, output: 340, cache_read: 7 })], { serverToolUses: { web_search: 2 } });
  for (const tenant of ['a', WILD.slice(0, 19), 'b']) {
    const call = aCall({
      usage,
      trace: () => trace,
      attribution: { tenant },
      maxTokens: 1024,
      firstTokenSeconds: 0.4,
      stopReason: 'end_turn',
    });
    record(recorder, call, [anAttempt({ limiters: [aLimiter({ resetAtMs: null })] })]);
  }
  return registry;
}

function withForeign(registry: Registry): Registry {
  const registers = [registry];
  new Counter({ name: 'orders_total', help: WILD, labelNames: ['shop'], registers }).inc({ shop: WILD }, 2);
  new Counter({ name: 'orders_plain', help: 'A counter without the suffix.', registers }).inc(3);
  new Gauge({ name: 'temperature', help: 'A gauge.', labelNames: ['room'], registers }).set({ room: 'cellar' }, -1.5);
  new Histogram({ name: 'paint_seconds', help: 'A histogram.', labelNames: ['hue'], registers }).observe(
    { hue: 'red' },
    0.3,
  );
  new Summary({ name: 'wait_seconds', help: 'A summary.', registers }).observe(4);
  new Gauge({ name: 'unset', help: 'Not a number.', registers }).set(NaN);
  return registry;
}

async function get(registry: Registry, headers: Record<string, string> = {}): Promise<Response> {
  return metricsHandler({ registry })(new Request('http://localhost/metrics', { headers }));
}

test('what the handler answers as text equals registry.metrics(), plimsoll metrics and others alike', async () => {
  const registry = withForeign(busyRegistry());
  const response = await get(registry);
  assert.equal(response.headers.get('content-type'), TEXT);
  const ours = scraped(await response.text());
  const theirs = scraped(await registry.metrics());
  assert.ok(ours.samples.size > 150, `${ours.samples.size}`);
  assert.deepEqual(ours, theirs);
});

test('what the handler answers as OpenMetrics equals an OpenMetrics registry, exemplars included', async () => {
  const registry = withForeign(busyRegistry());
  const ours = scraped(await (await get(registry, { accept: OPEN_METRICS })).text());
  registry.setContentType(OPEN_METRICS as never);
  const theirs = scraped(await registry.metrics());
  assert.deepEqual(ours.samples, theirs.samples);
  assert.deepEqual(ours.types, theirs.types);
  assert.deepEqual(ours.exemplars, theirs.exemplars);
  assert.ok(ours.ended);
  assert.ok(ours.exemplars.size > 5);
});

test('OpenMetrics has the trace of the last observation of each bucket, text has none', async () => {
  const registry = busyRegistry();
  const bucket = sampleKey('anthropic_request_duration_seconds_bucket', {
    model: 'claude-haiku-4-5',
    operation: 'messages.create',
    key: 'prod-api-key',
    outcome: 'ok',
    le: '2',
  });
  const openMetrics = scraped(await (await get(registry, { accept: OPEN_METRICS })).text());
  assert.equal(
    openMetrics.exemplars.get(bucket),
    `{trace_id="${trace.traceId}",span_id="${trace.spanId}"} 1.5 1795521600.25`,
  );
  assert.equal(scraped(await (await get(registry)).text()).exemplars.size, 0);
});

test('answering both formats in turn leaves the registry and its names as they were', async () => {
  const registry = withForeign(busyRegistry());
  const before = await registry.metrics();
  const texts: string[] = [];
  for (const accept of [OPEN_METRICS, TEXT, OPEN_METRICS, TEXT])
    texts.push(await (await get(registry, { accept })).text());
  assert.equal(texts[0], texts[2]);
  assert.equal(texts[1], texts[3]);
  assert.equal(registry.contentType, TEXT);
  assert.equal(await registry.metrics(), before);
});

test('names that a scrape of the registry as OpenMetrics has cut are whole again', async () => {
  const registry = withForeign(busyRegistry());
  const whole = scraped(await (await get(registry)).text());
  registry.setContentType(OPEN_METRICS as never);
  await registry.metrics();
  registry.setContentType(TEXT);
  assert.ok((await registry.metrics()).includes('\norders{'), 'prom-client repairs it itself: this test can go');
  assert.deepEqual(scraped(await (await get(registry)).text()), whole);
});

test('default labels of the registry are on every sample that has no label of the name', async () => {
  const registry = withForeign(busyRegistry());
  await get(registry);
  for (const labels of [{ app: 'shop', room: 'attic' }, { app: 'other' }, {}]) {
    registry.setDefaultLabels(labels);
    const ours = scraped(await (await get(registry)).text());
    assert.deepEqual(ours, scraped(await registry.metrics()));
    const room = sampleKey('temperature', { ...labels, room: 'cellar' });
    assert.equal(ours.samples.get(room), -1.5);
  }
});

test('series that appear between two scrapes are in the second', async () => {
  const registry = new Registry();
  const requests = storeFor(registry).families.anthropic_requests_total;
  const labels = { model: 'm', operation: 'messages.create', key: 'k' };
  const second = requests.series({ ...labels, outcome: 'timeout' });
  requests.series({ ...labels, outcome: 'ok' }).add(1);
  assert.equal(scraped(await (await get(registry)).text()).samples.size, 1);
  second.add(2);
  const { samples } = scraped(await (await get(registry)).text());
  assert.equal(samples.get(sampleKey('anthropic_requests_total', { ...labels, outcome: 'ok' })), 1);
  assert.equal(samples.get(sampleKey('anthropic_requests_total', { ...labels, outcome: 'timeout' })), 2);
});

test("a metric of the user's that throws is left out and counted, and the rest is served", async () => {
  const registry = withForeign(busyRegistry());
  const collect = (): never => {
    throw new Error('the sensor is gone');
  };
  new Gauge({ name: 'sensor', help: 'Throws.', registers: [registry], collect });
  const { types } = scraped(await (await get(registry)).text());
  assert.equal(types.has('sensor'), false);
  assert.ok(types.has('temperature'));
  const { samples } = scraped(await (await get(registry)).text());
  assert.equal(samples.get(sampleKey('plimsoll_errors_total', { stage: 'scrape' })), 2);
});

test('a gauge of plimsoll that cannot be computed is left out and counted, by the handler and by the registry itself', async () => {
  const registry = busyRegistry();
  const scope = { budget: 'all', period: 'day', scope: 'all', ledger_id: 'one' };
  const spent = storeFor(registry).families.anthropic_budget_spent_usd;
  spent.series({ ...scope, ledger_id: 'two' }).set(3);
  spent.series(scope).computeBy(() => {
    throw new Error('the ledger is of the user');
  });
  for (const [index, text] of [await (await get(registry)).text(), await registry.metrics()].entries()) {
    const { samples } = scraped(text);
    assert.equal(samples.get(sampleKey('anthropic_budget_spent_usd', { ...scope, ledger_id: 'two' })), 3);
    assert.equal(samples.has(sampleKey('anthropic_budget_spent_usd', scope)), false);
    assert.equal(samples.get(sampleKey('plimsoll_errors_total', { stage: 'scrape' })), index + 1);
  }
});

test('the response is compressed if the request asks for it', async () => {
  const registry = busyRegistry();
  const plain = await get(registry);
  const zipped = await get(registry, { 'accept-encoding': 'gzip, deflate' });
  assert.equal(plain.headers.get('content-encoding'), null);
  assert.equal(zipped.headers.get('content-encoding'), 'gzip');
  const bytes = Buffer.from(await zipped.arrayBuffer());
  const text = await plain.text();
  assert.equal(gunzipSync(bytes).toString(), text);
  assert.ok(bytes.length * 5 < text.length);
});

test('the vary header tells caches what the answer depends on', async () => {
  assert.equal((await get(new Registry())).headers.get('vary'), 'Accept, Accept-Encoding');
});

test('HEAD is answered with the headers of GET and no body', async () => {
  const answer = metricsHandler({ registry: busyRegistry() });
  const url = 'http://localhost/metrics';
  const head = await answer(new Request(url, { method: 'HEAD', headers: { accept: OPEN_METRICS } }));
  const full = await answer(new Request(url, { headers: { accept: OPEN_METRICS } }));
  assert.equal(head.status, 200);
  assert.deepEqual([...head.headers], [...full.headers]);
  assert.equal(await head.text(), '');
});

test('other methods are refused with the list of those allowed', async () => {
  const answer = metricsHandler({ registry: new Registry() });
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const response = await answer(new Request('http://localhost/metrics', { method }));
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('allow'), 'GET, HEAD');
  }
});

test('plimsoll never collects the default metrics of prom-client itself, and shows those that the user collects', async () => {
  const registry = busyRegistry();
  assert.equal(scraped(await (await get(registry)).text()).types.has('process_cpu_seconds_total'), false);
  collectDefaultMetrics({ register: registry });
  const { types, samples } = scraped(await (await get(registry)).text());
  assert.equal(types.get('process_cpu_seconds_total'), 'counter');
  assert.ok(samples.has('process_start_time_seconds'));
});

const promtool = tool('promtool');

test('promtool finds nothing wrong with the text', { skip: promtool.skip }, async () => {
  const input = await (await get(busyRegistry())).text();
  const { status, stdout, stderr } = spawnSync(promtool.path, ['check', 'metrics'], { input, encoding: 'utf8' });
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

const PROMETHEUS_2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

const FORMATS: readonly (readonly [accept: string | null, format: string])[] = [
  [null, 'text'],
  ['', 'text'],
  [PROMETHEUS_2, 'openmetrics'],
  [PROMETHEUS_3, 'openmetrics'],
  [BROWSER, 'text'],
  ['*/*', 'text'],
  ['text/*', 'text'],
  ['application/*', 'openmetrics'],
  ['application/openmetrics-text', 'openmetrics'],
  ['Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8', 'openmetrics'],
  ['application/openmetrics-text; version="1.0.0"', 'openmetrics'],
  ['application/openmetrics-text; version=0.0.1', 'text'],
  ['application/openmetrics-text;q=0.5, text/plain;q=0.6', 'text'],
  ['text/plain;q=0.5, application/openmetrics-text;q=0.6', 'openmetrics'],
  ['application/openmetrics-text, text/plain', 'openmetrics'],
  ['text/plain, application/openmetrics-text', 'text'],
  ['application/openmetrics-text;q=0, */*', 'text'],
  ['text/plain;q=0, */*', 'openmetrics'],
  ['application/json', 'text'],
  ['application/openmetrics-text;q=nonsense', 'openmetrics'],
];

for (const [accept, format] of FORMATS) {
  test(`Accept ${JSON.stringify(accept)} is answered with ${format}`, () => {
    assert.equal(preferredFormat(accept), format);
  });
}

const ENCODINGS: readonly (readonly [acceptEncoding: string | null, gzip: boolean])[] = [
  [null, false],
  ['', false],
  ['gzip', true],
  ['GZIP;q=1.0', true],
  ['br, gzip;q=0.5', true],
  ['gzip;q=0', false],
  ['gzip;q=0, *', false],
  ['*', true],
  ['*;q=0', false],
  ['identity', false],
  ['br', false],
];

for (const [acceptEncoding, gzip] of ENCODINGS) {
  test(`Accept-Encoding ${JSON.stringify(acceptEncoding)} is answered ${gzip ? 'with' : 'without'} gzip`, () => {
    assert.equal(acceptsGzip(acceptEncoding), gzip);
  });
}
