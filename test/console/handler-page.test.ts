import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import axe from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { instrument, withAttribution } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import { consoleHandler } from 'plimsoll/console';
import { serve } from 'plimsoll/http';
import { pace } from 'plimsoll/pace';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { tool } from '../../testing/tools.ts';

/** Two values that would be seen if they were taken for more than text. */
const HOSTILE = ['<img src=x onerror=alert(1)>', '</script><b>route</b>'] as const;

/** Serves the page of a client that makes calls of a fixed size, which cost $0.006 each on Haiku. */
async function watchedService() {
  const usage = { input_tokens: 1_000, output_tokens: 1_000 };
  const api = simulator({ tier: 'custom', respond: () => ({ text: 'Aye.', usage }) });
  const registry = new Registry();
  const handler = consoleHandler({ registry, name: '<i>harbor</i>' });
  const kept = budgets({ definitions: [{ name: 'harbor', period: 'day', usd: 1 }] });
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, maxRetries: 1, logLevel: 'off' }), {
    ...{ key: 'prod-harbor', registry, budgets: kept },
    attribution: { route: ['chat', ...HOSTILE] },
  });
  const messages = [{ role: 'user' as const, content: 'Ahoy' }];
  const ask = (route: string, model = 'claude-haiku-4-5') =>
    withAttribution({ route }, () =>
      client.messages.create({ model, max_tokens: 2_000, messages }).catch(() => undefined),
    );
  const serving = await serve(handler, { port: 0 });
  return { api, ask, serving, close: () => Promise.all([serving.close(0), kept.close()]) };
}

interface Look {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
}

/** Shows an address as somebody sees it who has never been there, and returns what the page complains of from then on. */
async function open(page: Page, url: string, { width = 1_440, colorScheme = 'light' }: Look = {}): Promise<string[]> {
  const complaints: string[] = [];
  page.removeAllListeners();
  await page.goto('about:blank');
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('pageerror', (error) => void complaints.push(error.message));
  page.on('dialog', (dialog) => void complaints.push(dialog.message()));
  page.on(
    'request',
    (request) => void (request.url().startsWith(new URL(url).origin) || complaints.push(request.url())),
  );
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme });
  await page.goto(url);
  await page.locator('#numbers .figure').first().waitFor();
  return complaints;
}

/** Asks for news at once, as a reader does who chooses a range. */
async function refresh(page: Page): Promise<void> {
  const answered = page.waitForResponse((response) => response.url().includes('/data'));
  await page.evaluate('location.hash = `#range=900&again=${performance.now()}`');
  await answered;
}

const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();

/** What axe finds against WCAG 2.2 A, AA and the best practices. */
async function found(page: Page): Promise<readonly string[]> {
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axe.source);
  const run = 'axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) => id + " " + nodes[0].html))';
  return page.evaluate<string[]>(run);
}

/** Adds up how far the content moved without being asked, as the browser measures it. */
const WATCH_SHIFTS = `window.shift = 0; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true })`;

/** How far the content has moved. Two frames: what moved is reported after the frame that painted it. */
function moved(page: Page): Promise<number> {
  return page.evaluate<number>(
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(shift)))))',
  );
}

const chrome = tool('chromium');

