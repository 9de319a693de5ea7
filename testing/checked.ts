import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { command } from '../src/cli/check.ts';
import { serve, type Handler } from '../src/http/serve.ts';
import { simulator, type Fault, type SimulatorOptions } from '../src/simulator/index.ts';

export const NOW = Date.UTC(2026, 10, 24, 12);
export const KEY = `sk-ant-api03-${randomBytes(71).toString('base64url')}AA`;

/** As a gateway draws them: an id of twelve characters, and a secret of forty. */
export const TOKEN = `plk_0123456789ab_${randomBytes(20).toString('hex')}`;

/** What the command said. */
export interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  /** The last lines as sentences: `Likely cause` and `Do next`, unwrapped. */
  readonly cause: string;
  readonly next: string;
}

/** Runs the command in this process, at the time of the test. No line of it is wider than a terminal or shows the key. */
export async function run(env: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<Ran> {
  const out: string[] = [];
  const code = await command.run(args, {
    stdin: (async function* none() {})(),
    out: (line) => out.push(line),
    err: (line) => out.push(line),
    reveal: (line) => out.push(line),
    env: { ANTHROPIC_AUTH_TOKEN: KEY, ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-5-5', ...env },
    now: () => NOW,
    columns: 80,
    color: false,
    onReload: () => undefined,
    signal: new AbortController().signal,
  });
  if (args.includes('--json')) return { code, out, cause: '', next: '' };
  return ran(code, out);
}

/** Runs the command as a process of its own, with nothing but these variables: for what Node reads only when it starts. */
export async function spawned(env: Readonly<Record<string, string>>): Promise<Ran> {
  const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts');
  const child = spawn(process.execPath, ['--conditions=plimsoll-source', main, 'check'], {
    env: { ANTHROPIC_AUTH_TOKEN: KEY, ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-5-5', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number]>]);
  return ran(code, output.trimEnd().split('\n'));
}

function ran(code: number, out: readonly string[]): Ran {
  assert.ok(!out.join('').includes(KEY.slice(20, 40)));
  for (const line of out) assert.ok(line.length <= 80, line);
  const unwrapped = out.join('\n').replace(/\n {14}(?=\S)/g, ' ');
  const cause = /^Likely cause: (.*)$/m.exec(unwrapped)?.[1] ?? '';
  return { code, out, cause, next: /^Do next: +(.*)$/m.exec(unwrapped)?.[1] ?? '' };
}

/** Served on loopback, with this test's time in its answers. */
export async function served(t: TestContext, handler: Handler): Promise<string> {
  const dated: Handler = async (request) => {
    const response = await handler(request);
    const headers = new Headers(response.headers);
    if (!headers.has('date')) headers.set('date', new Date(NOW).toUTCString());
    return new Response(response.body, { status: response.status, headers });
  };
  const { url, close } = await serve(dated, { port: 0 });
  t.after(() => close(0));
  return url;
}

/** A simulated API whose requests meet these faults, on loopback. */
export async function simulated(t: TestContext, faults: readonly Fault[], options: SimulatorOptions = {}) {
  const claude = simulator({ clock: { now: () => NOW, sleep: () => Promise.resolve() }, ...options });
  claude.script(faults);
  return { claude, ANTHROPIC_BASE_URL: await served(t, claude.handle) };
}
