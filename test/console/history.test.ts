import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Registry } from 'prom-client';
import { prometheus } from '../../monitoring/run/prometheus.ts';
import { consoleHandler } from '../../src/console/handler.ts';
import type { View } from '../../src/console/view.ts';
import { freePort } from '../../testing/free-port.ts';
import { tool } from '../../testing/tools.ts';

const NOW_MS = Date.UTC(2026, 10, 26, 12);
const HOUR_MS = 3_600_000;
const SCRAPE_SECONDS = 60;

/** A call a minute for 30 hours: three of four on Haiku for chat, and a 429 with every tenth. */
const SERIES: readonly (readonly [name: string, labels: string, each: (minute: number) => number])[] = [
  ['anthropic_requests_total', 'model="claude-haiku-4-5",outcome="ok",route="chat"', () => 3],
  ['anthropic_requests_total', 'model="claude-sonnet-5-5",outcome="server_error",route="review"', () => 1],
  ['anthropic_attempts_total', 'model="claude-haiku-4-5"', () => 4],
  [
    'anthropic_rate_limited_total',
    'model="claude-haiku-4-5",reason="requests"',
    (minute) => (minute % 10 === 0 ? 1 : 0),
  ],
  ['anthropic_cost_usd_total', 'model="claude-haiku-4-5",route="chat"', () => 0.01],
  ['anthropic_tokens_total', 'model="claude-haiku-4-5",kind="input",route="chat"', () => 1_000],
  ['anthropic_request_duration_seconds_bucket', 'model="claude-haiku-4-5",le="1"', () => 2],
  ['anthropic_request_duration_seconds_bucket', 'model="claude-haiku-4-5",le="2"', () => 3],
  ['anthropic_request_duration_seconds_bucket', 'model="claude-haiku-4-5",le="+Inf"', () => 3],
  ['anthropic_request_duration_seconds_count', 'model="claude-haiku-4-5"', () => 3],
];

function openMetrics(): string {
  const lines: string[] = [];
  for (const [name, labels, each] of SERIES) {
    let value = 0;
    for (let second = 0; second <= 30 * 3_600; second += SCRAPE_SECONDS) {
      value += each(second / SCRAPE_SECONDS);
      lines.push(
        `${name}{key="prod",job="harbor",${labels}} ${value.toFixed(3)} ${NOW_MS / 1_000 - 30 * 3_600 + second}`,
      );
      if (name === 'anthropic_requests_total')
        lines.push(`${name}{key="prod",job="other",${labels}} ${value} ${NOW_MS / 1_000 - 30 * 3_600 + second}`);
    }
  }
  // Samples of one series stand together.
  return `${lines.sort((one, other) => (headOf(one) < headOf(other) ? -1 : headOf(one) > headOf(other) ? 1 : 0)).join('\n')}\n# EOF\n`;
}

const headOf = (line: string): string => line.slice(0, line.indexOf('}'));

const [server, promtool] = [tool('prometheus'), tool('promtool')];

async function past(t: TestContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-history-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [file, data, configPath] = ['history.txt', 'data', 'prometheus.yml'].map((name) => join(folder, name));
  writeFileSync(file ?? '', openMetrics());
  writeFileSync(configPath ?? '', 'scrape_configs: []\n');
  const create = [
    'tsdb',
    'create-blocks-from',
    'openmetrics',
    '--max-block-duration=720h',
    '-q',
    file ?? '',
    data ?? '',
  ];
  await promisify(execFile)(promtool.path, create);
  const running = await prometheus(
    { program: server.path, configPath: configPath ?? '', port: await freePort() },
    data ?? '',
  );
  t.after(() => running.stop());
  return running.url;
}

function consoleAt(url: string) {
  let nowMs = NOW_MS;
  const clock = { epochMs: () => nowMs, monotonicMs: () => nowMs };
  const handle = consoleHandler({
    ...{ registry: new Registry(), clock, name: 'harbor' },
    prometheus: { url, matchers: 'job="harbor"' },
  });
  return {
    view: async (query: string): Promise<View> =>
      (await (await handle(new Request(`http://localhost/data?${query}`))).json()) as View,
    pass: (ms: number) => (nowMs += ms),
  };
}

const near = (value: number | null | undefined, expected: number): void =>
  assert.ok(Math.abs((value ?? NaN) - expected) < expected * 0.03, `${value} is not near ${expected}`);

const skip = server.skip || promtool.skip;

suite('ranges that the memory does not hold', { skip }, () => {
  test('24 hours, a filter, a pinned moment of yesterday, and a Prometheus that goes away', async (t) => {
    const url = await past(t);
    const { view, pass } = consoleAt(url);
    const day = await view('range=86400&by=route');
    assert.deepEqual([day.from, day.rangeSeconds, day.prometheus?.host], ['prometheus', 86_400, new URL(url).host]);
    assert.deepEqual([day.charts.startsMs.length, day.charts.stepMs], [61, 1_440_000]);
    near(day.numbers.ok, 3 * 60 * 24);
    near(day.numbers.failed, 60 * 24);
    near(day.numbers.rateLimited, 6 * 24);
    near(day.numbers.costUsd, 0.01 * 60 * 24);
    near(day.numbers.costUsdPerHour, 0.6);
    near(day.charts.answered[30], 3 * 24);
    // Every tenth minute: two or three in 24 minutes.
    near(
      day.charts.rateLimited['requests']?.[30],
      Math.round(day.charts.rateLimited['requests']?.[30] ?? 0) === 3 ? 3 : 2,
    );
    near(day.charts.latency.p50[30], 0.75);
    near(day.numbers.latency?.p95, 1.85);
    assert.equal(day.numbers.lastMinute, null);
    assert.deepEqual(
      day.table.rows.map(({ value, failed }) => [value, failed > 0]),
      [
        ['chat', false],
        ['review', true],
      ],
    );
    const review = await view('range=86400&by=route&label.route=review');
    near(review.numbers.failed, 60 * 24);
    assert.deepEqual([review.numbers.ok, review.unfiltered.includes('latency')], [0, true]);
    near(review.numbers.rateLimited, 6 * 24);

    const at = new Date(NOW_MS - 20 * HOUR_MS).toISOString();
    const pinned = await view(`at=${at}`);
    assert.deepEqual([pinned.pinned, pinned.from, pinned.rangeSeconds], ['shown', 'prometheus', 3_600]);
    assert.ok(
      (pinned.charts.startsMs[0] ?? 0) < Date.parse(at) && (pinned.charts.startsMs.at(-1) ?? 0) > Date.parse(at),
    );
    near(pinned.charts.answered[30], 3);
    assert.deepEqual((await view('range=300')).from, 'memory');
    assert.equal((await view(`at=${new Date(NOW_MS).toISOString()}`)).pinned, 'shown');
    pass(60_000);
    const gone = consoleAt('http://127.0.0.1:9');
    const silent = await gone.view(`range=86400&at=${at}`);
    assert.deepEqual(
      [silent.from, silent.rangeSeconds, silent.pinned, silent.prometheus?.trouble],
      ['memory', 3_600, 'unknown', 'cannot be reached'],
    );
  });
});
