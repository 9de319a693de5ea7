import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it, type TestContext } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import type { CommandIo } from '../../src/cli/command.ts';
import { main } from '../../src/cli/main.ts';
import type { View } from '../../src/console/view.ts';
import { serve } from '../../src/http/serve.ts';
import { simulator, type Simulator } from '../../src/simulator/simulator.ts';
import { listening } from '../../testing/gateway/workbench.ts';
import { scraped } from '../../testing/scraped.ts';
import { redis, redisServer } from '../../testing/redis-server.ts';
import { plantedSecret } from '../../testing/planted.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const KEY = plantedSecret(0);
const CLI = join(import.meta.dirname, '../../src/cli/main.ts');
const ASK = {
  model: 'claude-haiku-5-5',
  max_tokens: 20,
  messages: [{ role: 'user' as const, content: 'Ahoy, sailor' }],
};

const root = mkdtempSync(join(tmpdir(), 'plimsoll-cli-gateway-'));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

interface Started {
  readonly sim: Simulator;
  readonly apiUrl: string;
  readonly env: Readonly<Record<string, string>>;
  /** The configuration's file. */
  readonly config: string;
}

/** A simulated API that takes the real key alone, and a configuration that leads to it. */
async function upstream(t: TestContext, more: object = {}): Promise<Started> {
  const sim = simulator({ keys: [{ name: 'real', key: KEY }] });
  const api = await serve(sim.handle, { port: 0 });
  t.after(() => api.close(0));
  const folder = join(root, String((folders += 1)));
  const config = `${folder}.json`;
  const content = {
    baseUrl: api.url,
    keys: { 'prod-api-key': { env: 'REAL_KEY' } },
    clients: { checkout: { labels: { team: 'shop' } } },
    tokens: { sqlite: `${folder}.db` },
    ...more,
  };
  writeFileSync(config, JSON.stringify(content));
  return { sim, apiUrl: api.url, config, env: { REAL_KEY: KEY } };
}

/** Runs the command in this process; `started` is its first line. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const ending = new AbortController();
  let again = (): void => undefined;
  let [hear, fail] = [(_line: string): void => undefined, (_error: Error): void => undefined];
  const started = new Promise<string>((resolve, reject) => ([hear, fail] = [resolve, reject]));
  const io: CommandIo = {
    stdin: (async function* none() {})(),
    out: (line) => {
      out.push(line);
      hear(line);
    },
    err: (line) => err.push(line),
    reveal: (line) => out.push(line),
    env,
    now: () => Date.now(),
    columns: 80,
    color: false,
    onReload: (listener) => (again = listener),
    signal: ending.signal,
  };
  const code = main(['gateway', ...args], io);
  started.catch(() => undefined); // who does not wait for the start is told by the code
  void code.finally(() => fail(new Error(err.join('\n'))));
  return { out, err, code, started, reload: () => again(), end: () => ending.abort() };
}

const PORTS = ['--port', '0', '--metrics-port', '0'];

/** Runs the gateway in this process, and ends it with the test. */
async function gateway(t: TestContext, { config, env }: Pick<Started, 'config' | 'env'>) {
  const running = run(['--config', config, ...PORTS, '--json'], env);
  t.after(async () => {
    running.end();
    await running.code;
  });
  const { url, metricsUrl } = JSON.parse(await running.started) as {
    readonly url: string;
    readonly metricsUrl: string;
  };
  return { ...running, url, metricsUrl };
}

async function token({ config, env }: Pick<Started, 'config' | 'env'>, client = 'checkout'): Promise<string> {
  const made = run(['token', 'create', client, '--config', config], env);
  assert.equal(await made.code, 0, made.err.join('\n'));
  return made.out[0] ?? '';
}

const sdk = (baseURL: string, apiKey: string) => new Anthropic({ apiKey, baseURL, maxRetries: 0, logLevel: 'off' });

async function metricsAt(url: string) {
  return scraped(await (await fetch(url)).text()).samples;
}

interface Line {
  readonly event: string;
  readonly endpoint: string;
  readonly status: number | null;
  readonly [name: string]: unknown;
}

