import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import type { View } from '../../src/console/view.ts';
import { demoOptions } from '../../demo/options.ts';
import { otlpReceiver } from '../../testing/otlp-receiver.ts';
import { scraped, type Scraped } from '../../testing/scraped.ts';
import { tool } from '../../testing/tools.ts';
import { started, startedBy, type Started } from '../../testing/demo.ts';
import { freePort } from '../../testing/free-port.ts';

const METRICS = /^ {2}metrics +(http:\S+\/metrics)$/;
const SERVICE = /^ {2}the service +(http:\S+) /;
const SUMMARY = /^\d\d:\d\d:\d\d /;

function sum({ samples }: Scraped, name: string, ...labels: readonly string[]): number {
  return [...samples]
    .filter(([key]) => key.startsWith(`${name}{`) && labels.every((label) => key.includes(label)))
    .reduce((total, [, value]) => total + value, 0);
}

async function urls(demo: Started): Promise<{ readonly metrics: string; readonly service: string }> {
  const [, metrics = ''] = await demo.line(METRICS);
  const [, service = ''] = await demo.line(SERVICE);
  return { metrics, service };
}

/** A port that something listens on while the test runs. */
async function taken(t: TestContext): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

// Most of them wait for a demo that lives by the clock.
suite('the demo', { concurrency: 4 }, () => {
  test('a demo that runs', async (t) => {
    const api = simulator();
    const serving = await serve(api.handle, { port: 0 });
    t.after(() => serving.close(0));
    const env = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_AUTH_TOKEN: 'test', ANTHROPIC_BASE_URL: serving.url };
    const demo = started(t, ['--port', '0'], env);
    const { metrics, service } = await urls(demo);

    await t.test('has a live page of its calls, with the policy that keeps it to itself', async () => {
      await fetch(`${service}/review`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"question":"const depth = 3;"}',
      });
      const response = await fetch(new URL('/', metrics));
      assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
      assert.match(response.headers.get('content-security-policy') ?? '', /^default-src 'none'/);
      const { name, numbers, budgets } = (await (await fetch(new URL('/data?label.tenant=', metrics))).json()) as View;
      assert.deepEqual([name, numbers.calls], ['harbor-api', 1], 'a call without a tenant is counted');
      assert.ok(budgets.length > 0);
      assert.equal((await fetch(new URL('/elsewhere', metrics))).status, 404);
    });

    await t.test('shows the bill of the days before today, and the credit that is left', async () => {
      let shown: View;
      do {
        await demo.line(SUMMARY);
        shown = (await (await fetch(new URL('/data', metrics))).json()) as View;
      } while (shown.bill === null || shown.credit === null);
      assert.ok(shown.bill.causes.length > 0);
    });

    await t.test('has a service that says what it expects', async () => {
      const response = await fetch(`${service}/chat`, { method: 'POST', body: '{}' });
      assert.equal(response.status, 400);
      assert.match(await response.text(), /expected JSON such as/);
    });

    await t.test(
      'shows calls, refusals with their reason, retries, tokens and cost within its first burst',
      async () => {
        let page: Scraped;
        const named = (name: string, ...labels: string[]): number => sum(page, name, ...labels);
        const shown = (): readonly number[] => [
          named('anthropic_retries_total'),
          named('anthropic_requests_total', 'model="claude-haiku-4-5"', 'outcome="ok"', 'key="dev-local-key"'),
          named('anthropic_rate_limited_total', 'reason="requests"'),
          named('anthropic_tokens_total', 'kind="output"', 'tenant="harbor"'),
          named('anthropic_cost_usd_total', 'route="chat"'),
        ];
        do {
          await demo.line(SUMMARY);
          page = scraped(await (await fetch(metrics)).text());
        } while (shown().includes(0));
        assert.equal(named('plimsoll_errors_total'), 0);
      },
    );

    await t.test('never uses a key of the environment', () => {
      assert.equal(api.truth.requests.length, 0);
    });

    await t.test('ends at Ctrl-C with code 0, a last line that sums up, and no complaint', async () => {
      demo.interrupt();
      await demo.line(/^total +\d+ +\d+ +\d+ +.*\$/);
      assert.equal(await demo.ended, 0);
      assert.deepEqual(demo.complaints, []);
    });

    await t.test('fits a terminal of 80 columns', () => {
      assert.deepEqual(
        demo.lines.filter((line) => line.length > 80),
        [],
      );
    });
  });

  test('`npm start` that is terminated leaves nothing that listens', async (t) => {
    const demo = startedBy(t, ['npm', 'start', '--', '--port', '0'], { HOME: process.env['HOME'] });
    const { metrics, service } = await urls(demo);
    demo.terminate();
    await demo.line(/^total /);
    assert.equal(await demo.ended, 0);
    for (const url of [metrics, service]) await assert.rejects(fetch(url));
  });

  test('--port moves the pages to that port and the service to the next, unless it is given its own', () => {
    assert.deepEqual(ports([]), [9464, 8080]);
    assert.deepEqual(ports(['--port', '9000']), [9000, 9001]);
    assert.deepEqual(ports(['--port', '9000', '--service-port', '9100']), [9000, 9100]);
    assert.deepEqual(ports(['--port', '0']), [0, 0]);
  });

  const mistakes: ReadonlyArray<readonly [args: (port: number) => readonly string[], said: RegExp, code: number]> = [
    [(port) => ['--port', `${port}`], /^Port \d+ on 127\.0\.0\.1 is in use: choose another with --port/, 1],
    [
      (port) => ['--port', '0', '--service-port', `${port}`],
      /^Port \d+ on .* another for the service with --service-port/,
      1,
    ],
    [() => ['--prot', '1'], /^Unknown argument "--prot"\. Try: npm start -- --help$/, 2],
    [() => ['--port', 'http'], /^Expected a whole number from 0 to 65535 after --port, got "http"\./, 2],
    [(port) => ['--port', `${port}`, '--live'], /ANTHROPIC_AUTH_TOKEN is not set/, 2],
  ];

  for (const [args, said, code] of mistakes) {
    const named = args(9464).join(' ');
    test(`\`npm start -- ${named}\` cannot be done: it prints one line and exits with ${code}`, async (t) => {
      const demo = started(t, args(await taken(t)));
      assert.equal(await demo.ended, code);
      assert.equal(demo.complaints.length, 1);
      assert.match(demo.complaints[0] ?? '', said);
      assert.equal(await demo.nextLine(), null);
    });
  }

  test('--live makes three tiny calls with the token, says what they cost, and closes the service', async (t) => {
    const api = simulator({ keys: [{ name: 'live', key: 'test-token' }] });
    const serving = await serve(api.handle, { port: 0 });
    t.after(() => serving.close(0));
    const env = { ANTHROPIC_AUTH_TOKEN: 'test-token', ANTHROPIC_BASE_URL: serving.url };
    const demo = started(t, ['--port', '0', '--live'], env);
    const { metrics, service } = await urls(demo);
    const [, cost = ''] = await demo.line(/^ {2}estimated total cost: \$([\d.]+)$/);
    const billed = [...api.truth.totals().values()];
    const nanoUsd = billed.reduce((total, { totalNanoUsd }) => total + totalNanoUsd, 0);
    assert.equal(api.truth.requests.length, 3);
    assert.ok(billed.every(({ tokens }) => tokens.output <= 16));
    assert.equal(cost, (nanoUsd / 1e9).toFixed(6));
    await demo.line(/No more calls/);
    await assert.rejects(fetch(service));
    assert.equal((await fetch(metrics)).status, 200);
    demo.interrupt();
    assert.equal(await demo.ended, 0);
  });

  test('--live with a token that is refused says so and ends with 1', async (t) => {
    const api = simulator({ keys: [{ name: 'live', key: 'test-token' }] });
    const serving = await serve(api.handle, { port: 0 });
    t.after(() => serving.close(0));
    const env = { ANTHROPIC_AUTH_TOKEN: 'another-token', ANTHROPIC_BASE_URL: serving.url };
    const demo = started(t, ['--port', '0', '--live'], env);
    await demo.line(/POST \/chat +401 .*AuthenticationError/);
    assert.equal(await demo.ended, 1);
  });

  const prometheus = tool('prometheus');

  test('a real Prometheus scrapes the demo and counts its calls', { skip: prometheus.skip }, async (t) => {
    const demo = started(t, ['--port', '0']);
    const { metrics } = await urls(demo);
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-prometheus-'));
    const port = await freePort();
    const config = {
      scrape_configs: [
        { job_name: 'demo', scrape_interval: '1s', static_configs: [{ targets: [new URL(metrics).host] }] },
      ],
    };
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const child = spawn(
      prometheus.path,
      ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`],
      { cwd: folder, stdio: 'ignore' },
    );
    const exited = once(child, 'exit');
    t.after(async () => {
      child.kill();
      await exited;
      rmSync(folder, { recursive: true });
    });
    const value = async (query: string): Promise<number> => {
      const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
      const response = await fetch(url).catch(() => null); // Not listening yet.
      if (response?.status !== 200) return 0;
      const { data } = (await response.json()) as { data: { result: readonly { value: readonly [number, string] }[] } };
      return Number(data.result[0]?.value[1] ?? 0);
    };
    while ((await value('sum(anthropic_requests_total)')) === 0) await sleep(100);
    assert.equal(await value('up{job="demo"}'), 1);
  });

  test('with OTEL_EXPORTER_OTLP_ENDPOINT set it sends its spans there, the last ones when it ends', async (t) => {
    const receiver = await otlpReceiver();
    t.after(() => receiver.close());
    const demo = started(t, ['--port', '0'], { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint });
    await demo.line(SUMMARY);
    demo.interrupt();
    assert.equal(await demo.ended, 0);
    const calls = receiver.spans.filter(({ attributes }) => attributes['gen_ai.usage.output_tokens'] !== undefined);
    assert.ok(calls.length > 0);
    assert.ok(calls.every(({ resource }) => resource['service.name'] === 'plimsoll-demo'));
    assert.deepEqual(demo.complaints, []);
  });

  test('a collector that is not there does not hold up the end of the demo', async (t) => {
    const demo = started(t, ['--port', '0'], { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` });
    await demo.line(SUMMARY);
    demo.interrupt();
    assert.equal(await demo.ended, 0);
  });
});

function ports(args: readonly string[]): readonly number[] {
  const { port, servicePort } = demoOptions(args);
  return [port, servicePort];
}
