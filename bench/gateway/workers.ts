import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../testing/free-port.ts';
import { plantedSecret } from '../../testing/planted.ts';
import { bursts, type Amount, type Load, type Proxy } from './measure.ts';
import type { Child } from './child.ts';
import { program } from './program.ts';

const run = promisify(execFile);

const CLI = ['--conditions=plimsoll-source', join(import.meta.dirname, '../../src/cli/main.ts'), 'gateway'];

/** `plimsoll gateway` as users start it, with its request log, with one worker and with two. */
export async function workerLoads(
  upstream: string,
  { load, amount }: { readonly load: Child; readonly amount: Amount },
): Promise<ReadonlyMap<string, Load>> {
  const proxies: Proxy[] = [];
  try {
    for (const workers of [1, 2]) proxies.push(await started(upstream, workers));
    return await bursts(proxies, 'json', { load, amount });
  } finally {
    for (const { process } of proxies) await process.end();
  }
}

export const nameOf = (workers: number): string => (workers === 1 ? 'one worker' : `${workers} workers`);

async function started(upstream: string, workers: number): Promise<Proxy> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-workers-'));
  const config = join(folder, 'gateway.json');
  const content = {
    ...{ baseUrl: upstream, workers, clients: { bench: {} }, tokens: { sqlite: 'tokens.db' } },
    keys: { 'prod-api-key': { env: 'BENCH_KEY' } },
  };
  writeFileSync(config, JSON.stringify(content));
  const env = { BENCH_KEY: plantedSecret(0) };
  const [port, metricsPort] = [await freePort(), await freePort()];
  const made = await run(process.execPath, [...CLI, 'token', 'create', 'bench', '--config', config], {
    env: { ...process.env, ...env },
  });
  const args = [...CLI, '--config', config, '--port', String(port), '--metrics-port', String(metricsPort)];
  const url = `http://127.0.0.1:${port}`;
  const gateway = await program({
    command: process.execPath,
    args,
    env,
    folder,
    url: `${url}/healthz`,
  });
  const target = { url, token: made.stdout.split('\n')[0]?.trim() ?? '' };
  return { name: nameOf(workers), process: gateway, target, processes: workers };
}