/** The request log once it has so many lines: a line comes when the connection has taken the answer. */
async function logged(out: readonly string[], count: number): Promise<readonly Line[]> {
  const requests = () => out.map((line) => JSON.parse(line) as Line).filter(({ event }) => event === 'request');
  while (requests().length < count) await new Promise((resolve) => setImmediate(resolve));
  return requests();
}

describe('the live page of a gateway', () => {
  it('stands at / of the metrics port alone, with the calls of its clients and what they cost', async (t) => {
    const started = await upstream(t);
    const { url, metricsUrl } = await gateway(t, started);
    const claude = sdk(url, await token(started));
    await claude.messages.create(ASK);
    started.sim.script([{ fault: 'not_found' }]);
    await assert.rejects(claude.messages.create(ASK));
    const page = await fetch(new URL('/', metricsUrl));
    assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'none'/);
    assert.match(await page.text(), /<h1 id="name">/);
    assert.match(
      await (await fetch(new URL('/runbooks/PlimsollErrors', metricsUrl))).text(),
      /<h1>PlimsollErrors<\/h1>/,
    );
    assert.match(await (await fetch(new URL('/runbooks', metricsUrl))).text(), /<h1>Runbooks<\/h1>/);
    const text = await (await fetch(new URL('/data', metricsUrl))).text();
    const { name, numbers, table, problems } = JSON.parse(text) as View;
    const billed = [...started.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
    assert.deepEqual([name, numbers.calls, numbers.ok, numbers.failed], ['gateway', 2, 1, 1]);
    assert.ok(billed > 0 && Math.abs(numbers.costUsd * 1e9 - billed) < 1e-6);
    assert.ok(table.labels.includes('client') && table.labels.includes('team'));
    assert.deepEqual(
      problems.map(({ outcome, count }) => [outcome, count]),
      [['not_found', 1]],
    );
    for (const secret of [KEY, 'Ahoy']) assert.ok(!text.includes(secret));
    assert.doesNotMatch(await (await fetch(`${url}/data`)).text(), /"numbers"/);
  });
});

describe('a running gateway that is told to read its configuration again', () => {
  it('has other clients, models and budgets from the next request on', async (t) => {
    const before = { budgets: [{ name: 'all', period: 'day', usd: 5, mode: 'block' }] };
    const started = await upstream(t, before);
    const running = await gateway(t, started);
    const claude = sdk(running.url, await token(started));
    await claude.messages.create(ASK);
    rewrite(started, {
      clients: { checkout: { models: ['claude-opus-5-5'] }, search: {} },
      budgets: [{ name: 'all', period: 'month', usd: '0.000001', mode: 'block' }],
    });
    running.reload();
    await assert.rejects(claude.messages.create(ASK), { status: 403 });
    const other = sdk(running.url, await token(started, 'search'));
    await assert.rejects(other.messages.create(ASK), { status: 402 });
    const samples = await metricsAt(running.metricsUrl);
    assert.equal(samples.get('plimsoll_gateway_configuration_loads_total{outcome="loaded"}'), 1);
    const periods = [...samples.keys()].filter((name) => name.startsWith('anthropic_budget_limit_usd{'));
    assert.deepEqual(
      periods.map((name) => /period="(\w+)"/.exec(name)?.[1]),
      ['month'],
    );
    const line = running.out.map((text) => JSON.parse(text) as Line).find(({ event }) => event === 'configuration');
    assert.deepEqual([line?.['outcome'], line?.['clients']], ['loaded', ['checkout', 'search']]);
  });

  it('goes on as before where the file is wrong, or changes what only a start can, and says why', async (t) => {
    const started = await upstream(t);
    const running = await gateway(t, started);
    const claude = sdk(running.url, await token(started));
    const bad: readonly (readonly [change: object, outcome: string, why: RegExp])[] = [
      [{ clients: { checkout: { modles: [] } } }, 'invalid', /modles: expected one of/],
      [{ keys: { 'prod-api-key': { env: 'NOT_SET' } } }, 'invalid', /NOT_SET/],
      [{ tokens: { sqlite: 'elsewhere.db' } }, 'needs_restart', /tokens: .*restart the gateway/],
      [{ limits: { heldBytes: 2_000_000 } }, 'needs_restart', /limits: .*restart the gateway/],
    ];
    for (const [change, outcome, why] of bad) {
      rewrite(started, change);
      running.reload();
      const said = JSON.parse(running.err.at(-1) ?? '') as Line;
      assert.deepEqual([said.event, said['outcome']], ['configuration', outcome]);
      assert.match(String(said['problems']), why);
      await claude.messages.create(ASK);
    }
    const samples = await metricsAt(running.metricsUrl);
    const count = (outcome: string) => samples.get(`plimsoll_gateway_configuration_loads_total{outcome="${outcome}"}`);
    assert.deepEqual([count('loaded'), count('invalid'), count('needs_restart')], [0, 2, 2]);
  });
});