suite('the live page in a browser', { skip: chrome.skip }, () => {
  let browser: Browser;
  let page: Page;
  before(async () => {
    browser = await chromium.launch({ executablePath: chrome.path, args: ['--no-sandbox', '--disable-gpu'] });
    page = await browser.newPage();
    await page.addInitScript(WATCH_SHIFTS);
  });
  after(() => browser.close());

  test("each figure is the server's, labels are text, and a reload loses nothing", async (t) => {
    const { api, ask, serving, close } = await watchedService();
    t.after(close);
    for (let call = 0; call < 20; call += 1) await ask('chat');
    for (const route of HOSTILE) await ask(route);
    api.script([{ fault: 'requests_limit' }]);
    await ask('chat');
    api.script([{ fault: 'unauthorized' }]);
    await ask('chat');
    const billed = [...api.truth.totals().values()];
    const usd = `$${(billed.reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0) / 1e9).toFixed(2)}`;
    const refusals = api.truth.requests.filter(({ status }) => status === 429);
    const failed = api.truth.requests.filter(({ status }) => status === 401);
    assert.deepEqual([usd, refusals.length, failed.length], ['$0.14', 1, 1]);

    const complaints = await open(page, serving.url);
    const shown = async () => ({
      name: await page.locator('#name').innerText(),
      numbers: await texts(page, '#numbers .figure'),
      calls: await texts(page, '#l-calls li'),
      refused: await texts(page, '#l-refused li'),
      cost: await texts(page, '#l-cost li'),
      rows: await texts(page, '#table tbody tr'),
      budget: await texts(page, '#budgets .line b'),
      modes: await texts(page, '#budgets .tag'),
      problems: await texts(page, '#problems b, #problems code'),
    });
    const all = await shown();
    assert.equal(all.name, '<i>harbor</i>');
    assert.deepEqual([all.numbers[0], all.numbers[1], all.numbers[2], all.numbers[5]], ['24', '95.8%', '1', usd]);
    assert.deepEqual(all.calls.map(plain), ['answered 23', 'failed 1']);
    assert.deepEqual(all.refused.map(plain), ['requests 1']);
    assert.deepEqual(all.cost.map(plain), [`haiku-4-5 ${usd}`]);
    assert.deepEqual(
      all.rows.map((row) => row.split('\t').slice(0, 4)),
      [['chat', '$0.13', '22', '95.5%'], ...HOSTILE.map((route) => [route, '$0.0060', '1', '100.0%'])],
    );
    assert.deepEqual([all.budget, all.modes], [[usd], ['warns']]);
    assert.deepEqual(all.problems, ['unauthorized', failed[0]?.id]);
    assert.equal(await page.locator('main img, #table b, #name i').count(), 0);
    await page.reload();
    await page.locator('#numbers .figure').first().waitFor();
    assert.deepEqual(await shown(), all);
    assert.deepEqual(complaints, []);
  });

  test('axe finds nothing, light and dark, wide and narrow, empty and full; nothing spills sideways', async (t) => {
    const { ask, serving, close } = await watchedService();
    t.after(close);
    const empty = await open(page, serving.url, { colorScheme: 'dark' });
    assert.deepEqual(await found(page), []);
    for (const route of ['chat', ...HOSTILE]) await ask(route);
    await refresh(page);
    await page.locator('#table bdi').first().waitFor();
    assert.deepEqual(await found(page), []);
    const narrow = await open(page, serving.url, { width: 390 });
    await page.locator('#table bdi').first().waitFor();
    assert.deepEqual(await found(page), []);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
    const inSight =
      "const right = (e) => e.getBoundingClientRect().right; const heads = [...document.querySelectorAll('#table th')]; right(heads.find((e) => e.textContent.startsWith('Per call'))) <= right(document.querySelector('#table').parentElement)";
    assert.ok(await page.evaluate<boolean>(inSight), 'the cost of a call can be read without scrolling');
    assert.deepEqual([...empty, ...narrow], []);
  });

  for (const width of [1_440, 390]) {
    test(`what comes in moves nothing that is on the screen, ${width} pixels wide`, async (t) => {
      const { api, ask, serving, close } = await watchedService();
      t.after(close);
      await open(page, serving.url, { width });
      api.script([{ fault: 'output_tokens_limit' }, { fault: 'requests_limit' }]);
      for (const model of ['claude-haiku-4-5', 'claude-sonnet-5-5', 'claude-opus-5-5']) {
        for (let call = 0; call < 8; call += 1) await ask(call === 0 ? HOSTILE[0] : 'chat', model);
        await refresh(page);
        await page.locator('#l-cost li').getByText(model.replace('claude-', '')).waitFor();
      }
      await page.locator('#limits .group').nth(2).waitFor();
      const shift = await moved(page);
      assert.ok(shift < 0.05, `moved by ${shift}`);
    });
  }

  test('a client that paces has a row for it, which moves nothing as it fills', async (t) => {
    const registry = new Registry();
    const api = simulator();
    const own = pace({ limits: { 'haiku-4.5': { inputTokens: 2_000 } } });
    const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, logLevel: 'off' }), {
      ...{ registry, pace: own },
    });
    const serving = await serve(consoleHandler({ registry }), { port: 0 });
    t.after(() => serving.close(0));
    const complaints = await open(page, serving.url, { width: 390 });
    assert.deepEqual(await texts(page, '#tier .pair:has-text("Pace") b'), ['none waits']);
    const messages = [{ role: 'user' as const, content: 'tide '.repeat(4_000) }];
    const large = { model: 'claude-haiku-4-5', max_tokens: 64, messages };
    await assert.rejects(client.messages.create(large), { reason: 'never_fits' });
    await refresh(page);
    await page.locator('#tier').getByText('1 refused: never fits').waitFor();
    const shift = await moved(page);
    assert.ok(shift < 0.05, `moved by ${shift}`);
    assert.deepEqual([await found(page), complaints], [[], []]);
  });

  test('the arrow keys move the moment, Enter pins it, and the address shows it to others', async (t) => {
    const { ask, serving, close } = await watchedService();
    t.after(close);
    await ask('chat');
    await open(page, serving.url);
    await page.locator('#c-calls .u-over').focus();
    await page.keyboard.press('ArrowLeft');
    assert.match(await page.locator('#say').innerText(), /^\d\d:\d\d:\d\d: answered \d/);
    await page.keyboard.press('Enter');
    await page.locator('#pin').getByText('Pinned at').waitFor();
    const shared = page.url();
    assert.match(shared, /#at=\d{4}-/);
    await open(page, shared);
    await page.locator('#pin').getByText('Pinned at').waitFor();
  });

  test('a moment older than the memory is said to be unknown, and a Prometheus that is away is named', async (t) => {
    const prometheus = { url: 'http://127.0.0.1:9' };
    const one = await serve(consoleHandler({ registry: new Registry() }), { port: 0 });
    const other = await serve(consoleHandler({ registry: new Registry(), prometheus }), { port: 0 });
    t.after(() => Promise.all([one.close(0), other.close(0)]));
    await open(page, `${one.url}/#at=2026-01-05T09:14:00.000Z`);
    const pin = await page.locator('#pin').innerText();
    assert.match(pin, /^Pinned at Jan 5, 09:14:00 UTC, which is older than what is in memory, since \d\d:\d\d/);
    assert.equal(await page.locator('#range label:visible').count(), 4);
    await open(page, `${other.url}/#range=86400`);
    await page.getByText('Prometheus at 127.0.0.1:9 cannot be reached: the last hour is shown, from memory.').waitFor();
    assert.equal(await page.locator('#range label:visible').count(), 6);
    assert.equal(await page.locator('#range input:checked').inputValue(), '3600');
  });

  test('a process that dies is said to be silent, and its last numbers stay', async (t) => {
    const { ask, serving, close } = await watchedService();
    t.after(close);
    await ask('chat');
    await open(page, serving.url);
    await serving.close(0);
    await page.evaluate("location.hash = '#range=900'");
    await page.getByText('The process has not answered since').waitFor();
    assert.deepEqual((await texts(page, '#numbers .figure')).slice(0, 2), ['1', '100.0%']);
  });
});

/** A legend's name and figure, which stand on lines of their own. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
