import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What a process of the benchmark spent and holds, by its own account. */
export interface Accounts {
  /** User and system time since it began. */
  readonly cpuMicros: number;
  readonly rssBytes: number;
  /** In use after a collection where the process was started with `--expose-gc`, else just now. */
  readonly heapBytes: number;
}

/** A process that was started to be asked. */
export interface Child {
  /** Resolves with what the child's function of that name gives; rejects when it throws, or when the child has ended. */
  ask<Answer>(name: string, about?: unknown): Promise<Answer>;
  /** Ends it; resolves when it is gone. */
  end(): Promise<void>;
}

interface Question {
  readonly number: number;
  readonly name: string;
  readonly about: unknown;
}

interface Reply {
  readonly number: number;
  readonly value?: unknown;
  readonly problem?: string;
}

/** Starts a TypeScript file as a process that answers questions. `flags` are Node's own. */
export function child(file: URL, args: readonly string[] = [], flags: readonly string[] = []): Child {
  const execArgv = ['--conditions=plimsoll-source', '--expose-gc', ...flags];
  const forked = fork(file, args, { execArgv, serialization: 'advanced' });
  const waiting = new Map<number, (reply: Reply) => void>();
  let asked = 0;
  forked.on('message', (reply: Reply) => waiting.get(reply.number)?.(reply));
  forked.on('exit', (code) => {
    for (const [number, settle] of waiting) settle({ number, problem: `${file.pathname} ended with ${code}` });
  });
  return {
    async ask<Answer>(name: string, about?: unknown): Promise<Answer> {
      const number = ++asked;
      const reply = await new Promise<Reply>((resolve) => {
        waiting.set(number, resolve);
        forked.send({ number, name, about } satisfies Question, (error) => {
          if (error !== null) resolve({ number, problem: error.message });
        });
      });
      waiting.delete(number);
      if (reply.problem !== undefined) throw new Error(reply.problem);
      return reply.value as Answer;
    },
    end: () => ended(forked),
  };
}

async function ended(forked: ChildProcess): Promise<void> {
  if (forked.exitCode !== null || forked.signalCode !== null) return;
  const gone = once(forked, 'exit');
  forked.disconnect();
  const impatience = setTimeout(() => forked.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(impatience);
}

type Answers = Readonly<Record<string, (about: never) => unknown>>;

/** How long the process let others wait, since it was asked last: in milliseconds, the longest time. */
function longestWaitMs(): number {
  const { max } = delays;
  delays.reset();
  return max / 1e6;
}

const delays = monitorEventLoopDelay({ resolution: 1 });

/** The other end: answers by name, and `accounts`, `cpuMicros` and `longestWaitMs` for all. The process ends when nobody can ask any more. */
export function answering(answers: Answers): void {
  delays.enable();
  const all: Answers = { accounts, cpuMicros, longestWaitMs, ...answers };
  process.on('message', ({ number, name, about }: Question) => {
    const answer = all[name] as ((about: unknown) => unknown) | undefined;
    void Promise.resolve()
      .then(() => {
        if (answer === undefined) throw new Error(`nobody answers ${name}`);
        return answer(about);
      })
      .then(
        (value) => process.send?.({ number, value } satisfies Reply),
        (error: unknown) => process.send?.({ number, problem: String(error) } satisfies Reply),
      );
  });
  process.on('disconnect', () => process.exit(0));
}

function accounts(): Accounts {
  // Before the collection, which is the measurement's own.
  const spentMicros = cpuMicros();
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuMicros: spentMicros, rssBytes: rss, heapBytes: heapUsed };
}

/** User and system time so far. Collects nothing: a collection would be in the next figure, and makes the young heap small. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
