/** A gateway in a process of its own, before a simulated Claude API, both on real ports. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'plimsoll/http';
import { simulator, type Simulator, type SimulatorOptions } from 'plimsoll/simulator';
import { scraped, type Scraped } from '../scraped.ts';
import { examples, ran, root } from './programs.ts';
import { BARE_ENV } from '../bare-env.ts';

/** What ends things when they are no longer needed: a test, or a script. */
export interface Ends {
  after(close: () => Promise<void> | void): void;
}

/** What is particular to this one. */
export interface GatewayOptions extends SimulatorOptions {
  readonly pageOrigin?: string;
}

export interface RunningGateway {
  readonly url: string;
  readonly api: Simulator;
  /** The real key that it holds, and that nobody else may see. */
  readonly realKey: string;
  /** A new token for a client of the configuration. */
  readonly token: (client: string) => Promise<string>;
  /** What its page says, once no call is in flight. */
  readonly metrics: () => Promise<Scraped>;
  /** All that it has printed. */
  readonly said: () => string;
}

/** Something with the form of a key of the API's. */
export const newKey = (): string => `sk-ant-api03-${randomBytes(70).toString('base64url').slice(0, 93)}AA`;

const cli = [process.execPath, '--conditions=plimsoll-source', join(root, 'src', 'cli', 'main.ts')] as const;

/** Starts a gateway with the configuration of the examples, whose page is at this origin, before a simulated API. */
export async function gateway(
  ends: Ends,
  { pageOrigin = 'http://localhost:8080', ...options }: GatewayOptions = {},
): Promise<RunningGateway> {
  const realKey = newKey();
  const api = simulator({ ...options, keys: [{ name: 'real', key: realKey }] });
  const upstream = await serve(api.handle, { port: 0 });
  ends.after(() => upstream.close(0));
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-gateway-'));
  const file = join(folder, 'gateway.yaml');
  const configuration = readFileSync(join(examples, 'gateway.yaml'), 'utf8');
  writeFileSync(file, configuration.replace('http://localhost:8080', pageOrigin));
  const env = { ...BARE_ENV, ANTHROPIC_AUTH_TOKEN: realKey, ANTHROPIC_BASE_URL: upstream.url };

  const [program, ...args] = cli;
  const ports = ['--port', '0', '--metrics-port', '0', '--json'];
  const child = spawn(program, [...args, 'gateway', '--config', file, ...ports], { cwd: folder, env });
  const exited = once(child, 'exit');
  ends.after(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true });
  });
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => said.push(line));
  const lines = createInterface(child.stdout);
  const [first] = await Promise.race([
    once(lines, 'line') as Promise<[string]>,
    exited.then(() => Promise.reject(new Error(`the gateway ended: ${said.join('\n')}`))),
  ]);
  lines.on('line', (line) => said.push(line));
  const { url, metricsUrl } = JSON.parse(first) as { readonly url: string; readonly metricsUrl: string };

  return {
    url,
    api,
    realKey,
    async token(client) {
      const command = ['gateway', 'token', 'create', client, '--config', file];
      const { code, out, err } = await ran(program, [...args, ...command], { cwd: folder, env });
      if (code !== 0) throw new Error(err);
      return out.trim();
    },
    metrics: () => settled(metricsUrl),
    said: () => said.join('\n'),
  };
}

async function settled(metricsUrl: string): Promise<Scraped> {
  for (;;) {
    const page = scraped(await (await fetch(metricsUrl)).text());
    if (counted(page, 'anthropic_requests_in_flight').size === 0) return page;
    await sleep(20);
  }
}

/** The samples of a counter that are not zero, by their labels. */
export function counted({ samples }: Scraped, name: string): ReadonlyMap<string, number> {
  return new Map([...samples].filter(([key, value]) => key.startsWith(`${name}{`) && value !== 0));
}

/** What the metrics say that calls cost, and what the simulated API has billed: both in US dollars, to the nano-dollar. */
export function costs(page: Scraped, { truth }: Simulator): { readonly counted: string; readonly billed: string } {
  const costUsd = [...counted(page, 'anthropic_cost_usd_total').values()].reduce((sum, value) => sum + value, 0);
  const billedNanoUsd = [...truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  return { counted: costUsd.toFixed(9), billed: (billedNanoUsd / 1e9).toFixed(9) };
}
