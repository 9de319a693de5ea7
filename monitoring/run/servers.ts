import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server that answers, and how to end it. */
export interface Running {
  readonly url: string;
  /** Ends the process that was started, by its id, and waits until it is gone. */
  stop(): Promise<void>;
}

/** Those of the ports of loopback that another program listens on. */
export async function takenPorts(ports: readonly number[]): Promise<readonly number[]> {
  const free = await Promise.all(ports.map(isFree));
  return ports.filter((_, index) => free[index] === false);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}

interface ServerOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly url: string;
  /** Answers 200 once the server is ready. */
  readonly readyPath: string;
  readonly cwd?: string;
  /** Called with each line that the program prints. Default: its output is shown if it does not become ready. */
  readonly onOutput?: (text: string) => void;
}

const READY_MS = 60_000;
const POLL_MS = 100;

/**
 * Starts a server and waits until it is ready. Throws with what it printed when it ends before, or takes a minute; and, with
 * nothing started, when somebody else answers there already.
 */
export async function started({ program, args, url, readyPath, cwd, onOutput }: ServerOptions): Promise<Running> {
  if (await answers(`${url}${readyPath}`)) {
    throw new Error(`${url} is taken: another program answers there already; end it and start again`);
  }
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(cwd === undefined ? {} : { cwd }) });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-20_000);
      onOutput?.(text);
    });
  }
  const running = { url, stop: () => stopped(child) };
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${printed}`);
    if (await answers(`${url}${readyPath}`)) return running;
  }
  await running.stop();
  throw new Error(`${program} was not ready in ${READY_MS} ms:\n${printed}`);
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // It does not listen yet: that is what is waited for.
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** Waits until the answer is not null, asking again and again; throws when that takes too long. */
export async function until<Answer>(
  what: string,
  ask: () => Promise<Answer | null>,
  withinMs: number,
): Promise<Answer> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await sleep(POLL_MS)) {
    const answer = await ask();
    if (answer !== null) return answer;
  }
  throw new Error(`not within ${withinMs} ms: ${what}`);
}
