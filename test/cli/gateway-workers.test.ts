import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type Anthropic from '@anthropic-ai/sdk';
import { sqliteLedger } from 'plimsoll/budget';
import {
  api,
  balanceIn,
  BUDGET,
  gatewayPlace,
  PARAMS,
  sdk,
  type Api,
  type GatewayProcess,
} from '../../testing/gateway/processes.ts';
import { scraped } from '../../testing/scraped.ts';

const LINES = ['workers: 2', 'tokens: { sqlite: tokens.db }', 'limits: { drainSeconds: 20, hungWorkerSeconds: 0 }'];
const HUNG_LINES = [
  'workers: 3',
  'tokens: { sqlite: tokens.db }',
  'limits: { drainSeconds: 600, hungWorkerSeconds: 1 }',
];
const AT_ONCE = 6;
/** Long enough that calls are under way whenever a worker ends. */
const LATENCY = { firstByteMs: { kind: 'constant', value: 15 } } as const;

/** The sums of the series of each name whose labels have this text, on the page of the gateway. */
async function sums({ metricsUrl }: GatewayProcess): Promise<(name: string, having?: string) => number> {
  const { samples } = scraped(await (await fetch(metricsUrl)).text());
  return (name, having = '') =>
    [...samples].reduce(
      (sum, [key, value]) => (key.startsWith(`${name}{`) && key.includes(having) ? sum + value : sum),
      0,
    );
}

/** By their port: one that is stopped before it has become a program of its own would stop the one that starts it, too. */
const workersOf = ({ pid }: GatewayProcess): readonly number[] =>
  spawnSync('pgrep', ['-P', String(pid), '-f', '--', '--port [1-9]'], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n')
    .map(Number);

/** Waits until the page says so; what it shows changes by what other processes do. */
async function until(
  gateway: GatewayProcess,
  holds: (sum: Awaited<ReturnType<typeof sums>>) => boolean,
): Promise<void> {
  while (!holds(await sums(gateway))) await new Promise((resolve) => setTimeout(resolve, 20));
}

const bothReady = (sum: (name: string, having: string) => number): boolean =>
  sum('plimsoll_gateway_workers', 'ready') === 2 && sum('plimsoll_gateway_workers', 'leaving') === 0;

/** Calls until it is told to end; each on a connection that any worker may get. */
function load(claude: Anthropic): () => Promise<number> {
  let isOver = false;
  let succeeded = 0;
  const caller = async (): Promise<void> => {
    for (let number = 0; !isOver; number += 1) {
      await (number % 2 === 0 ? claude.messages.create(PARAMS) : claude.messages.stream(PARAMS).finalMessage());
      succeeded += 1;
    }
  };
  const callers = Promise.all(Array.from({ length: AT_ONCE }, caller));
  return async () => {
    isOver = true;
    await callers;
    return succeeded;
  };
}

/** The supervising process has handed over what came before when it has answered what came later. */
async function handedOver(gateway: GatewayProcess): Promise<void> {
  for (let asked = 0; asked < 3; asked += 1) await (await fetch(new URL('/nothing', gateway.metricsUrl))).text();
}

const delivered = ({ sim }: Api): number => sim.truth.requests.filter(({ delivery }) => delivery === 'complete').length;

async function equalToTheBill(server: Api, gateway: GatewayProcess, missing = 0): Promise<void> {
  await until(gateway, (sum) => sum('anthropic_requests_total', 'outcome="ok"') >= delivered(server) - missing);
  const sum = await sums(gateway);
  assert.equal(sum('anthropic_requests_total', 'outcome="ok"'), delivered(server) - missing);
  const billed = Number(server.billed()) / 1e9;
  if (missing === 0) assert.ok(Math.abs(sum('anthropic_cost_usd_total') - billed) < 1e-9);
}

async function started(t: TestContext, lines: readonly string[], base: readonly string[] = LINES) {
  const server = await api(t, { scenario: { latency: LATENCY }, keepRequests: 100_000 });
  const place = await gatewayPlace(t, server, { lines: [...base, ...lines] });
  const gateway = await place.start();
  const claude = sdk(gateway, await place.token(), { maxRetries: 30 });
  return { server, place, gateway, claude };
}

test('workers that are replaced or killed leave one page, on which no counter falls and no call is missing', async (t) => {
  const { server, place, gateway, claude } = await started(t, [
    `budgets: [${JSON.stringify(BUDGET)}]`,
    'ledger: { sqlite: ledger.db }',
  ]);
  const first = workersOf(gateway);
  assert.equal(first.length, 2);

  const replacing = load(claude);
  await until(gateway, (sum) => sum('anthropic_requests_total') > 20);
  process.kill(gateway.pid, 'SIGUSR2');
  await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'replaced') === 2 && bothReady(sum));
  await replacing();
  await equalToTheBill(server, gateway);
  const second = workersOf(gateway);
  assert.deepEqual(
    second.filter((pid) => first.includes(pid)),
    [],
  );

  process.kill(second[0] ?? 0, 'SIGKILL');
  await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'killed') === 1 && bothReady(sum));
  await equalToTheBill(server, gateway);

  const before = delivered(server);
  const killing = load(claude);
  await until(gateway, (sum) => sum('anthropic_requests_total', 'outcome="ok"') > before + 20);
  process.kill(second[1] ?? 0, 'SIGKILL');
  await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'killed') === 2 && bothReady(sum));
  const succeeded = await killing();
  const counted = (await sums(gateway))('anthropic_requests_total', 'outcome="ok"') - before;
  // What the worker had in its hands when it was killed, it could not tell.
  assert.ok(counted >= succeeded - AT_ONCE && counted <= delivered(server) - before, `${counted} of ${succeeded}`);

  assert.equal(await gateway.stop('SIGTERM'), 0);
  const { spent } = await balanceIn(sqliteLedger(join(place.folder, 'ledger.db')));
  assert.ok(spent <= server.billed());
  assert.match(place.said(), /"event":"worker","worker":\d,"pid":\d+,"cause":"killed","code":null,"signal":"SIGKILL"/);
});

