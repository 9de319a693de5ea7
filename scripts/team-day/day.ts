import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serve } from 'plimsoll/http';
import { simulator, type Simulator, type TruthRequest } from 'plimsoll/simulator';
import { newKey } from '../../testing/examples/gateway.ts';
import { freePort } from '../../testing/free-port.ts';
import { gatewayPlace, type Ends, type GatewayPlace, type GatewayProcess } from '../../testing/gateway/processes.ts';
import { redisServer, type RedisServer } from '../../testing/redis-server.ts';
import { front } from '../rolling-update/fronts.ts';
import { CLIENTS, hire, work, type Worked } from './team.ts';

export interface DayOptions {
  readonly owners: number;
  /** Between two events of the day, in milliseconds. */
  readonly pauseMs: number;
  readonly redisAwayMs: number;
  /** What happens, in this order. A replica that is killed loses what it had in hand; without that, everything is exact. */
  readonly events: readonly EventName[];
  readonly onEvent: (what: string) => void;
  /** Begins with the work, gets the addresses of the replicas' metrics, and is waited for before the work ends. */
  readonly watch?: (metricsUrls: readonly string[]) => Promise<void>;
}

/** What the day came to. */
export interface Day {
  readonly worked: Worked;
  readonly requests: number;
  /** Responses that the API sent whole, was told to cancel, and refused, by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** By `client owner`, in nano-dollars: as the gateway says, and as the API charges. */
  readonly byOwner: ReadonlyMap<string, { readonly counted: bigint; readonly charged: bigint }>;
  /** What the API charged for requests that the killed replica had in hand, in nano-dollars. */
  readonly inHandNanoUsd: bigint;
  /** `plimsoll gateway usage`, as it printed. */
  readonly printed: string;
}

/** Lives a day of a team: two replicas on one Redis behind Caddy, two keys with small limits, and all that goes wrong. */
export async function live(ends: Ends, options: DayOptions): Promise<Day> {
  const redis = await redisServer();
  ends.after(() => redis.end());
  const api = await twoKeys(ends);
  const place = await gatewayPlace(ends, { url: api.url, key: api.keys[0] }, settings(redis, api.keys));
  const ports = [await freePort(), await freePort()] as const;
  const replicas = new Map<number, GatewayProcess>();
  for (const port of ports) replicas.set(port, await place.start(port));
  const owners = await hire(redis.url, options.owners);
  const balancer = await front(ends, 'caddy', ports);
  const team = work(balancer.url, owners);
  const watching = options.watch?.([...replicas.values()].map(({ metricsUrl }) => metricsUrl));
  const day: Running = { ...options, redis, api, place, replicas, ports, inHand: new Set() };
  for (const what of options.events) {
    await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
    options.onEvent(what);
    await EVENTS[what](day);
  }
  await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
  await watching;
  const worked = await team.end();
  return { worked, ...(await settled(day)) };
}

interface Running extends DayOptions {
  readonly redis: RedisServer;
  readonly api: Api;
  readonly place: GatewayPlace;
  readonly replicas: Map<number, GatewayProcess>;
  readonly ports: readonly [number, number];
  /** Numbers of requests that were open when a replica was killed. */
  readonly inHand: Set<number>;
}

/** What can happen on a day. */
export const EVENTS = {
  'the configuration is changed': reload,
  'a key is revoked by the provider': async ({ api }: Running) => api.revoke(),
  'a replica is killed': kill,
  'Redis is away': away,
  'both replicas are updated': update,
} as const;

type EventName = keyof typeof EVENTS;

