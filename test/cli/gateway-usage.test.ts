import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { main } from '../../src/cli/main.ts';
import { api, PARAMS, sdk, type Api } from '../../testing/gateway/processes.ts';
import { redis, redisServer } from '../../testing/redis-server.ts';

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

interface Home {
  readonly server: Api;
  run(...args: readonly string[]): Promise<Ran>;
  token(owner: string, ...more: readonly string[]): Promise<string>;
  /** A replica: its address, its lines on stdout, and its end. */
  start(): Promise<{ readonly url: string; readonly out: readonly string[]; stop(): Promise<void> }>;
}

async function home(t: TestContext, place: object, env: Readonly<Record<string, string>> = {}): Promise<Home> {
  const server = await api(t);
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-usage-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'gateway.json');
  const clients = { platform: { members: { budget: '80/month' } }, lab: {} };
  const content = { baseUrl: server.url, keys: { 'prod-api-key': { env: 'REAL_KEY' } }, clients, ...place };
  writeFileSync(config, JSON.stringify(content));
  const begin = (args: readonly string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const ending = new AbortController();
    let hear = (): void => undefined;
    const started = new Promise<void>((resolve) => (hear = resolve));
    const code = main(['gateway', ...args, '--config', config], {
      ...{ stdin: (async function* none() {})(), env: { REAL_KEY: server.key, USER: 'eve', ...env } },
      ...{ now: () => Date.now(), columns: 80, color: false, signal: ending.signal, onReload: () => undefined },
      err: (line) => err.push(line),
      reveal: (line) => out.push(line),
      out: (line) => {
        out.push(line);
        hear();
      },
    });
    return { out, err, code, started, end: () => ending.abort() };
  };
  const run: Home['run'] = async (...args) => {
    const { code, out, err } = begin(args);
    return { code: await code, out, err };
  };
  return {
    server,
    run,
    async token(owner, ...more) {
      const made = await run('token', 'create', 'platform', '--owner', owner, ...more);
      assert.equal(made.code, 0, made.err.join('\n'));
      return made.out[0] ?? '';
    },
    async start() {
      const running = begin(['--port', '0', '--metrics-port', '0', '--json']);
      await Promise.race([running.started, running.code.then(() => Promise.reject(new Error(running.err.join('\n'))))]);
      const { url } = JSON.parse(running.out[0] ?? '') as { readonly url: string };
      let isOver = false;
      const stop = async (): Promise<void> => {
        if (isOver) return;
        isOver = true;
        running.end();
        await running.code;
      };
      t.after(stop);
      return { url, out: running.out, stop };
    },
  };
}

interface Shown {
  readonly rows: readonly (Readonly<Record<string, unknown>> & {
    readonly owner?: string;
    readonly costNanoUsd: string;
  })[];
  readonly total: { readonly costNanoUsd: string; readonly calls: number };
}

async function usageOf({ run }: Home, ...args: readonly string[]): Promise<Shown> {
  const { code, out, err } = await run('usage', '--json', ...args);
  assert.equal(code, 0, err.join('\n'));
  return JSON.parse(out.join('\n')) as Shown;
}

/** What the server billed for what was done meanwhile. */
async function billedFor({ server }: Home, act: () => Promise<unknown>): Promise<bigint> {
  const before = server.billed();
  await act();
  return server.billed() - before;
}

const PLACES: readonly {
  readonly kind: string;
  readonly skip: string | false;
  place(t: TestContext): Promise<readonly [object, Record<string, string>]>;
}[] = [
  {
    kind: 'in SQLite, over a restart',
    skip: false,
    place: async () => [{ ledger: { sqlite: 'ledger.db' }, tokens: { sqlite: 'tokens.db' } }, {}],
  },
  {
    kind: 'in Redis, over two replicas',
    skip: redis.skip,
    async place(t) {
      const server = await redisServer();
      t.after(() => server.end());
      return [{ ledger: { redis: { env: 'REDIS' } } }, { REDIS: server.url }];
    },
  },
];

