import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { redis } from './redis-server.ts';

/** Servers that are one Redis together. They end with `end()`. */
export interface RedisFleet {
  /** The address as plimsoll takes it. */
  readonly url: string;
  /** Kills the master, which nobody expects. */
  killMaster(): Promise<void>;
  /** Stops the master from answering, with connections open, until `resumeMaster()`. */
  pauseMaster(): void;
  resumeMaster(): void;
  end(): Promise<void>;
}

interface Process {
  readonly port: number;
  readonly child: ChildProcess;
}

const SERVER = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'];

interface Place {
  readonly folder: string;
  readonly port: number;
}

/** Starts the program in a folder of its own, and resolves once it has printed a line with `ready`. */
async function started(
  { folder, port }: Place,
  args: readonly string[],
  ready = 'Ready to accept connections',
): Promise<Process> {
  const own = join(folder, String(port));
  mkdirSync(own, { recursive: true });
  const child = spawn(redis.path, [...args, '--port', String(port), '--dir', own], {
    cwd: own,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface(child.stdout)) if (line.includes(ready)) break;
  child.stdout.resume();
  return { port, child };
}

async function end({ child }: Process): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGKILL');
  await gone;
}

/** Asks the server until it answers as it should. */
async function until(port: number, isSo: (client: Redis) => Promise<boolean>): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  try {
    for (const untilMs = performance.now() + 120_000; performance.now() < untilMs;) {
      if (await isSo(client)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the servers never became one Redis');
  } finally {
    client.disconnect();
  }
}

function fleet(url: string, folder: string, all: readonly [Process, ...Process[]]): RedisFleet {
  const [master] = all;
  return {
    url,
    killMaster: () => end(master),
    pauseMaster: () => void master.child.kill('SIGSTOP'),
    resumeMaster: () => void master.child.kill('SIGCONT'),
    async end() {
      await Promise.all(all.map(end));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A master, a replica that takes over, and three Sentinels that notice after half a second. */
export async function sentinelFleet(): Promise<RedisFleet> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-sentinel-'));
  const master = await started({ folder, port: await freePort() }, SERVER);
  const following = ['--replicaof', `127.0.0.1 ${master.port}`];
  const replica = await started({ folder, port: await freePort() }, [...SERVER, ...following]);
  await until(replica.port, async (client) => (await client.info('replication')).includes('master_link_status:up'));
  const sentinels: Process[] = [];
  for (let index = 0; index < 3; index += 1) {
    const port = await freePort();
    const file = join(folder, `sentinel-${port}.conf`);
    const rules = [
      'bind 127.0.0.1',
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 2`,
      'sentinel down-after-milliseconds mymaster 500',
      'sentinel failover-timeout mymaster 5000',
    ];
    writeFileSync(file, rules.join('\n'));
    sentinels.push(await started({ folder, port }, [file, '--sentinel'], '+monitor master'));
  }
  // Each has to know the other two and the replica, or none may decide.
  for (const { port } of sentinels)
    await until(port, async (client) => {
      const state = (await client.call('SENTINEL', 'MASTER', 'mymaster')) as readonly string[];
      const field = (name: string): string | undefined => state[state.indexOf(name) + 1];
      return field('num-other-sentinels') === '2' && field('num-slaves') === '1';
    });
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return fleet(`redis+sentinel://${hosts}/mymaster`, folder, [master, replica, ...sentinels]);
}

const SLOTS = 16_384;

/** A Cluster of three servers, each with a third of the slots. Its "master" is the first of them. */
export async function clusterFleet(): Promise<RedisFleet> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-cluster-'));
  const servers: (Process & { readonly busPort: number })[] = [];
  for (let index = 0; index < 3; index += 1) {
    const [port, busPort] = [await freePort(), await freePort()];
    const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-port', String(busPort)];
    servers.push({ ...(await started({ folder, port }, [...SERVER, ...cluster])), busPort });
  }
  const [first] = servers;
  if (first === undefined) throw new TypeError('expected three servers');
  for (const [index, { port }] of servers.entries()) await joinCluster(port, index, first);
  for (const { port } of servers)
    await until(port, async (client) => (await client.cluster('INFO')).includes('cluster_state:ok'));
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return fleet(`redis+cluster://${hosts}`, folder, [first, ...servers.slice(1)]);
}

/** Gives the server its third of the slots, and introduces it to the first. */
async function joinCluster(
  port: number,
  index: number,
  first: { readonly port: number; readonly busPort: number },
): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  const from = (part: number): number => Math.floor((SLOTS * part) / 3);
  await client.call('CLUSTER', 'ADDSLOTSRANGE', from(index), from(index + 1) - 1);
  await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  if (index > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', first.port, first.busPort);
  client.disconnect();
}