test('workers share a budget that is kept in memory, and each of them stops at its end', async (t) => {
  const usd = 0.002;
  const { server, gateway, claude } = await started(t, [`budgets: [${JSON.stringify({ ...BUDGET, usd })}]`]);
  const refused = Array.from({ length: AT_ONCE }, async () => {
    for (;;) await claude.messages.create(PARAMS);
  });
  await Promise.all(refused.map((each) => assert.rejects(each, { status: 402 })));
  const billed = Number(server.billed()) / 1e9;
  // Workers with a budget each would spend it twice; what a call reserves is an estimate.
  assert.ok(billed <= usd * 1.5 && billed > usd / 2, String(billed));
  const sum = await sums(gateway);
  assert.equal(sum('anthropic_requests_total', 'outcome="ok"'), delivered(server));
  assert.ok(Math.abs(sum('anthropic_budget_spent_usd') - billed) < 1e-9);
});

test('workers that die while connections are handed to them are followed by others', async (t) => {
  const { place, gateway } = await started(t, []);
  const dying = workersOf(gateway);
  for (const pid of dying) process.kill(pid, 'SIGSTOP');
  const sockets = dying.map(() => connect(gateway.port, '127.0.0.1'));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await handedOver(gateway);
  const closed = sockets.map(
    (socket) => new Promise((resolve) => socket.on('error', resolve).on('close', resolve).resume()),
  );
  for (const pid of dying) process.kill(pid, 'SIGKILL');
  // Nobody is left who could serve them.
  await Promise.all(closed);
  await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'killed') === 2 && bothReady(sum));
  await sdk(gateway, await place.token()).messages.create(PARAMS);
});

test('a connection beyond those that all workers may have is closed', async (t) => {
  const { gateway } = await started(
    t,
    [],
    ['workers: 2', 'tokens: { sqlite: tokens.db }', 'limits: { connections: 1 }'],
  );
  const sockets = Array.from({ length: 3 }, () => connect(gateway.port, '127.0.0.1'));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.race(sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve).resume())));
});

test('a connection that is handed to a worker when it is killed is served by another', async (t) => {
  const { gateway } = await started(t, []);
  const [dying = 0] = workersOf(gateway);
  process.kill(dying, 'SIGSTOP');
  // One of them is in its hands, where it stays.
  const answers = Array.from({ length: 4 }, async () => (await fetch(new URL('/healthz', gateway.url))).status);
  const [first] = await Promise.all([Promise.any(answers), handedOver(gateway)]);
  assert.equal(first, 200);
  process.kill(dying, 'SIGKILL');
  assert.deepEqual(await Promise.all(answers), [200, 200, 200, 200]);
});

test('a worker that dies while others are replaced is followed by one other', async (t) => {
  const { gateway } = await started(t, []);
  const [first = 0, second = 0] = workersOf(gateway);
  process.kill(first, 'SIGSTOP');
  process.kill(gateway.pid, 'SIGUSR2');
  const readyBesides = (sum: (name: string, having: string) => number): boolean =>
    sum('plimsoll_gateway_workers', 'ready') === 2 && sum('plimsoll_gateway_workers', 'leaving') === 1;
  await until(gateway, readyBesides);
  process.kill(second, 'SIGKILL');
  await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'killed') === 1 && readyBesides(sum));
  process.kill(first, 'SIGCONT');
  await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'replaced') === 1);
  process.kill(gateway.pid, 'SIGUSR2');
  await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'replaced') === 3 && bothReady(sum));
  assert.equal(workersOf(gateway).length, 2);
});

