/**
 * The stack without Docker: Prometheus and Alertmanager of this machine with the repository's own configuration, and the
 * demo. On loopback: the demo on 8080 and 9464, Prometheus on 9090, Alertmanager on 9093. Ctrl-C ends all of them.
 */
import { join } from 'node:path';
import { alertmanager, prometheus } from '../monitoring/run/prometheus.ts';
import { started, type Running } from '../monitoring/run/servers.ts';
import { tool } from '../test/tools.ts';

const root = join(import.meta.dirname, '..');

/** Started in this order, stopped in the other. */
const PARTS: readonly (() => Promise<Running>)[] = [
  () =>
    started({
      program: process.execPath,
      args: ['--conditions=plimsoll-source', 'demo/main.ts'],
      url: 'http://127.0.0.1:9464',
      readyPath: '/metrics',
      cwd: root,
    }),
  () =>
    alertmanager({
      program: tool('alertmanager').path,
      configPath: join(root, 'deploy/alertmanager/alertmanager.yml'),
      port: 9093,
    }),
  () => prometheus({ program: tool('prometheus').path, configPath: join(root, 'prometheus.yml'), port: 9090 }),
];

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());

const running: Running[] = [];
try {
  for (const part of PARTS) {
    if (ending.signal.aborted) break;
    running.push(await part());
  }
  console.log(`The stack is up. Ctrl-C ends it.

  the demo      http://127.0.0.1:9464  what is here, /metrics, /runbooks/
  Prometheus    http://127.0.0.1:9090  /alerts, /targets
  Alertmanager  http://127.0.0.1:9093
`);
  await new Promise<void>((resolve) => {
    // A timer keeps the process alive: a listener alone does not.
    const alive = setInterval(() => undefined, 60_000);
    const end = (): void => {
      clearInterval(alive);
      resolve();
    };
    if (ending.signal.aborted) end();
    else ending.signal.addEventListener('abort', end);
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  for (const part of running.reverse()) await part.stop();
}
