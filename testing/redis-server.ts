import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { tool } from './tools.ts';
import { freePort } from './free-port.ts';

/** A real Redis of the test's own: on a port and in a folder that nobody else has, with its append-only file on. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Resolves when it takes commands. Its data is what it was when it was stopped. */
  start(): Promise<void>;
  /** Resolves when the process is gone. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Stops answering, with connections open, until `resume`. */
  pause(): void;
  resume(): void;
  /** Stops it and removes its folder. */
  end(): Promise<void>;
}

export const redis = tool('redis-server');

/** Started; `args` are more of its command line. */
export async function redisServer(args: readonly string[] = []): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-redis-'));
  const port = await freePort();
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const settings = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      folder,
      '--save',
      '',
      '--appendonly',
      'yes',
      // Each answer is in the file before it is sent: with `everysec`, a write waits up to 2 s for a slow disk, and is lost by a SIGKILL.
      '--appendfsync',
      'no',
    ];
    child = spawn(redis.path, [...settings, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new TypeError('expected a pipe');
    for await (const line of createInterface(child.stdout)) if (line.includes('Ready to accept connections')) break;
    child.stdout.resume();
  }

  async function stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    start,
    stop,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    end: async () => {
      child?.kill('SIGCONT');
      await stop('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
