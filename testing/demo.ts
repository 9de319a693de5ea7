import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { BARE_ENV } from './bare-env.ts';

/** A demo under way in a process of its own. */
export interface Started {
  /** What it has printed. */
  readonly lines: readonly string[];
  /** What it has complained of. */
  readonly complaints: readonly string[];
  /** The next line that it prints, or has printed since the last one that was asked for; `null` after its end. */
  nextLine(): Promise<string | null>;
  /** The first line like this that `nextLine` would give. */
  line(like: RegExp): Promise<RegExpExecArray>;
  /** Ctrl-C. */
  interrupt(): void;
  /** What a container or a supervisor sends. */
  terminate(): void;
  /** The exit code, once it has ended. */
  readonly ended: Promise<number | null>;
}

const root = join(import.meta.dirname, '..');

/** Starts the demo with these arguments, on the Node of the tests; the end of the test ends it. */
export function started(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  return startedBy(t, [process.execPath, '--conditions=plimsoll-source', 'demo/main.ts', ...args], env);
}

/** The same by a command of yours. */
export function startedBy(t: TestContext, command: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    cwd: root,
    env: { ...BARE_ENV, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines: string[] = [];
  const complaints: string[] = [];
  createInterface(child.stderr).on('line', (line) => complaints.push(line));
  const printed = createInterface(child.stdout)[Symbol.asyncIterator]();
  async function nextLine(): Promise<string | null> {
    const next = await printed.next();
    if (next.done === true) return null;
    lines.push(next.value);
    return next.value;
  }
  return {
    lines,
    complaints,
    nextLine,
    async line(like) {
      for (let line = await nextLine(); line !== null; line = await nextLine()) {
        const found = like.exec(line);
        if (found !== null) return found;
      }
      throw new Error(`the demo ended without a line like ${like}: ${[...lines, ...complaints].join('\n')}`);
    },
    interrupt: () => child.kill('SIGINT'),
    terminate: () => child.kill('SIGTERM'),
    ended,
  };
}
