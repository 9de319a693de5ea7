/** What the tests of the examples share: programs of other languages and processes, run as their readers run them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BARE_ENV } from '../bare-env.ts';

export const root = join(import.meta.dirname, '..', '..');
export const examples = join(root, 'examples');

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Where a program runs, with what environment (`PATH` is always there) and on what input. */
export interface Surroundings {
  readonly cwd?: string;
  readonly env?: Readonly<NodeJS.ProcessEnv>;
  readonly input?: string;
}

/** Runs a program to its end. It must end by itself; the test runner ends what does not. */
export async function ran(program: string, args: readonly string[], surroundings: Surroundings = {}): Promise<Ended> {
  const { cwd = root, env = {}, input = '' } = surroundings;
  const child = spawn(program, args, { cwd, env: { ...BARE_ENV, ...env } });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

/** Starts a program that stays; the end of the test ends it, politely: what it has started in its turn must end too. */
export function stays(
  t: TestContext,
  command: readonly string[],
  { cwd = root, env = {} }: Surroundings,
): ChildProcess {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    cwd,
    env: { ...BARE_ENV, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  return child;
}

/** Waits until the program takes connections. */
export async function listens(child: ChildProcess, port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, 'localhost');
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    if (child.exitCode !== null) throw new Error('the program has ended');
    await sleep(50);
  }
}

/** The response, as soon as the program listens. */
export async function answered(child: ChildProcess, url: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    const response = await fetch(url, init).catch(() => null);
    if (response !== null) return response;
    if (child.exitCode !== null) throw new Error('the program has ended');
    await sleep(50);
  }
}

/** For programs in Python: finds those of the examples, and leaves nothing beside them. */
export const pythonFiles = { PYTHONPATH: join(examples, 'python'), PYTHONDONTWRITEBYTECODE: '1' };
