import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../testing/free-port.ts';
import type { Ends } from '../../testing/gateway/processes.ts';
import { tool } from '../../testing/tools.ts';

/** A balancer before two gateways. */
export interface Front {
  readonly url: string;
  /** What an operator does before a gateway is stopped, by its port. */
  leave(port: number): Promise<void>;
  /** What an operator does once its successor is ready. */
  join(port: number): Promise<void>;
}

export type FrontName = 'nginx' | 'caddy';

const root = join(import.meta.dirname, '..', '..');

/** Starts the balancer with the configuration that the manual and deploy/ have. */
export function front(ends: Ends, name: FrontName, ports: readonly number[]): Promise<Front> {
  return name === 'nginx' ? nginxFront(ends, ports) : caddyFront(ends, ports);
}

/** The upstream of the manual, with a gateway that is about to be stopped marked `down`. */
function nginxText(place: { readonly folder: string; readonly port: number }, servers: readonly string[]): string {
  const page = readFileSync(join(root, 'docs', 'gateway-operations.md'), 'utf8');
  const [, upstream = ''] = /```nginx\n(upstream plimsoll \{[^}]*replica[^]*?)```/.exec(page) ?? [];
  const [, location = ''] = /```nginx\nupstream[^]*?( {2}location \/v1\/ \{[^]*?\n {2}\})/.exec(page) ?? [];
  const shared = upstream.replace(/( *server [^\n]*\n)+/, servers.map((server) => `  ${server}\n`).join(''));
  const several = location.replace('proxy_next_upstream off;', 'proxy_next_upstream error;');
  const { folder, port } = place;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;\npid ${folder}/pid;\nerror_log stderr crit;\nevents {}\nhttp {\naccess_log off;
${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n')}
${shared}\nserver {\nlisten 127.0.0.1:${port};\n${several}\n}\n}`;
}

async function nginxFront(ends: Ends, ports: readonly number[]): Promise<Front> {
  const { folder, port, file } = await place(ends, 'nginx');
  const down = new Set<number>();
  const write = (): void => {
    const servers = ports.map((each) => `server 127.0.0.1:${each}${down.has(each) ? ' down' : ''};`);
    writeFileSync(file, nginxText({ folder, port }, servers));
  };
  write();
  const child = await started(ends, [tool('nginx').path, '-c', file, '-e', 'stderr'], port);
  const applied = async (): Promise<void> => {
    write();
    const before = await workers(child);
    child.kill('SIGHUP');
    // Old workers keep their streams; new connections are for the new ones once those are there.
    for (;;) {
      const now = await workers(child);
      if (now.some((pid) => !before.includes(pid))) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return {
    url: `http://127.0.0.1:${port}`,
    leave: (each) => (down.add(each), applied()),
    join: (each) => (down.delete(each), applied()),
  };
}

async function workers({ pid }: ChildProcess): Promise<readonly string[]> {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ');
}

/** Caddy asks `/readyz` itself, so an operator does nothing. */
async function caddyFront(ends: Ends, ports: readonly number[]): Promise<Front> {
  const { folder, port, file } = await place(ends, 'caddy');
  writeFileSync(
    file,
    readFileSync(join(root, 'deploy', 'replicas', 'Caddyfile'), 'utf8').replace('ip_hash', 'round_robin'),
  );
  const env = {
    HOME: folder,
    CLAUDE_HOST: `http://127.0.0.1:${port}`,
    REPLICAS: ports.map((each) => `127.0.0.1:${each}`).join(' '),
  };
  await started(ends, [tool('caddy').path, 'run', '--config', file, '--adapter', 'caddyfile'], port, env);
  return { url: `http://127.0.0.1:${port}`, leave: async () => undefined, join: async () => undefined };
}

async function place(ends: Ends, name: string) {
  const folder = mkdtempSync(join(tmpdir(), `plimsoll-${name}-`));
  ends.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, port: await freePort(), file: join(folder, 'configuration') };
}

async function started(
  ends: Ends,
  [program = '', ...args]: readonly string[],
  ...[port, env = {}]: readonly [port: number, env?: Readonly<Record<string, string>>]
): Promise<ChildProcess> {
  const child = spawn(program, args, { env: { PATH: process.env['PATH'], ...env }, stdio: 'ignore' });
  const gone = once(child, 'exit');
  ends.after(async () => {
    child.kill('SIGTERM');
    await gone;
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${program} ended at once`);
    if (await answers(port)) return child;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v1/models`).then(
    ({ status }) => status < 500,
    () => false,
  );
}