for (const { kind, skip, place } of PLACES) {
  test(`usage by owner is what the API bills, to the nano-dollar, ${kind}`, { skip }, async (t) => {
    const kept = await home(t, ...(await place(t)));
    const [ada, bob] = [await kept.token('ada'), await kept.token('Bob Ö.')];
    const one = await kept.start();
    const headers = { 'x-plimsoll-owner': 'mallory', 'x-plimsoll-client': 'lab' };
    const billed = { ada: 0n, bob: 0n };
    billed.ada += await billedFor(kept, () => sdk(one, ada).messages.create(PARAMS, { headers }));
    billed.bob += await billedFor(kept, () => sdk(one, bob).messages.stream(PARAMS).finalMessage());
    if (skip === false && kind.includes('restart')) await one.stop();
    const two = await kept.start();
    billed.ada += await billedFor(kept, () => sdk(two, ada).messages.stream(PARAMS).finalMessage());
    await Promise.all([one.stop(), two.stop()]);
    assert.ok(billed.ada > 0n && billed.bob > 0n);

    const { rows, total } = await usageOf(kept);
    const costs = new Map(rows.map(({ owner, costNanoUsd }) => [owner, BigInt(costNanoUsd)]));
    assert.deepEqual(
      costs,
      new Map([
        ['ada', billed.ada],
        ['Bob Ö.', billed.bob],
      ]),
    );
    assert.deepEqual([BigInt(total.costNanoUsd), total.calls], [kept.server.billed(), 3]);
    const byAll = await usageOf(kept, '--by', 'client,model,owner', '--owner', 'ada', '--since', '2d');
    assert.deepEqual(
      byAll.rows.map(({ client, model, owner }) => [client, model, owner]),
      [['platform', PARAMS.model, 'ada']],
    );

    const csv = (await kept.run('usage', '--csv', '--by', 'owner')).out;
    assert.match(csv[0] ?? '', /^owner,calls,refused,unpriced,input,.*,cost_nano_usd,cost_usd$/);
    assert.equal(csv.length, 3);
    const lines = [...one.out, ...two.out].slice(1).flatMap((line) => {
      const entry = JSON.parse(line) as { event: string; owner?: string; costNanoUsd?: number; tokens?: object };
      return entry.event === 'request' ? [entry] : [];
    });
    const logged = lines.reduce((sum, { costNanoUsd = 0 }) => sum + BigInt(costNanoUsd), 0n);
    assert.equal(logged, kept.server.billed());
    assert.ok(lines.every(({ owner, tokens }) => (owner === 'ada' || owner === 'Bob Ö.') && tokens !== undefined));
  });

  test(`an owner's budget holds for all of its tokens and is a new token's too, ${kind}`, { skip }, async (t) => {
    const kept = await home(t, ...(await place(t)));
    const [one, two] = [await kept.token('ada', '--budget', '0.002/month'), await kept.token('bob')];
    const gateway = await kept.start();
    const ask = { ...PARAMS, max_tokens: 40 };
    let succeeded = 0;
    const outcome = async (token: string): Promise<number> =>
      sdk(gateway, token, { maxRetries: 0 })
        .messages.create(ask)
        .then(
          () => ((succeeded += 1), 200),
          (error: unknown) => (error as { readonly status: number }).status,
        );
    let status = 200;
    let before = 0n;
    while (status === 200 && succeeded < 1_000) {
      const billed = kept.server.billed();
      status = await outcome(one);
      if (status === 200) before = billed;
    }
    assert.equal(status, 402);
    // A call reserves what calls like it have cost: the last that fits may cost more.
    assert.ok(succeeded > 1 && before < 2_000_000n, `${before}`);
    const next = await kept.token('ada', '--budget', '0.002/month');
    assert.equal(await outcome(next), 402);
    assert.equal(await outcome(two), 200);
    assert.equal((await kept.run('token', 'revoke', '--owner', 'bob')).code, 0);
    assert.equal(await outcome(two), 401);
    await gateway.stop();
    const { rows } = await usageOf(kept);
    assert.deepEqual(rows.map(({ owner, refused }) => [owner, refused]).sort(), [
      ['ada', 2],
      ['bob', 0],
    ]);
  });

  test(`an owner can be forgotten, and the sums stay, ${kind}`, { skip }, async (t) => {
    const kept = await home(t, ...(await place(t)));
    const ada = await kept.token('ada');
    const gateway = await kept.start();
    await sdk(gateway, ada).messages.create(PARAMS);
    await gateway.stop();
    const refused = await kept.run('forget', '--owner', 'ada');
    assert.deepEqual([refused.code, refused.err[0]?.startsWith('ada has valid tokens: ')], [1, true]);
    assert.equal((await kept.run('token', 'revoke', '--owner', 'ada')).code, 0);
    const done = await kept.run('forget', '--owner', 'ada', '--by', 'dpo');
    assert.deepEqual(done.out, ['Forgot the owner in 1 rows of usage and 2 entries of the audit log.']);
    const { rows } = await usageOf(kept);
    assert.deepEqual(
      rows.map(({ owner, costNanoUsd }) => [owner, BigInt(costNanoUsd)]),
      [['forgotten', kept.server.billed()]],
    );
    const audit = (await kept.run('audit')).out.join('\n');
    assert.ok(!audit.includes('ada') && audit.includes('eve revoked') && audit.includes('dpo forgotten'), audit);
    const days = await kept.run('forget', '--before', new Date().toISOString().slice(0, 10));
    assert.deepEqual(days.out, ['Deleted 0 rows of usage and 0 entries of the audit log.']);
  });
}