async function reload({ place, replicas }: Running): Promise<void> {
  const file = join(place.folder, 'gateway.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('requestsPerMinute: 100000', 'requestsPerMinute: 90000'));
  await until(() => place.said().split('"outcome":"loaded"').length > replicas.size);
}

async function kill({ api, place, replicas, ports, inHand }: Running): Promise<void> {
  const [port] = ports;
  for (const { number, endedAtMs } of api.sim.truth.requests) if (endedAtMs === null) inHand.add(number);
  const before = api.sim.truth.requests.length;
  await replicas.get(port)?.stop('SIGKILL');
  // Those that began meanwhile are as uncertain.
  for (const { number } of api.sim.truth.requests.slice(before)) inHand.add(number);
  replicas.set(port, await place.start(port));
}

async function away({ redis, redisAwayMs }: Running): Promise<void> {
  redis.pause();
  await new Promise((resolve) => setTimeout(resolve, redisAwayMs));
  redis.resume();
}

async function update({ place, replicas, ports }: Running): Promise<void> {
  for (const port of ports) {
    if ((await replicas.get(port)?.stop('SIGTERM')) !== 0) throw new Error('a replica did not end as it should');
    const successor = await place.start(port);
    replicas.set(port, successor);
    await until(async () => /^anthropic_request_duration_seconds_count\{.*\} [1-9]/m.test(await page(successor)));
  }
}

async function page({ metricsUrl }: GatewayProcess): Promise<string> {
  return (await fetch(metricsUrl)).text();
}

interface Api {
  readonly url: string;
  readonly sim: Simulator;
  readonly keys: readonly [string, string];
  /** The owner of each request, by its number. */
  readonly owners: ReadonlyMap<number, string>;
  /** The second key is refused from now on, as the API refuses a key that it does not know. */
  revoke(): void;
}

/** An API with two organizations of small limits, which takes down whose each request is. */
async function twoKeys(ends: Ends): Promise<Api> {
  const keys = [newKey(), newKey()] as const;
  const owners = new Map<number, string>();
  const sim = simulator({
    keys: keys.map((key, index) => ({ name: `key-${index}`, key, organization: `organization-${index}` })),
    limits: { 'haiku-4.5': { requests: 400 }, 'sonnet-4.x': { requests: 400 } },
    scenario: { latency: { perTokenMs: { kind: 'constant', value: 4 } } },
    respond({ body, number }) {
      const [first] = body.messages as readonly { readonly content: string }[];
      owners.set(number, first?.content.split(':', 1)[0] ?? '');
      return undefined;
    },
  });
  let isRevoked = false;
  const handle = (request: Request): Promise<Response> => {
    if (isRevoked && (request.headers.get('x-api-key') ?? request.headers.get('authorization'))?.includes(keys[1]))
      return sim.handle(withKey(request, newKey()));
    return sim.handle(request);
  };
  const serving = await serve(handle, { port: 0 });
  ends.after(() => serving.close(0));
  return { url: serving.url, sim, keys, owners, revoke: () => void (isRevoked = true) };
}

function withKey(request: Request, key: string): Request {
  const headers = new Headers(request.headers);
  headers.delete('authorization');
  headers.set('x-api-key', key);
  return new Request(request, { headers });
}

function settings(redis: RedisServer, [first, second]: readonly [string, string]) {
  const clients = CLIENTS.map((name) => `${name}: { key: team, requestsPerMinute: 100000, members: {} }`);
  const lines = [
    'keys: { prod-a-api: { env: KEY_A }, prod-b-api: { env: KEY_B } }',
    'pools: { team: { keys: { prod-a-api: 1, prod-b-api: 1 } } }',
    `clients: { ${clients.join(', ')} }`,
    'budgets: [{ name: all, period: month, usd: 1000, mode: block, onLedgerDown: closed }]',
    'ledger: { redis: { env: PLIMSOLL_REDIS_URL } }',
    'limits: { lameDuckSeconds: 4, drainSeconds: 600 }',
  ];
  return { lines, env: { PLIMSOLL_REDIS_URL: redis.url, KEY_A: first, KEY_B: second } };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const untilMs = performance.now() + 120_000; performance.now() < untilMs;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it never came to be so');
}

/** Ends the replicas, so that they store the rest, and compares. */
async function settled(day: Running): Promise<Omit<Day, 'worked'>> {
  const { api, replicas, inHand, place, redis } = day;
  for (const replica of replicas.values()) await replica.stop('SIGTERM');
  const { requests } = api.sim.truth;
  const byOwner = new Map<string, { counted: bigint; charged: bigint }>();
  const of = (owner: string) => {
    const found = byOwner.get(owner) ?? { counted: 0n, charged: 0n };
    byOwner.set(owner, found);
    return found;
  };
  let inHandNanoUsd = 0n;
  const statuses: Record<string, number> = {};
  for (const request of requests) {
    of(api.owners.get(request.number) ?? '').charged += charge(request);
    if (inHand.has(request.number)) inHandNanoUsd += charge(request);
    const status = String(request.status ?? 'none');
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  const env = { PLIMSOLL_REDIS_URL: redis.url };
  const { rows } = JSON.parse(await usage(place, env, ['--by', 'owner', '--json'])) as {
    readonly rows: readonly { readonly owner: string; readonly costNanoUsd: string }[];
  };
  for (const { owner, costNanoUsd } of rows) of(owner).counted += BigInt(costNanoUsd);
  byOwner.delete('');
  const printed = await usage(place, env, ['--by', 'client,model']);
  return { requests: requests.length, statuses, byOwner, inHandNanoUsd, printed };
}

function charge({ billed }: TruthRequest): bigint {
  let sum = 0;
  for (const { nanoUsd } of billed) for (const part of Object.values(nanoUsd ?? {})) sum += part;
  return BigInt(sum);
}

const CLI = ['--conditions=plimsoll-source', join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')];

async function usage(
  { folder }: GatewayPlace,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<string> {
  const all = [...CLI, 'gateway', 'usage', '--config', 'gateway.yaml', ...args];
  const { stdout } = await promisify(execFile)(process.execPath, all, {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env },
  });
  return stdout;
}
