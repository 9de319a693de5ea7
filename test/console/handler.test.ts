import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, withAttribution } from 'plimsoll';
import { simulator, type SimulatorOptions } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { consoleHandler } from '../../src/console/handler.ts';
import { usdOf } from '../../src/figures.ts';
import type { View } from '../../src/console/view.ts';

/** An instrumented client of a simulator, and the console over what it counts. */
function watched(options: SimulatorOptions = {}) {
  const api = simulator({ tier: 'custom', ...options });
  const registry = new Registry();
  const handle = consoleHandler({ registry, name: 'harbor' });
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, maxRetries: 1, logLevel: 'off' }), {
    key: 'prod-harbor',
    registry,
    attribution: { route: ['chat', 'review'] },
  });
  const ask = (route: string, model = 'claude-haiku-4-5') =>
    withAttribution({ route }, () =>
      client.messages.create({ model, max_tokens: 64, messages: [{ role: 'user', content: 'Ahoy' }] }),
    );
  const view = async (query = ''): Promise<View> =>
    (await handle(new Request(`http://localhost/console/data${query}`))).json() as Promise<View>;
  return { api, handle, ask, view };
}

test('a page without a name is called as telemetry, the package or the program is', async (t) => {
  const { OTEL_SERVICE_NAME: telemetry, npm_package_name: ofPackage } = process.env;
  const program = process.argv[1];
  t.after(() => {
    for (const [name, value] of Object.entries({ OTEL_SERVICE_NAME: telemetry, npm_package_name: ofPackage }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    process.argv[1] = program ?? '';
  });
  const shown = async (): Promise<string> => {
    const response = await consoleHandler({ registry: new Registry() })(new Request('http://localhost/data'));
    return ((await response.json()) as View).name;
  };
  process.env['OTEL_SERVICE_NAME'] = 'harbor-api';
  process.env['npm_package_name'] = 'harbor';
  assert.equal(await shown(), 'harbor-api');
  delete process.env['OTEL_SERVICE_NAME'];
  assert.equal(await shown(), 'harbor');
  delete process.env['npm_package_name'];
  for (const [file, name] of [
    ['/srv/app/service.mjs', 'service'],
    ['/srv/checkout/index.js', 'checkout'],
    ['', 'this process'],
  ] as const) {
    process.argv[1] = file;
    assert.equal(await shown(), name);
  }
});

test("the page's numbers are those of the server's ledger", async () => {
  const { api, ask, view } = watched();
  for (let call = 0; call < 25; call += 1) await ask(call % 5 === 0 ? 'review' : 'chat');
  api.script([{ fault: 'requests_limit' }]);
  await ask('chat');
  const billed = [...api.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  const { numbers, charts, table, limits, problems } = await view();
  const sum = (row: readonly (number | null)[]): number =>
    row.reduce<number>((total, value) => total + (value ?? 0), 0);
  assert.deepEqual(
    {
      calls: numbers.calls,
      ok: numbers.ok,
      failed: numbers.failed,
      attempts: numbers.attempts,
      retries: numbers.retries,
    },
    { calls: 26, ok: 26, failed: 0, attempts: 27, retries: 1 },
  );
  assert.equal(numbers.costUsd, usdOf(billed));
  assert.equal(sum(charts.answered), 26);
  assert.equal(sum(charts.rateLimited['requests'] ?? []), 1);
  assert.ok(Math.abs(sum(charts.cost['claude-haiku-4-5'] ?? []) - usdOf(billed)) < 1e-12);
  assert.deepEqual(
    table.rows.map(({ value, calls }) => [value, calls]),
    [
      ['chat', 21],
      ['review', 5],
    ],
  );
  assert.ok(numbers.latency !== null && numbers.latency.p50 <= numbers.latency.p95);
  assert.ok(
    limits.some(({ dimension, lowest, limit }) => dimension === 'requests' && lowest !== null && lowest < limit),
  );
  assert.deepEqual(problems, []);
});

test('a filter holds for everything that this process counted, 429s and latency included', async () => {
  const { api, ask, view } = watched();
  api.script([{ fault: 'output_tokens_limit' }]);
  await ask('chat');
  await ask('review');
  const { numbers, unfiltered, charts } = await view('?label.route=review&range=300');
  assert.deepEqual({ calls: numbers.calls, rateLimited: numbers.rateLimited }, { calls: 1, rateLimited: 0 });
  assert.deepEqual(unfiltered, []);
  assert.equal(charts.stepMs, 5_000);
  assert.equal((await view('?label.route=chat')).numbers.rateLimited, 1);
  assert.equal((await view('?label.__proto__=chat')).numbers.calls, 0);
});

test('equal problems are one with a count, and say no more than why', async () => {
  const { api, ask, view } = watched();
  for (let call = 0; call < 3; call += 1) {
    api.script([{ fault: 'unauthorized' }]);
    await ask('chat').catch(() => undefined);
  }
  const [problem, ...others] = (await view()).problems;
  assert.equal(others.length, 0);
  assert.equal(problem?.requestId, api.truth.requests.at(-1)?.id, "the newest one's id");
  assert.deepEqual(
    { outcome: problem?.outcome, count: problem?.count, model: problem?.model, operation: problem?.operation },
    { outcome: 'unauthorized', count: 3, model: 'claude-haiku-4-5', operation: 'messages.create' },
  );
});

test('before the first call it knows nothing, and says so without zeros', async () => {
  const { numbers, cache, tier, table } = await watched().view();
  assert.deepEqual([numbers.calls, numbers.latency, numbers.costUsdPerHour, cache, tier], [0, null, null, null, null]);
  assert.deepEqual(table.rows, []);
});

test('it is read with GET, loads nothing from elsewhere, and stands in no frame', async () => {
  const { handle } = watched();
  const page = await handle(new Request('http://localhost/console/'));
  assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'none';.*frame-ancestors 'none'$/);
  assert.doesNotMatch(page.headers.get('content-security-policy') ?? '', /unsafe/);
  assert.equal((await handle(new Request('http://localhost/console/', { method: 'POST' }))).status, 405);
  const moved = await handle(new Request('http://localhost/console'));
  assert.deepEqual([moved.status, moved.headers.get('location')], [307, './console/']);
  for (const path of ['data.txt', 'constructor.js', 'page.json'])
    assert.equal((await handle(new Request(`http://localhost/console/${path}`))).status, 404);
});

test('no address leads from it to another site', async () => {
  const { handle } = watched();
  for (const path of ['/https:evil%2Ecom', '//evil', '/%5Cevil', '/javascript:alert(1)', '/console/http:evil']) {
    const asked = `https://console.example.com${path}`;
    const location = (await handle(new Request(asked))).headers.get('location') ?? '';
    assert.equal(new URL(location, asked.replace('https:', 'http:')).host, 'console.example.com', path);
    assert.equal(new URL(location, asked).pathname, `${new URL(asked).pathname}/`, path);
  }
});

test('an address that is none is refused when the page is made, without its password', () => {
  assert.throws(
    () => consoleHandler({ registry: new Registry(), prometheus: { url: 'ftp://user:secret@prometheus' } }),
    (error: Error) => error.message.startsWith('prometheus.url') && !error.message.includes('secret'),
  );
});