/** Writes other fields into the file of the configuration, in place of those that it was made with. */
function rewrite({ config, apiUrl }: Started, fields: object): void {
  const content = {
    baseUrl: apiUrl,
    keys: { 'prod-api-key': { env: 'REAL_KEY' } },
    clients: { checkout: {} },
    tokens: { sqlite: config.replace(/json$/, 'db') },
    ...fields,
  };
  writeFileSync(config, JSON.stringify(content));
}

describe('plimsoll gateway', () => {
  it('is a process that lets a token in, measures its calls, and refuses it from its revocation on', async (t) => {
    const started = await upstream(t);
    const args = ['--conditions=plimsoll-source', CLI, 'gateway', '--config', started.config];
    const env = { ...process.env, ...started.env };
    const child = spawn(process.execPath, [...args, ...PORTS, '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(child, 'exit');
    t.after(() => child.kill('SIGKILL'));
    const out: string[] = [];
    let err = '';
    child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()));
    const lines = createInterface(child.stdout).on('line', (line) => out.push(line));
    await once(lines, 'line');
    const { url, metricsUrl } = JSON.parse(out[0] ?? '') as { readonly url: string; readonly metricsUrl: string };
    child.kill('SIGHUP');
    await once(lines, 'line');
    assert.match(out.pop() ?? '', /"event":"configuration","level":"info","outcome":"loaded"/);

    const made = spawn(process.execPath, [
      '--conditions=plimsoll-source',
      CLI,
      'gateway',
      'token',
      'create',
      'checkout',
      '--config',
      started.config,
    ]);
    let plk = '';
    made.stdout.on('data', (bytes: Buffer) => (plk += bytes.toString()));
    assert.deepEqual(await once(made, 'close'), [0, null]);
    const claude = sdk(url, plk.trim());
    const message = await claude.messages.create(ASK);
    const streamed = await claude.messages.stream(ASK).finalMessage();
    assert.ok(message.usage.output_tokens > 0 && streamed.usage.output_tokens > 0);

    const samples = await metricsAt(metricsUrl);
    const calls = [...samples].filter(
      ([name]) => name.startsWith('anthropic_requests_total{') && name.includes('client="checkout"'),
    );
    assert.equal(
      calls.reduce((sum, [, value]) => sum + value, 0),
      2,
    );
    assert.ok(calls.every(([name]) => name.includes('key="prod-api-key"') && name.includes('team="shop"')));

    const id = plk.split('_')[1] ?? '';
    assert.equal(await run(['token', 'revoke', id, '--config', started.config]).code, 0);
    await assert.rejects(claude.messages.create(ASK), Anthropic.AuthenticationError);
    assert.equal(started.sim.truth.requests.length, 2);

    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    assert.equal(err, '');
    const said = out.join('\n');
    for (const secret of [KEY, plk.trim(), 'sailor']) assert.ok(!said.includes(secret), said);
  });

  it('logs each request as a line of JSON: who, what, how it ended and how long it took, and no content', async (t) => {
    const started = await upstream(t);
    const { url, out } = await gateway(t, started);
    const plk = await token(started);
    const claude = sdk(url, plk);
    const { data, request_id } = await claude.messages.create(ASK).withResponse();
    const billed = [...started.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
    await claude.messages.stream(ASK).finalMessage();
    await assert.rejects(sdk(url, 'not-a-token').messages.create(ASK), Anthropic.AuthenticationError);
    await fetch(`${url}/unknown/path?with=${KEY}&secret`);
    await fetch(`${url}/healthz`);
    const [created, streamed, refused, lost, ...others] = await logged(out, 4);
    assert.deepEqual(others, []);
    assert.ok(created);
    const { time, headMs, durationMs, ...rest } = created;
    assert.deepEqual(rest, {
      level: 'info',
      event: 'request',
      method: 'POST',
      endpoint: 'messages.create',
      status: 200,
      requestId: request_id,
      client: 'checkout',
      token: plk.split('_')[1],
      key: 'prod-api-key',
      model: data.model,
      tokens: { input: data.usage.input_tokens, output: data.usage.output_tokens },
      costNanoUsd: billed,
    });
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
    assert.ok(Number(durationMs) >= Number(headMs) && Number(headMs) > 0);
    assert.deepEqual([streamed?.endpoint, streamed?.status], ['messages.stream', 200]);
    assert.deepEqual(
      [refused?.status, refused?.['denial'], refused?.['client'], refused?.['token'], refused?.['model']],
      [401, 'malformed', null, null, null],
    );
    assert.match(String(refused?.['requestId']), /^req_plimsoll_/);
    assert.deepEqual([lost?.endpoint, lost?.['path'], lost?.status], ['other', '/unknown/path', 404]);
    const said = out.join('\n');
    for (const secret of [KEY, plk, 'sailor', 'secret']) assert.ok(!said.includes(secret), said);
  });

  it('says where it listens, which keys and clients it has, and what replicas share', async (t) => {
    const ledger = join(root, 'spend.db');
    const { config, env } = await upstream(t, {
      budgets: [{ name: 'all', period: 'month', usd: 1 }],
      ledger: { sqlite: ledger },
    });
    const running = run(['--config', config, ...PORTS], env);
    await running.started;
    running.end();
    assert.equal(await running.code, 0);
    assert.match(
      running.out[0] ?? '',
      /^Gateway at http:\/\/127\.0\.0\.1:\d+, forwarding to http:\/\/127\.0\.0\.1:\d+\. Press Ctrl-C to stop it\.$/,
    );
    assert.match(running.out[1] ?? '', /^ {2}page {6}http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.match(running.out[2] ?? '', /^ {2}metrics {3}http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    assert.deepEqual(running.out.slice(3, 6), [
      '  keys      prod-api-key',
      '  clients   checkout',
      `  ledger    ${ledger}`,
    ]);
    assert.equal(running.out.at(-1), '  replicas  share nothing: run only one, or keep tokens and ledger in Redis');
    assert.deepEqual(running.err, ['Shutting down: open requests may finish, for at most 600 seconds.']);
  });

  it('finishes an open stream when it is stopped, and takes no new requests', async (t) => {
    const slow = { latency: { perTokenMs: { kind: 'constant', value: 20 } } } as const;
    const sim = simulator({ keys: [{ name: 'real', key: KEY }], scenario: slow });
    const api = await serve(sim.handle, { port: 0 });
    t.after(() => api.close(0));
    const started = await upstream(t, { baseUrl: api.url });
    const running = await gateway(t, started);
    const stream = sdk(running.url, await token(started)).messages.stream(ASK);
    await new Promise((resolve) => stream.once('text', resolve));
    running.end();
    const message = await stream.finalMessage();
    assert.equal(message.stop_reason === 'end_turn' || message.stop_reason === 'max_tokens', true);
    assert.equal(await running.code, 0);
    await assert.rejects(fetch(running.url));
  });

  it('tells probes and clients that it drains, for as long as a stream is under way', async (t) => {
    let end = (): void => undefined;
    const api = await listening((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      outgoing.write('event: ping\ndata: {"type":"ping"}\n\n');
      end = () => void outgoing.end('data: the end\n\n');
    });
    t.after(() => api.close());
    const started = await upstream(t, { baseUrl: api.url });
    const running = await gateway(t, started);
    const headers = { 'x-api-key': await token(started), 'content-type': 'application/json' };
    const ask = () => fetch(`${running.url}/v1/messages`, { method: 'POST', headers, body: JSON.stringify(ASK) });
    const stream = await ask();
    assert.equal((await fetch(`${running.url}/readyz`)).status, 200);
    running.end();
    const probe = await fetch(`${running.url}/readyz`);
    assert.deepEqual([probe.status, probe.headers.get('connection')], [503, 'close']);
    const refused = await ask();
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [529, '1']);
    assert.equal(refused.headers.get('connection'), 'close');
    end();
    assert.match(await stream.text(), /ping[^]*the end/);
    assert.equal(await running.code, 0);
    await assert.rejects(fetch(running.url));
  });

  it('mints tokens for the clients that may, and holds them to what they may spend', async (t) => {
    const started = await upstream(t, {
      clients: { backend: { models: ['claude-haiku-5-5'], mints: { spendUsd: 0.0005 } } },
    });
    const { url, metricsUrl } = await gateway(t, started);
    const parent = await token(started, 'backend');
    const response = await fetch(`${url}/plimsoll/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${parent}`, 'content-type': 'application/json' },
      body: JSON.stringify({ subject: 'user-1842' }),
    });
    assert.equal(response.status, 201);
    const { token: minted } = (await response.json()) as { readonly token: string };
    const claude = sdk(url, minted);
    let answered = 0;
    const spent = async (): Promise<unknown> => {
      for (; answered < 500; answered += 1) await claude.messages.create(ASK);
      return undefined;
    };
    await assert.rejects(spent(), (error: unknown) => error instanceof Anthropic.APIError && error.status === 402);
    assert.ok(answered > 1 && answered < 100, String(answered));
    assert.equal(started.sim.truth.requests.length, answered);
    await assert.rejects(claude.messages.create({ ...ASK, model: 'claude-opus-5-5' }), Anthropic.PermissionDeniedError);
    await assert.rejects(claude.beta.files.list(), Anthropic.PermissionDeniedError);
    const blocked = [...(await metricsAt(metricsUrl))].filter(
      ([name, value]) =>
        name.startsWith('anthropic_requests_total{') && name.includes('outcome="blocked"') && value > 0,
    );
    assert.equal(
      blocked.reduce((sum, [, value]) => sum + value, 0),
      3,
    );
  });

  it('answers a client over its rate with 429 and the seconds to wait', async (t) => {
    const started = await upstream(t, { clients: { checkout: { requestsPerMinute: 2 } } });
    const { url } = await gateway(t, started);
    const claude = sdk(url, await token(started));
    await claude.messages.create(ASK);
    await claude.messages.create(ASK);
    await assert.rejects(claude.messages.create(ASK), (error: unknown) => {
      assert.ok(error instanceof Anthropic.RateLimitError);
      assert.equal(error.headers.get('retry-after'), '30');
      return true;
    });
  });

  it(
    'shares tokens, rates and budgets with its replicas by Redis, and lets nobody in while that is down',
    { skip: redis.skip },
    async (t) => {
      const server = await redisServer();
      t.after(() => server.end());
      const { config, env } = await upstream(t, {
        clients: { checkout: { requestsPerMinute: 6 } },
        budgets: [{ name: 'all', period: 'month', usd: 1, mode: 'block' }],
        ledger: { redis: { env: 'REDIS' } },
        tokens: { redis: { env: 'REDIS' } },
      });
      const started = { config, env: { ...env, REDIS: server.url } };
      const [one, other] = [await gateway(t, started), await gateway(t, started)];
      assert.match(one.out[0] ?? '', /"replicas":"share tokens, rate limits and budgets"/);
      const plk = await token(started);
      const replicas = [sdk(one.url, plk), sdk(other.url, plk)];
      for (let call = 0; call < 6; call += 1) await replicas[call % 2]?.messages.create(ASK);
      for (const replica of replicas) await assert.rejects(replica.messages.create(ASK), Anthropic.RateLimitError);

      const fresh = await token(started);
      assert.equal(await run(['token', 'revoke', plk, '--config', config], started.env).code, 0);
      for (const replica of replicas) await assert.rejects(replica.messages.create(ASK), Anthropic.AuthenticationError);

      await server.stop();
      const refused = await fetch(`${one.url}/v1/models`, { headers: { 'x-api-key': fresh } });
      assert.equal(refused.status, 529);
      assert.equal((await fetch(`${one.url}/readyz`)).status, 503);
      await server.start();
      const isReady = async (): Promise<boolean> => (await fetch(`${one.url}/readyz`)).status === 200;
      while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 20));
      const { status } = await fetch(`${one.url}/v1/models`, { headers: { 'x-api-key': fresh } });
      assert.ok(status === 200 || status === 429, String(status));
    },
  );

  it('needs no file: a key in the environment is enough for the one client default', async (t) => {
    const { apiUrl } = await upstream(t);
    const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: apiUrl, PLIMSOLL_TOKENS: join(root, 'environment.db') };
    const running = run([...PORTS, '--json'], env);
    const { url } = JSON.parse(await running.started) as { readonly url: string };
    const made = run(['token', 'create', 'default'], env);
    assert.equal(await made.code, 0);
    assert.ok((await sdk(url, made.out[0] ?? '').messages.create(ASK)).usage.output_tokens > 0);
    running.end();
    assert.equal(await running.code, 0);
  });

  it('does not start where the API that it is to call is itself, whichever name it has there', async (t) => {
    const own = (where: string): string =>
      `baseUrl: expected the API's address, got the gateway's own (${where}): correct or remove baseUrl in its file, or ANTHROPIC_BASE_URL`;
    for (const [baseUrl, host] of [
      ['http://127.0.0.1:8787', '127.0.0.1'],
      ['http://localhost:8787/', '127.0.0.1'],
      ['http://[::1]:8787', '0.0.0.0'],
      ['http://gateway.internal:8787', 'gateway.internal'],
    ] as const) {
      const { config, env } = await upstream(t, { baseUrl, listen: { host, port: 8787 } });
      const { code, err } = run(['--config', config], env);
      assert.equal(await code, 1);
      assert.deepEqual(unwrapped(err), [own(new URL(baseUrl).host)]);
    }
    const { code, err } = run(['--port', '8790'], {
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:8790',
    });
    assert.equal(await code, 1);
    assert.deepEqual(unwrapped(err), [own('127.0.0.1:8790')]);
  });

  it('says all that is wrong, and ends with 1 or, for its arguments, with 2', async (t) => {
    const { config, env } = await upstream(t, { listn: {}, clients: {} });
    const wrong = run(['--config', config], env);
    assert.equal(await wrong.code, 1);
    assert.deepEqual(
      unwrapped(wrong.err).map((line) => line.slice(config.length + 2).split(':')[0]),
      ['listn', 'clients'],
    );
    const noKey = run([], {});
    assert.equal(await noKey.code, 1);
    assert.match(noKey.err[0] ?? '', /^ANTHROPIC_AUTH_TOKEN is not set/);

    const taken = await serve(async () => new Response(), { port: 0 });
    t.after(() => taken.close(0));
    const right = await upstream(t);
    for (const [args, advice] of [
      [['--port', String(taken.port), '--metrics-port', '0'], 'choose another with --port,'],
      [['--port', '0', '--metrics-port', String(taken.port)], 'choose another with --metrics-port,'],
    ] as const) {
      const { code, err } = run(['--config', right.config, ...args], right.env);
      assert.equal(await code, 1);
      assert.ok(err[0]?.startsWith(`Port ${taken.port} on 127.0.0.1 is in use: ${advice}`), err[0]);
    }

    const both = run(
      ['--config', right.config, '--port', String(taken.port), '--metrics-port', String(taken.port)],
      right.env,
    );
    assert.equal(await both.code, 1);
    assert.match(both.err.join(' '), /metrics\.port: expected another port than that of listen/);

    const args = run(['--port', '70000', '--metrics-port', 'x']);
    assert.equal(await args.code, 2);
    assert.deepEqual(args.err.slice(0, 2), [
      '--port: expected 0 to 65535, got "70000"',
      '--metrics-port: expected 0 to 65535, got "x"',
    ]);
    const help = run(['--help']);
    assert.equal(await help.code, 0);
    assert.ok(help.out.every((line) => line.length <= 80));
    assert.ok(help.out.includes('  ANTHROPIC_AUTH_TOKEN=sk-ant-… plimsoll gateway'));
  });
});
