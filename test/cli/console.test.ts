import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test, type TestContext } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, metricsHandler, withAttribution } from 'plimsoll';
import { budgets, sqliteLedger, type Ledger } from 'plimsoll/budget';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { command } from '../../src/cli/console.ts';
import type { View } from '../../src/console/view.ts';
import { keptIo } from '../../testing/kept-io.ts';

const DEADLINE_MS = 60_000;

/** A replica: a client whose calls cost $0.006 each, and its metrics page. */
async function replica(t: TestContext, ledger: Ledger) {
  const usage = { input_tokens: 1_000, output_tokens: 1_000 };
  const api = simulator({ tier: 'custom', respond: () => ({ text: 'Aye.', usage }) });
  const registry = new Registry();
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, maxRetries: 1, logLevel: 'off' }), {
    ...{ key: 'prod-harbor', registry, attribution: { route: ['chat', 'review'] } },
    budgets: budgets({ definitions: [{ name: 'all', period: 'day', usd: 1, mode: 'block' }], ledger }),
  });
  const messages = [{ role: 'user' as const, content: 'Ahoy' }];
  const ask = (route: string) =>
    withAttribution({ route }, () =>
      client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 2_000, messages }),
    );
  const serving = await serve(metricsHandler({ registry }), { port: 0 });
  t.after(() => serving.close(0));
  return { api, ask, serving };
}

/** Runs the command over pages, with a clock that the test turns. */
async function consoleOver(t: TestContext, urls: readonly string[]) {
  const stop = new AbortController();
  let nowMs = Date.UTC(2026, 10, 26, 12);
  const { io, out } = keptIo({ now: () => nowMs });
  const ended = command.run(['--port', '0', '--metrics', ...urls], { ...io, signal: stop.signal });
  for (const endMs = Date.now() + DEADLINE_MS; out.length === 0 && Date.now() < endMs;)
    await new Promise((resolve) => setImmediate(resolve));
  const [, url = ''] = /at (\S+),/.exec(out[0] ?? '') ?? [];
  t.after(async () => {
    stop.abort();
    assert.equal(await ended, 0);
  });
  return {
    url,
    /** What the page has once all of its pages were waited for: a busy machine answers late. */
    async view(query = ''): Promise<View> {
      for (const endMs = Date.now() + DEADLINE_MS; ;) {
        nowMs += 2_000;
        const view = (await (await fetch(`${url}data${query}`)).json()) as View;
        const isLate = view.replicas.some(({ trouble }) => trouble === 'no response in time');
        if (!isLate || Date.now() > endMs) return view;
      }
    },
  };
}

test('counts the calls of all replicas, keeps the last numbers of one that dies, and says so', async (t) => {
  const ledger = sqliteLedger(':memory:');
  const [one, other] = [await replica(t, ledger), await replica(t, ledger)];
  await one.ask('chat');
  const { view, url } = await consoleOver(t, [`${one.serving.url}/metrics`, `${other.serving.url}/metrics`]);
  assert.equal((await view()).numbers.calls, 0, 'what was counted before is of no known time');
  one.api.script([{ fault: 'requests_limit' }]);
  for (const route of ['chat', 'chat', 'review']) await one.ask(route);
  await other.ask('chat');
  const both = await view();
  assert.deepEqual([both.numbers.calls, both.numbers.ok, both.numbers.rateLimited], [4, 4, 1]);
  assert.equal(both.numbers.costUsd, 0.024);
  assert.deepEqual(
    both.table.rows.map(({ value, calls, costUsd }) => [value, calls, costUsd]),
    [
      ['chat', 3, 0.018],
      ['review', 1, 0.006],
    ],
  );
  assert.deepEqual(
    both.budgets.map(({ spentUsd, mode }) => [spentUsd, mode]),
    [[0.03, 'block']],
    'a ledger that both share is counted once',
  );
  await other.serving.close(0);
  await one.ask('review');
  const { numbers, replicas } = await view();
  assert.equal(numbers.calls, 5);
  assert.deepEqual(
    replicas.map(({ trouble }) => trouble),
    [null, 'a refused connection'],
  );
  assert.match(await (await fetch(url)).text(), /^<!doctype html>/);
});

test('429s carry no route in metrics: a filter by it leaves them whole, and the page says so', async (t) => {
  const one = await replica(t, sqliteLedger(':memory:'));
  const { view } = await consoleOver(t, [`${one.serving.url}/metrics`]);
  await view();
  one.api.script([{ fault: 'requests_limit' }]);
  await one.ask('chat');
  const { numbers, unfiltered, labels } = await view('?label.route=review');
  assert.deepEqual([numbers.calls, numbers.rateLimited], [0, 1]);
  assert.ok(unfiltered.includes('rateLimited'));
  assert.deepEqual(labels['route'], ['chat']);
});

test('only this machine reaches it, under no name of others', async (t) => {
  const { url } = await consoleOver(t, ['http://127.0.0.1:9/metrics']);
  assert.equal(new URL(url).hostname, '127.0.0.1');
  const status = await new Promise((resolve) => {
    request(url, { headers: { host: 'evil.example' } }, (response) => resolve(response.statusCode)).end();
  });
  assert.equal(status, 421);
});

test('a page says what came in place of metrics, and is read again once they come', async (t) => {
  const plain = { 'content-type': 'text/plain' };
  let answer = (): Response => new Response('Not here.', { status: 404, headers: plain });
  const serving = await serve(async ({ url }) => (url.includes('/login') ? html() : answer()), { port: 0 });
  t.after(() => serving.close(0));
  const html = (): Response => new Response('<!doctype html><p>Log in', { headers: { 'content-type': 'text/html' } });
  const { view } = await consoleOver(t, [`${serving.url}/metrics`]);
  for (const [came, trouble] of [
    [answer, 'status 404: is the path right?'],
    [() => new Response('', { status: 401 }), 'status 401'],
    [html, 'HTML: is the path right?'],
    [
      () => new Response(null, { status: 302, headers: { location: '/login?next=secret' } }),
      'HTML after a redirect to /login: is the path right?',
    ],
    [() => new Response('go_gc_total 3\n', { headers: plain }), 'metrics, but none of plimsoll'],
    [() => new Response('It works.', { headers: plain }), 'something else than metrics'],
    [() => new Response('', { headers: plain }), 'something else than metrics'],
    [() => new Response('plimsoll_build_info{version="0"} 1\n', { headers: plain }), null],
  ] as const) {
    answer = came;
    const [one] = (await view()).replicas;
    assert.deepEqual([one?.trouble, one?.seenAtMs === null], [trouble, trouble !== null]);
  }
});

test('what is no URL of a page is named', async () => {
  const { io, err } = keptIo();
  assert.equal(await command.run(['--metrics', 'harbor'], io), 2);
  assert.match(err[0] ?? '', /--metrics.*harbor/);
});
