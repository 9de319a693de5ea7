import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import type { IncomingHttpHeaders } from 'node:http';
import { Registry } from 'prom-client';
import { samples } from '../../../testing/client-workbench.ts';
import { GRANT, TOKEN, gatewayBench } from '../../../testing/gateway/workbench.ts';
import { Logins } from '../../../src/gateway/upstreams/logins.ts';
import { storeFor } from '../../../src/record/metrics/registry.ts';

const login = (name: string): string => ['sk-ant', 'oat01', name].join('-');

const NOW_MS = Date.UTC(2026, 10, 26);

/** An API that says of a subscription what the real one does, and what it got. */
async function subscribed(t: TestContext, credential: 'key' | 'client' = 'client') {
  const got: IncomingHttpHeaders[] = [];
  const bench = await gatewayBench({
    grant: { credential },
    gateway: { labelHeaders: [] },
    api(incoming, outgoing) {
      got.push(incoming.headers);
      incoming.resume();
      outgoing.writeHead(200, {
        'content-type': 'application/json',
        'anthropic-ratelimit-unified-status': 'allowed',
        'anthropic-ratelimit-unified-5h-utilization': '0.42',
        'anthropic-ratelimit-unified-5h-reset': '4102444800',
        'anthropic-ratelimit-unified-7d-utilization': '0.18',
        'anthropic-ratelimit-unified-7d-reset': '4102444800',
        echo: String(incoming.headers.authorization),
      });
      outgoing.end(JSON.stringify({ type: 'message', content: [], echo: incoming.headers.authorization }));
    },
  });
  t.after(() => bench.close());
  const ask = (headers: Readonly<Record<string, string>>) =>
    fetch(`${bench.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'anthropic-beta': 'oauth-2025-04-20', ...headers },
      body: JSON.stringify({ model: 'claude-haiku-5-5', max_tokens: 1, messages: [{ role: 'user', content: 'Ahoy' }] }),
    });
  return { ...bench, got, ask };
}

test('the login of a subscriber goes to the API as it came, and the gateway token goes nowhere', async (t) => {
  const { ask, got, registry, log } = await subscribed(t);
  const response = await ask({ authorization: `Bearer ${login('ada')}`, 'x-plimsoll-token': TOKEN });
  assert.equal(response.status, 200);
  const text = await response.text();
  const [headers] = got;
  assert.equal(headers?.authorization, `Bearer ${login('ada')}`);
  assert.equal(headers['anthropic-beta'], 'oauth-2025-04-20');
  assert.equal(headers['x-api-key'], undefined);
  assert.ok(!inspect(headers).includes(TOKEN));
  assert.ok(!text.includes(login('ada')));
  assert.equal(response.headers.get('echo'), null);
  await log.finishedCalls(1);
  assert.deepEqual([log.calls[0]?.key, log.calls[0]?.outcome], [GRANT.key, 'ok']);
  assert.deepEqual(await samples(registry, 'plimsoll_gateway_login_used_ratio'), {
    'client=workbench,window=5h': 0.42,
    'client=workbench,window=7d': 0.18,
  });
  const page = await registry.metrics();
  for (const secret of [login('ada'), 'oat01', TOKEN]) assert.ok(!page.includes(secret));
});

const REFUSED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'without a gateway token': { authorization: `Bearer ${login('ada')}` },
  'without a login': { 'x-plimsoll-token': TOKEN },
  'with the gateway token in place of a login': { authorization: `Bearer ${TOKEN}` },
  'with an API key in place of a login': {
    'x-plimsoll-token': TOKEN,
    authorization: `Bearer ${['sk-ant', 'api03', 'mine'].join('-')}`,
  },
  'with a login as the gateway token': { 'x-plimsoll-token': login('ada'), authorization: `Bearer ${login('ada')}` },
  'with two logins': { 'x-plimsoll-token': TOKEN, authorization: `Bearer ${login('ada')}, Bearer ${login('bob')}` },
  'with another gateway token in the other header': {
    'x-plimsoll-token': `${TOKEN.slice(0, -1)}1`,
    'x-api-key': TOKEN,
    authorization: `Bearer ${login('ada')}`,
  },
};

for (const [how, headers] of Object.entries(REFUSED))
  test(`nobody gets through ${how}`, async (t) => {
    const { ask, got } = await subscribed(t);
    const response = await ask(headers);
    assert.equal(response.status, 401);
    assert.ok(!(await response.text()).includes('oat01-'));
    assert.equal(got.length, 0);
  });

test('a client with a key of the gateway cannot send a login of its own', async (t) => {
  const { ask, got } = await subscribed(t, 'key');
  const response = await ask({ authorization: `Bearer ${login('ada')}`, 'x-plimsoll-token': TOKEN });
  assert.equal(response.status, 200);
  assert.equal(got[0]?.authorization, undefined);
  assert.match(String(got[0]?.['x-api-key']), /^sk-ant-/);
});

function loginsOf() {
  let nowMs = NOW_MS;
  const registry = new Registry();
  const logins = new Logins(storeFor(registry), { epochMs: () => nowMs, monotonicMs: () => nowMs });
  const used = (part: string, resetMs: number) =>
    new Map([
      ['anthropic-ratelimit-unified-5h-utilization', part],
      ['anthropic-ratelimit-unified-5h-reset', String(resetMs / 1_000)],
    ]);
  const shown = async () => ({
    logins: await samples(registry, 'plimsoll_gateway_logins'),
    used: await samples(registry, 'plimsoll_gateway_login_used_ratio'),
  });
  return { logins, used, shown, pass: (ms: number) => void (nowMs += ms) };
}

test('of the logins of a client, the one that has used most counts, until its window begins anew', async () => {
  const { logins, used, shown, pass } = loginsOf();
  logins.see('team', login('ada'), used('0.9', NOW_MS + 1_000));
  logins.see('team', login('bob'), used('0.3', NOW_MS + 9_000));
  logins.see('other', login('eve'), used('1.2', NOW_MS + 9_000));
  const first = await shown();
  assert.deepEqual(first.logins, { 'client=team': 2, 'client=other': 1 });
  assert.deepEqual(first.used, { 'client=team,window=5h': 0.9, 'client=other,window=5h': 1.2 });
  pass(1_000);
  assert.equal((await shown()).used['client=team,window=5h'], 0.3);
  pass(24 * 60 * 60_000);
  assert.deepEqual((await shown()).logins, {});
});

test('no more than a thousand logins are known, and nothing of them but a hash', async () => {
  const { logins, used, shown } = loginsOf();
  for (let at = 0; at < 1_100; at++) logins.see('team', login(`user-${at}`), used('0.1', NOW_MS + 1_000));
  assert.deepEqual((await shown()).logins, { 'client=team': 1_000 });
  assert.ok(!inspect(logins, { depth: 9, showHidden: true, maxArrayLength: null }).includes('oat01'));
});

test('what is no number says nothing', async () => {
  const { logins, used, shown } = loginsOf();
  for (const part of ['', 'much', '-1', 'NaN']) logins.see('team', login('ada'), used(part, NOW_MS + 1_000));
  assert.deepEqual((await shown()).used, {});
});
