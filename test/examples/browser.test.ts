import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { chromium, type Page } from 'playwright-core';
import { sampleKey } from '../../testing/scraped.ts';
import { tool } from '../../testing/tools.ts';
import { counted, gateway } from '../../testing/examples/gateway.ts';
import { answered, examples, stays } from '../../testing/examples/programs.ts';
import { freePort } from '../../testing/free-port.ts';

const browser = tool('chromium');

const ANSWER = 'High water is at noon, and again at midnight.';

/** All that a page says, sends and gets, as text, and the tokens that it presents. */
function overheard(page: Page) {
  const said: string[] = [];
  const tokens = new Set<string>();
  const reading: Promise<unknown>[] = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('request', (request) => {
    const presented = request.headers()['authorization'];
    if (presented !== undefined) tokens.add(presented.replace('Bearer ', ''));
    said.push(JSON.stringify(request.headers()), request.postData() ?? '');
  });
  page.on('response', (response) => {
    const body = response.text().catch(() => 'a body that was left');
    reading.push(body.then((text) => said.push(JSON.stringify(response.headers()), text)));
  });
  return { tokens, said: async () => Promise.all(reading).then(() => said.join('\n')) };
}

async function asks(page: Page, question: string): Promise<void> {
  await page.fill('textarea', question);
  await page.click('button[type=submit]');
}

const name = 'a page asks Claude with a token of minutes that is bound to it, and sees no other';
test(name, { skip: browser.skip }, async (t) => {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const { url, api, realKey, token, metrics } = await gateway(t, {
    pageOrigin: origin,
    respond: () => ({ text: ANSWER }),
  });
  const ownToken = await token('website');
  const env = { PORT: String(port), ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: ownToken };
  await answered(stays(t, [process.execPath, join(examples, 'browser', 'backend.ts')], { env }), origin);

  const chrome = await chromium.launch({ executablePath: browser.path, args: ['--no-sandbox'] });
  t.after(() => chrome.close());
  const page = await chrome.newPage();
  const { tokens, said } = overheard(page);
  await page.goto(origin);
  await asks(page, 'When is high water?');
  await page.waitForSelector('#answer[aria-busy=false]:not(:empty)');
  assert.equal(await page.textContent('#answer'), ANSWER);

  // One that stops midway, and a visitor who has seen enough.
  api.script([{ fault: 'stalled_body', at: 'content_block_stop' }]);
  await asks(page, 'And the next one?');
  await page.waitForSelector(`#answer[aria-busy=true]:text-is("${ANSWER}")`);
  await page.click('#stop');
  await page.waitForSelector('#answer[aria-busy=false]');
  assert.equal(await page.textContent('#problem'), '');

  const [minted = ''] = tokens;
  assert.equal(tokens.size, 1, 'both questions are asked with the same token');
  assert.match(minted, /^plk_/);
  const everything = await said();
  assert.ok(everything.includes(minted));
  for (const secret of [ownToken, realKey]) assert.ok(!everything.includes(secret));

  const labels = { key: 'dev-local-key', client: 'website', model: 'claude-haiku-4-5', operation: 'messages.stream' };
  const calls = (outcome: string) => sampleKey('anthropic_requests_total', { ...labels, outcome });
  assert.deepEqual(
    counted(await metrics(), 'anthropic_requests_total'),
    new Map([
      [calls('ok'), 1],
      [calls('cancelled'), 1],
    ]),
  );

  const elsewhere = async (headers: Readonly<Record<string, string>>, model = 'claude-haiku-4-5') => {
    const body = JSON.stringify({ model, max_tokens: 10, messages: [{ role: 'user', content: 'Ahoy' }] });
    const all = { authorization: `Bearer ${minted}`, 'anthropic-version': '2023-06-01', ...headers };
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers: all, body });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await elsewhere({}), 401, 'without an origin');
  assert.equal(await elsewhere({ origin: 'https://elsewhere.example' }), 401, 'from another origin');
  assert.equal(await elsewhere({ origin }, 'claude-opus-5-5'), 403, 'for another model');
  assert.equal(await elsewhere({ origin }), 200);

  const stranger = await chrome.newPage();
  await stranger.goto(`http://127.0.0.1:${port}`);
  await asks(stranger, 'May I?');
  await stranger.waitForSelector('#problem:not(:empty)');
  assert.equal(await stranger.textContent('#problem'), 'Your session has no access to Claude.');
});
