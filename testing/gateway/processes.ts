/** `plimsoll gateway` as a process that can be stopped and started, before a simulated API that can be, too. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { budgets, type BudgetDefinition, type Ledger } from 'plimsoll/budget';
import { serve, type Serving } from 'plimsoll/http';
import { simulator, type Simulator, type SimulatorOptions } from 'plimsoll/simulator';
import { BARE_ENV } from '../bare-env.ts';

/** What ends things when they are no longer needed: a test. */
export interface Ends {
  after(close: () => Promise<void> | void): void;
}

/** The budget that every configuration here has. */
export const BUDGET = { name: 'all', period: 'month', usd: 1_000, mode: 'block' } as const satisfies BudgetDefinition;

export interface Api {
  readonly sim: Simulator;
  readonly url: string;
  readonly key: string;
  /** What it charges for all requests so far, in nano-dollars. */
  billed(): bigint;
  /** Breaks every connection and takes no new ones. */
  kill(): Promise<void>;
  /** On the same port as before. */
  restart(): Promise<void>;
}

export async function api(ends: Ends, options: SimulatorOptions = {}): Promise<Api> {
  const key = `sk-ant-api03-${randomBytes(70).toString('base64url').slice(0, 93)}AA`;
  const sim = simulator({ keys: [{ name: 'real', key }], ...options });
  let serving: Serving = await serve(sim.handle, { port: 0 });
  const { port, url } = serving;
  ends.after(() => serving.close(0));
  return {
    sim,
    url,
    key,
    billed: () => BigInt([...sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0)),
    kill: () => serving.close(0),
    async restart() {
      serving = await serve(sim.handle, { port });
    },
  };
}

export interface GatewayProcess {
  readonly url: string;
  readonly port: number;
  readonly metricsUrl: string;
  readonly pid: number;
  /** Resolves with the exit code when it is gone; `null` for one that was killed. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** A folder with a configuration, from which gateways are started one after another. */
export interface GatewayPlace {
  readonly folder: string;
  /** Port 0: any that is free. */
  start(port?: number): Promise<GatewayProcess>;
  /** A new token of the client `app`. */
  token(): Promise<string>;
  /** All that its processes have printed, but for tokens that they have made. */
  said(): string;
}

const CLI = ['--conditions=plimsoll-source', join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')];

/** `lines` of YAML are fields besides the usual ones, or in place of them. */
export async function gatewayPlace(
  ends: Ends,
  { url, key }: Pick<Api, 'url' | 'key'>,
  { lines, env = {} }: { readonly lines: readonly string[]; readonly env?: Readonly<Record<string, string>> },
): Promise<GatewayPlace> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-failure-'));
  const said: string[] = [];
  const running = new Set<ChildProcess>();
  ends.after(async () => {
    for (const child of running) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(folder, { recursive: true });
  });
  const name = (line: string): string => line.slice(0, line.indexOf(':'));
  const usual = [
    `baseUrl: ${url}`,
    'keys: { prod-api-key: { env: ANTHROPIC_API_KEY } }',
    'clients: { app: { key: prod-api-key } }',
  ].filter((line) => !lines.some((own) => name(own) === name(line)));
  writeFileSync(join(folder, 'gateway.yaml'), [...usual, ...lines].join('\n'));
  const launched = (args: readonly string[]): ChildProcess & { readonly stdout: Readable } => {
    const child = spawn(process.execPath, [...CLI, 'gateway', ...args], {
      cwd: folder,
      env: { ...BARE_ENV, ANTHROPIC_API_KEY: key, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
    running.add(child);
    child.once('exit', () => running.delete(child));
    return child;
  };
  return {
    folder,
    said: () => said.join(''),
    async start(port = 0) {
      const child = launched(['--config', 'gateway.yaml', '--port', String(port), '--metrics-port', '0', '--json']);
      child.stdout.on('data', (text: Buffer) => said.push(text.toString()));
      const first = await firstLine(child);
      if (first === null) throw new Error(`the gateway ended: ${said.join('')}`);
      const { url: own, metricsUrl } = JSON.parse(first) as { readonly url: string; readonly metricsUrl: string };
      const address = new URL(own);
      return {
        url: address.origin,
        port: Number(address.port),
        metricsUrl,
        pid: child.pid ?? 0,
        async stop(signal) {
          const gone = once(child, 'exit');
          child.kill(signal);
          const [code] = (await gone) as [number | null];
          return code;
        },
      };
    },
    async token() {
      const token = await firstLine(launched(['token', 'create', 'app', '--config', 'gateway.yaml']));
      if (token === null) throw new Error(`no token was made: ${said.join('')}`);
      return token.trim();
    },
  };
}

/** Reads the first line that the process prints; `null` where it ends before. The rest is read and dropped. */
async function firstLine(child: ChildProcess & { readonly stdout: Readable }): Promise<string | null> {
  const lines = createInterface(child.stdout);
  const line = await Promise.race([
    (once(lines, 'line') as Promise<[string]>).then(([text]) => text),
    once(child, 'exit').then(() => null),
  ]);
  child.stdout.resume();
  return line;
}

export function sdk(gateway: Pick<GatewayProcess, 'url'>, token: string, options: ClientOptions = {}): Anthropic {
  return new Anthropic({ baseURL: gateway.url, apiKey: token, logLevel: 'off', ...options });
}

/** What a ledger says was spent of the budget, and is held, in nano-dollars. Closes it. */
export async function balanceIn(ledger: Ledger): Promise<{ readonly spent: bigint; readonly reserved: bigint }> {
  const reader = budgets({ definitions: [BUDGET], ledger });
  const { budgets: all } = await reader.refresh();
  await reader.close();
  const balance = all[0]?.balance;
  return { spent: balance?.spentNanoUsd ?? -1n, reserved: balance?.reservedNanoUsd ?? -1n };
}

/** Asks until the ledger has all that was billed: what waits for the next try takes its time. */
export async function hasAll(ledger: () => Ledger, { billed }: Api): Promise<void> {
  let spent = -1n;
  for (const untilMs = performance.now() + 300_000; performance.now() < untilMs;) {
    ({ spent } = await balanceIn(ledger()));
    if (spent === billed()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the ledger never had all: ${spent} of ${billed()} nano-dollars`);
}

export const PARAMS = {
  model: 'claude-haiku-4-5',
  max_tokens: 64,
  messages: [{ role: 'user' as const, content: 'hello' }],
};
