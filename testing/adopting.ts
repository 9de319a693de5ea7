import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { sampleKey, scraped, type Scraped } from './scraped.ts';
import { BARE_ENV } from './bare-env.ts';

/** Where something is ended that was started: a `TestContext`, or a script's own. */
export interface Ending {
  readonly after: (end: () => Promise<void>) => void;
}

/** The simulated API of the installed package, and what it will say that it billed. */
export async function simulated(t: Ending, folder: string) {
  const child = spawn(process.execPath, ['node_modules/.bin/plimsoll', 'simulate', '--port', '0', '--json'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  ends(t, child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown>> =>
    JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
  const { url } = await next();
  return {
    url: String(url),
    async account() {
      child.kill('SIGINT');
      return next();
    },
  };
}

function ends(t: Ending, child: ChildProcess): void {
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
}

/** The response, as soon as somebody listens there. */
async function answered(url: string, init: RequestInit, child: ChildProcess): Promise<Response> {
  for (;;) {
    const response = await fetch(url, init).catch(() => null);
    if (response !== null) return response;
    assert.equal(child.exitCode, null, 'the app has ended');
    await sleep(50);
  }
}

export interface Adopter {
  /** A project that has plimsoll installed. */
  readonly folder: string;
  /** The program: a path, or a name in `folder`. */
  readonly file: string;
  readonly path: string;
  /** What runs the program. Default: this Node. */
  readonly runtime?: readonly string[];
  /** Of the one call that is counted. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Starts an app on a simulated API, asks it one question, and looks at its metrics. */
export async function adopts(
  t: Ending,
  { folder, file, path, labels, runtime = [process.execPath] }: Adopter,
): Promise<Scraped> {
  const api = await simulated(t, folder);
  const [port, metricsPort] = [await freePort(), await freePort()];
  const surroundings = {
    ...BARE_ENV,
    NEXT_RUNTIME: 'nodejs',
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
  };
  const env = { ...surroundings, ANTHROPIC_BASE_URL: api.url, ANTHROPIC_AUTH_TOKEN: 'test' };
  const program = resolve(folder, file);
  const [command = '', ...args] = runtime;
  const child = spawn(command, [...args, program], { cwd: dirname(program), stdio: 'inherit', env });
  ends(t, child);
  const headers = { 'content-type': 'application/json', authorization: 'Bearer token-h', 'x-feature': 'search' };
  const question = { method: 'POST', headers, body: '{"question":"When is high water?"}' };
  const answer = await answered(`http://127.0.0.1:${port}${path}`, question, child);
  assert.equal(answer.status, 200);
  const metrics = await answered(`http://127.0.0.1:${metricsPort}/metrics`, {}, child);
  const page = scraped(await metrics.text());
  const found = (name: string) => [...page.samples].filter(([key, value]) => key.startsWith(`${name}{`) && value > 0);
  const call = {
    key: 'dev-local-key',
    model: 'claude-haiku-4-5',
    operation: 'messages.create',
    outcome: 'ok',
    ...labels,
  };
  assert.deepEqual(found('anthropic_requests_total'), [[sampleKey('anthropic_requests_total', call), 1]]);
  const costUsd = found('anthropic_cost_usd_total').reduce((sum, [, value]) => sum + value, 0);
  const { requests, billedUsd } = await api.account();
  assert.deepEqual(requests, { 200: 1 });
  assert.equal(costUsd.toFixed(9), Number(billedUsd).toFixed(9));
  return page;
}
