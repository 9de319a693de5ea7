import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import type { GatewayOptions } from 'plimsoll/gateway';
import { samples, total } from '../../testing/client-workbench.ts';
import { GRANT, TOKEN, gatewayBench, tokens } from '../../testing/gateway/workbench.ts';

const [ONE, TWO] = ['prod-one-api', 'prod-two-api'] as const;

const secret = (alias: string): string => ['sk-ant', alias].join('-');

type Answer = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

const well: Answer = (_, outgoing) => {
  outgoing.writeHead(200, { 'content-type': 'application/json' });
  outgoing.end(JSON.stringify({ type: 'message', usage: { input_tokens: 1, output_tokens: 1 } }));
};

interface Attack {
  readonly second?: Answer;
  readonly gateway?: Partial<GatewayOptions>;
}

/** Two keys, in their order, and an API that answers each in its own way. */
async function attacked(t: TestContext, first: Answer, { second = well, gateway }: Attack = {}) {
  let passedMs = 0;
  const asked: string[] = [];
  const bodies: string[] = [];
  const api: RequestListener = (incoming, outgoing) => {
    const alias = String(incoming.headers['x-api-key']).replace('sk-ant-', '');
    asked.push(alias);
    let body = '';
    incoming.setEncoding('utf8').on('data', (text: string) => (body += text));
    incoming.on('end', () => {
      bodies.push(body);
      (alias === ONE ? first : second)(incoming, outgoing);
    });
  };
  const pool = {
    keys: new Map([
      [ONE, 1],
      [TWO, 1],
    ] as const),
    choose: 'weight',
    sticky: false,
  } as const;
  const keys = new Map([ONE, TWO].map((alias) => [alias as string, () => secret(alias)]));
  const pools = new Map([['team', pool]]);
  const clock = { epochMs: () => Date.now(), monotonicMs: () => performance.now() + passedMs };
  const bench = await gatewayBench({
    api,
    grant: { key: 'team' },
    gateway: { keys, pools, clock, random: () => 0.5, ...gateway },
  });
  t.after(() => bench.close());
  const body = JSON.stringify({
    model: 'claude-haiku-5-5',
    max_tokens: 1,
    messages: [{ role: 'user', content: 'x'.repeat(200_000) }],
  });
  const ask = (signal?: AbortSignal) =>
    fetch(`${bench.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': TOKEN, 'content-type': 'application/json' },
      body,
      ...(signal && { signal }),
    });
  return { ...bench, asked, bodies, body, ask, keys, pools, pass: (ms: number) => void (passedMs += ms) };
}

test('a refusal that never ends is left, and the request goes on with its whole body', async (t) => {
  const { ask, asked, bodies, body } = await attacked(t, (_, outgoing) => {
    outgoing.writeHead(529, { 'content-type': 'application/json' });
    outgoing.write('{"type":"error","error":{"type":"overloaded_error","message":"');
    const more = (): void => {
      if (outgoing.destroyed) return;
      outgoing.write('x'.repeat(8_192));
      setImmediate(more);
    };
    more();
  });
  const response = await ask();
  assert.equal(response.status, 200);
  assert.deepEqual(asked, [ONE, TWO]);
  assert.deepEqual(bodies, [body, body]);
});

test('a refusal whose body does not come is left after a second', async (t) => {
  const { ask, asked } = await attacked(t, (_, outgoing) => void outgoing.writeHead(529).flushHeaders());
  assert.equal((await ask()).status, 200);
  assert.deepEqual(asked, [ONE, TWO]);
});

test('a refusal that was dropped for a way that a guard refuses announces no body', async (t) => {
  const definitions = [{ name: 'two', scope: { key: TWO }, period: 'day', usd: '0.000001', mode: 'block' }] as const;
  const held = budgets({ ledger: sqliteLedger(':memory:'), definitions });
  t.after(() => held.close());
  const long: Answer = (_, outgoing) => {
    const headers = { 'content-type': 'application/json', 'content-length': '100000', 'content-encoding': 'identity' };
    outgoing.writeHead(529, { ...headers, 'retry-after': '7' }).end('x'.repeat(100_000));
  };
  const { ask, asked } = await attacked(t, long, { gateway: { budgets: held } });
  const response = await ask();
  assert.deepEqual([response.status, response.headers.get('retry-after'), await response.text()], [529, '7', '']);
  assert.deepEqual(asked, [ONE]);
});

test('a client that leaves while it is refused is sent nowhere else', async (t) => {
  const leaving = new AbortController();
  let gone: Promise<unknown> = Promise.resolve();
  const { ask, asked, registry } = await attacked(t, (incoming, outgoing) => {
    outgoing.writeHead(529).flushHeaders();
    gone = once(incoming, 'close');
    leaving.abort();
  });
  await assert.rejects(ask(leaving.signal), { name: 'AbortError' });
  await gone;
  while ((await total(registry, 'anthropic_requests_total')) === 0) await new Promise(setImmediate);
  assert.deepEqual(asked, [ONE]);
});

test('a client that leaves while its request tries a key that rested leaves the trial to the next one', async (t) => {
  const leaving = new AbortController();
  let gone: Promise<unknown> = Promise.resolve();
  const answers: Answer[] = [
    (_, outgoing) => void outgoing.writeHead(529, { 'content-type': 'application/json' }).end('{}'),
    (incoming) => {
      gone = once(incoming, 'close');
      leaving.abort();
    },
  ];
  const { ask, asked, registry, pass } = await attacked(t, (...given) => (answers.shift() ?? well)(...given));
  assert.equal((await ask()).status, 200);
  pass(30_000);
  await assert.rejects(ask(leaving.signal), { name: 'AbortError' });
  await gone;
  while ((await total(registry, 'anthropic_requests_in_flight')) > 0) await new Promise(setImmediate);
  assert.equal((await ask()).status, 200);
  assert.deepEqual(asked, [ONE, TWO, ONE, ONE]);
  const states = await samples(registry, 'plimsoll_gateway_key_state');
  assert.equal(states[`key=${ONE},state=closed`], 1);
});

test('a hundred requests at once survive a revoked key, and after them nobody asks it', async (t) => {
  const { ask, asked, registry } = await attacked(t, (_, outgoing) => {
    outgoing.writeHead(401, { 'content-type': 'application/json' });
    outgoing.end('{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}');
  });
  const all = await Promise.all(Array.from({ length: 100 }, async () => (await ask()).status));
  assert.deepEqual(new Set(all), new Set([200]));
  const before = asked.filter((alias) => alias === ONE).length;
  for (let time = 0; time < 5; time++) assert.equal((await ask()).status, 200);
  assert.equal(asked.filter((alias) => alias === ONE).length, before);
  const failovers = await samples(registry, 'plimsoll_gateway_failovers_total');
  assert.deepEqual(failovers, { [`key=${ONE},reason=unauthorized,way=pool`]: before });
  assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
});

test('a response that ends where its length says otherwise is the client’s, and is not asked for again', async (t) => {
  const { ask, asked } = await attacked(t, (_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
    outgoing.write('{"type":', () => outgoing.destroy());
  });
  const response = await ask();
  await assert.rejects(response.text());
  assert.deepEqual(asked, [ONE]);
});

test('a connection that breaks before a response is no reason to pay twice', async (t) => {
  const { ask, asked } = await attacked(t, (incoming) => void incoming.socket.resetAndDestroy());
  assert.equal((await ask()).status, 502);
  assert.deepEqual(asked, [ONE]);
});

test('a refusal with a key of the pool in it does not show the key', async (t) => {
  const echo: Answer = ({ headers }, outgoing) => {
    outgoing.writeHead(429, { 'content-type': 'application/json', 'x-echo': String(headers['x-api-key']) });
    outgoing.end(JSON.stringify({ type: 'error', error: { type: 'rate_limit_error', message: headers['x-api-key'] } }));
  };
  const { ask } = await attacked(t, echo, { second: echo });
  const response = await ask();
  assert.equal(response.status, 429);
  const text = `${await response.text()} ${JSON.stringify([...response.headers])}`;
  for (const alias of [ONE, TWO]) assert.ok(!text.includes(secret(alias)));
});

test('a stream keeps its key when the pool is changed under it, and new requests do without what was removed', async (t) => {
  let held: ServerResponse | undefined;
  const { gateway, url, asked, ask, keys, apiUrl, registry } = await attacked(t, (_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
    outgoing.write('event: ping\ndata: {"type":"ping"}\n\n');
    held = outgoing;
  });
  const stream = await ask();
  const pools = new Map([['team', { keys: new Map([[TWO, 1]]), choose: 'weight', sticky: false } as const]]);
  const rest = new Map([...keys].filter(([alias]) => alias === TWO));
  const authenticate = tokens({ [TOKEN]: { ...GRANT, key: 'team' } });
  gateway.reload({ baseUrl: apiUrl, registry, keys: rest, pools, authenticate });
  assert.equal((await ask()).status, 200);
  held?.end('data: the end\n\n');
  assert.match(await stream.text(), /ping[^]*the end/);
  assert.deepEqual(asked, [ONE, TWO]);
  assert.ok(url.startsWith('http://127.0.0.1'));
});

test('a request that waits with its body is refused nowhere before it is complete', async (t) => {
  const { url, asked, body } = await attacked(t, well);
  const sending = request(`${url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': TOKEN } });
  sending.write(body.slice(0, 100));
  await new Promise(setImmediate);
  assert.deepEqual(asked, []);
  sending.end(body.slice(100));
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  response.resume();
  assert.equal(response.statusCode, 200);
});
