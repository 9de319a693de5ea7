import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ConfigurationError, sentenceOf } from 'plimsoll';
import { budgets, memoryLedger } from 'plimsoll/budget';
import { gateway, type GatewayOptions } from 'plimsoll/gateway';
import { Registry } from 'prom-client';
import { PARAMS, samples } from '../../testing/client-workbench.ts';
import { ALIAS, gatewayBench, tokens, TOKEN, type GatewayBenchOptions } from '../../testing/gateway/workbench.ts';

async function bench(t: TestContext, options: GatewayBenchOptions = {}) {
  const made = await gatewayBench(options);
  t.after(() => made.close());
  return made;
}

async function texts(url: string): Promise<readonly [number, string]> {
  const response = await fetch(url);
  return [response.status, (await response.text()).trim()];
}

async function errorOf(response: Response): Promise<unknown> {
  const body = (await response.json()) as { type: string; error: { type: string }; request_id: string };
  assert.equal(body.request_id, response.headers.get('request-id'));
  assert.match(body.request_id, /^req_plimsoll_[0-9a-f]{32}$/);
  return [response.status, body.type, body.error.type];
}

const ASK = {
  method: 'POST',
  headers: { 'x-api-key': TOKEN, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
  body: JSON.stringify(PARAMS),
};

describe('probes', () => {
  it('say that the gateway runs, and whether it takes requests', async (t) => {
    let isReady = false;
    const { url } = await bench(t, { gateway: { isReady: () => Promise.resolve(isReady) } });
    assert.deepEqual(await texts(`${url}/healthz`), [200, 'ok']);
    assert.deepEqual(await texts(`${url}/readyz`), [503, 'not ready']);
    isReady = true;
    assert.deepEqual(await texts(`${url}/readyz`), [200, 'ready']);
  });

  it('say no when the check behind them fails', async (t) => {
    const { url } = await bench(t, { gateway: { isReady: () => Promise.reject(new Error('down')) } });
    assert.deepEqual(await texts(`${url}/readyz`), [503, 'not ready']);
  });
});

describe('a gateway that ends', () => {
  it('lets an open stream finish, refuses new requests, and says so', async (t) => {
    let goOn: () => void = () => undefined;
    const { url, gateway, log } = await bench(t, {
      api: (incoming, outgoing) => {
        incoming.resume();
        outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
        outgoing.write('event: ping\n\n');
        goOn = () => outgoing.end('event: message_stop\ndata: {"type":"message_stop"}\n\n');
      },
    });
    const response = await fetch(`${url}/v1/messages`, { ...ASK, body: JSON.stringify({ ...PARAMS, stream: true }) });
    const ended = gateway.close();
    assert.deepEqual(await texts(`${url}/readyz`), [503, 'draining']);
    const refused = await fetch(`${url}/v1/messages`, ASK);
    assert.equal(refused.headers.get('retry-after'), '1');
    assert.deepEqual(await errorOf(refused), [529, 'error', 'overloaded_error']);
    goOn();
    assert.match(await response.text(), /message_stop/);
    await ended;
    assert.equal(log.calls[0]?.outcome, 'ok');
  });

  it('breaks what takes longer than it was given', async (t) => {
    const { url, gateway, log } = await bench(t, {
      api: (incoming, outgoing) => {
        incoming.resume();
        outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
        outgoing.write('event: ping\n\n');
      },
    });
    const response = await fetch(`${url}/v1/messages`, { ...ASK, body: JSON.stringify({ ...PARAMS, stream: true }) });
    const broken = assert.rejects(response.text());
    await gateway.close({ deadlineMs: 1 });
    await broken;
    assert.equal(log.calls[0]?.outcome, 'cancelled');
  });
});

describe('a gateway that has too much to do', () => {
  it('refuses requests over its limit of open requests as overload', async (t) => {
    let answer: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => (answer = resolve));
    const { url, registry } = await bench(t, {
      gateway: { limits: { requests: 1 } },
      api: (incoming) => {
        incoming.resume();
        answer();
      },
    });
    const controller = new AbortController();
    const first = fetch(`${url}/v1/messages`, { ...ASK, signal: controller.signal }).catch(() => null);
    await arrived;
    assert.deepEqual(await errorOf(await fetch(`${url}/v1/messages`, ASK)), [529, 'error', 'overloaded_error']);
    controller.abort();
    await first;
    assert.deepEqual(await samples(registry, 'plimsoll_gateway_refusals_total'), { 'reason=overloaded': 1 });
  });
});