test('a worker that is started later than a change of the files has the configuration and the prices of the others', async (t) => {
  const server = await api(t);
  const own = [`budgets: [${JSON.stringify(BUDGET)}]`, 'ledger: { sqlite: ledger.db }', 'prices: prices.json'];
  const place = await gatewayPlace(t, server, { lines: [...LINES, ...own] });
  const doubled = { input: 2, output: 10, cacheWrite5m: 2.5, cacheWrite1h: 4, cacheRead: 0.2 };
  const prices = { extends: 'default', models: [{ model: PARAMS.model, prices: [doubled] }] };
  writeFileSync(join(place.folder, 'prices.json'), JSON.stringify(prices));
  const gateway = await place.start();
  const claude = sdk(gateway, await place.token(), { maxRetries: 30 });
  const file = join(place.folder, 'gateway.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(join(place.folder, 'prices.json'), 'no prices');
  // One needs a restart, and the other is of no use.
  for (const [index, changed] of [text.replace('ledger.db', 'other.db'), 'keys: ['].entries()) {
    writeFileSync(file, changed);
    const [first = 0] = workersOf(gateway);
    process.kill(first, 'SIGKILL');
    await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'killed') === index + 1 && bothReady(sum));
  }
  for (let calls = 0; calls < AT_ONCE; calls += 1) await claude.messages.create(PARAMS);
  const sum = await sums(gateway);
  assert.equal(sum('plimsoll_gateway_worker_exits_total', 'failed'), 0);
  // The prices are the double of the shipped ones.
  assert.ok(Math.abs(sum('anthropic_cost_usd_total') - (2 * Number(server.billed())) / 1e9) < 1e-9);
  assert.equal(existsSync(join(place.folder, 'other.db')), false);
});

test('a worker that is started while the file of a key is away has the key of the others', async (t) => {
  const server = await api(t);
  const keys = 'keys: { prod-api-key: { file: key.txt } }';
  const place = await gatewayPlace(t, server, { lines: [...LINES, keys] });
  writeFileSync(join(place.folder, 'key.txt'), `${server.key}\n`);
  const gateway = await place.start();
  const claude = sdk(gateway, await place.token(), { maxRetries: 30 });
  const file = join(place.folder, 'key.txt');
  for (const [index, takeAway] of [() => rmSync(file), () => writeFileSync(file, '')].entries()) {
    takeAway();
    process.kill(workersOf(gateway)[0] ?? 0, 'SIGKILL');
    await until(gateway, (sum) => sum('plimsoll_gateway_worker_exits_total', 'killed') === index + 1 && bothReady(sum));
  }
  for (let calls = 0; calls < AT_ONCE; calls += 1) await claude.messages.create(PARAMS);
  assert.equal((await sums(gateway))('plimsoll_gateway_worker_exits_total', 'failed'), 0);
});

test('a worker that hangs is shown, ended when no other is starting, and replaced', async (t) => {
  const { place, gateway } = await started(t, [], HUNG_LINES);
  const first = workersOf(gateway);
  const [hanging = 0, dying = 0] = first;
  process.kill(dying, 'SIGKILL');
  let starting: number | undefined;
  while (starting === undefined) starting = workersOf(gateway).find((pid) => pid > 0 && !first.includes(pid));
  process.kill(starting, 'SIGSTOP');
  process.kill(hanging, 'SIGSTOP');
  await until(gateway, (sum) => sum('plimsoll_gateway_workers', 'hung') === 1);
  const sum = await sums(gateway);
  assert.equal(sum('plimsoll_gateway_workers', 'starting'), 1);
  assert.equal(sum('plimsoll_gateway_workers', 'ready'), 1);
  assert.equal(sum('plimsoll_gateway_worker_exits_total', 'hung'), 0);
  // The worker that hangs takes one of these connections.
  const probe = async (): Promise<string> => (await fetch(new URL('/readyz', gateway.url))).text();
  assert.equal(await Promise.any([probe(), probe()]), 'ready\nworkers: 1 of 3 ready\n');

  process.kill(starting, 'SIGCONT');
  await until(gateway, (now) => now('plimsoll_gateway_worker_exits_total', 'hung') === 1);
  await until(gateway, (now) => now('plimsoll_gateway_workers', 'ready') === 3);
  assert.equal(await probe(), 'ready\n');
  assert.match(place.said(), new RegExp(`"event":"worker","worker":\\d,"pid":${hanging},"cause":"hung"`));
});

test('a worker that hangs does not hold up the end of the gateway', async (t) => {
  const { gateway } = await started(t, [], HUNG_LINES);
  for (const pid of workersOf(gateway)) process.kill(pid, 'SIGSTOP');
  assert.equal(await gateway.stop('SIGTERM'), 0);
});
