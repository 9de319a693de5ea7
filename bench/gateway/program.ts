import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from './child.ts';

/** How a program is started that is measured from outside. */
export interface Started {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly folder?: string;
  /** Answers anything when the program is ready. */
  readonly url: string;
}

/** The longest that a program may take to start. */
const START_MS = 120_000;

/**
 * Starts a program, and resolves when it answers. Its CPU time is that of all its processes, as Linux counts it. Rejects with
 * what it printed last if it ends, or does not answer.
 */
export async function program({ command, args, env = {}, folder, url }: Started): Promise<Child> {
  const child = spawn(command, [...args], {
    ...(folder !== undefined && { cwd: folder }),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const note = (bytes: Buffer): void => void (said = (said + bytes.toString()).slice(-2_000));
  child.stdout.on('data', note);
  child.stderr.on('data', note);
  const startedMs = performance.now();
  while (!(await answers(url))) {
    if (child.exitCode !== null) throw new Error(`it ended: ${lastLine(said)}`);
    if (performance.now() - startedMs > START_MS) {
      child.kill('SIGKILL');
      throw new Error(`it did not answer: ${lastLine(said)}`);
    }
    await sleep(200);
  }
  return {
    async ask<Answer>(name: string): Promise<Answer> {
      if (name !== 'cpuMicros') throw new Error(`nobody answers ${name}`);
      return cpuMicros(child) as Answer;
    },
    end: () => ended(child),
  };
}

function lastLine(said: string): string {
  return said.trim().split('\n').at(-1) ?? 'without a word';
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(url, (answer) => {
      answer.resume();
      resolve(true);
    });
    asking.on('error', () => resolve(false));
    asking.end();
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(impatience);
}

function cpuMicros({ pid = 0 }: ChildProcess): number {
  return familyOf(pid).reduce((sum, each) => sum + microsOf(each), 0);
}

/** A process and all that it has started. */
function familyOf(pid: number): readonly number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(familyOf)];
}

/** The first figure is the time on a core in nanoseconds. */
function microsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    const [nanos = '0'] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
    return sum + Number(nanos) / 1_000;
  }, 0);
}