describe('what fails in the gateway itself', () => {
  it('is overload where tokens cannot be judged', async (t) => {
    const errors: unknown[] = [];
    const failing = {
      authenticate: () => Promise.reject(new Error('down')),
      onError: (error: unknown) => errors.push(error),
    };
    const { url, registry } = await bench(t, { gateway: failing });
    assert.deepEqual(await errorOf(await fetch(`${url}/v1/messages`, ASK)), [529, 'error', 'overloaded_error']);
    assert.equal(errors.length, 1);
    assert.deepEqual(await samples(registry, 'plimsoll_gateway_refusals_total'), { 'reason=unavailable': 1 });
    assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=gateway': 1 });
  });

  it('is an api_error where the key of a grant is missing', async (t) => {
    const { url, sim } = await bench(t, { grant: { key: 'other-key' } });
    const response = await fetch(`${url}/v1/messages`, ASK);
    assert.equal(response.headers.get('x-should-retry'), 'false');
    assert.deepEqual(await errorOf(response), [500, 'error', 'api_error']);
    assert.equal(sim.truth.requests.length, 0);
  });
});

describe('handlers of the gateway itself', () => {
  it('answer beside the API, and get the body that was sent', async (t) => {
    const echo = async (request: Request) => Response.json({ got: await request.text() }, { status: 201 });
    const { url, sim } = await bench(t, { gateway: { handlers: { '/plimsoll/echo': echo } } });
    const response = await fetch(`${url}/plimsoll/echo`, { method: 'POST', body: 'ahoy' });
    assert.deepEqual([response.status, await response.json()], [201, { got: 'ahoy' }]);
    assert.equal(sim.truth.requests.length, 0);
  });
});

describe('options that cannot be used', () => {
  const good: GatewayOptions = {
    authenticate: tokens({}),
    keys: new Map([[ALIAS, () => 'x']]),
    registry: new Registry(),
  };

  function problems(options: Partial<GatewayOptions>): readonly string[] {
    try {
      gateway({ ...good, ...options });
    } catch (error) {
      if (error instanceof ConfigurationError) return error.problems.map(sentenceOf);
      throw error;
    }
    return [];
  }

  it('are reported all at once, those of instrument() among them', () => {
    const found = problems({
      keys: new Map(),
      baseUrl: 'ftp://api',
      labelHeaders: ['feature'],
      handlers: { '/v1/messages': () => Promise.resolve(new Response()) },
      labels: { team: 'a' },
    });
    const fields = found.map((problem) => /^\w+/.exec(problem)?.[0]);
    assert.deepEqual(fields, ['keys', 'baseUrl', 'labelHeaders', 'handlers', 'labels']);
  });

  it('include keys in the place of their aliases, which are not shown', () => {
    const [problem = ''] = problems({ keys: new Map([['sk-ant-oops', () => 'prod-api-key']]) });
    assert.match(problem, /^key: expected the alias of an API key/);
    assert.doesNotMatch(problem, /sk-ant-oops/);
  });

  it('do not show a password in the address', () => {
    const [problem = ''] = problems({ baseUrl: 'https://user:hunter2@api.example' });
    assert.match(problem, /^baseUrl: /);
    assert.doesNotMatch(problem, /hunter2/);
  });

  it('include a label of a budget that a client could set', () => {
    const definitions = [
      { name: 'team', period: 'day', usd: 1, mode: 'block', scope: { label: 'team', value: 'a' } },
    ] as const;
    const held = budgets({ definitions, ledger: memoryLedger() });
    const found = problems({ attribution: { team: [] }, labelHeaders: ['team'], budgets: held });
    assert.deepEqual(found.length, 1);
    assert.match(found[0] ?? '', /^labelHeaders: expected no name that a budget counts by/);
  });
});

it('of two credentials the one that has the form of a token counts, whichever header it is in', async (t) => {
  const bench = await gatewayBench();
  t.after(() => bench.close());
  const other = ['sk', 'ant', 'of-somebody'].join('-');
  const status = async (headers: Readonly<Record<string, string>>): Promise<number> =>
    (await fetch(`${bench.url}/v1/models`, { headers: { 'anthropic-version': '2023-06-01', ...headers } })).status;
  assert.equal(await status({ 'x-api-key': other, authorization: `Bearer ${TOKEN}` }), 200);
  assert.equal(await status({ 'x-api-key': TOKEN, authorization: `Bearer ${other}` }), 200);
  assert.equal(await status({ 'x-api-key': other, authorization: `Bearer ${other}` }), 401);
  assert.equal(await status({ 'x-api-key': 'plk_unknown', authorization: `Bearer ${TOKEN}` }), 401);
});

it('HEAD / says that somebody is there, and nothing else', async (t) => {
  const bench = await gatewayBench();
  t.after(() => bench.close());
  assert.equal((await fetch(`${bench.url}/`, { method: 'HEAD' })).status, 200);
  assert.equal((await fetch(`${bench.url}/`)).status, 404);
});

it('says in which header the credential is that is no token', async (t) => {
  const bench = await gatewayBench({ gateway: { authenticate: () => Promise.resolve('malformed') } });
  t.after(() => bench.close());
  for (const [name, value, header] of [
    ['authorization', 'Bearer abc', 'Authorization'],
    ['x-api-key', 'abc', 'x-api-key'],
  ] as const) {
    const response = await fetch(`${bench.url}/v1/models`, { headers: { [name]: value } });
    assert.match(await response.text(), new RegExp(`got something else in ${header}\\.`));
  }
});
