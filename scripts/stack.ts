/**
 * The stack without Docker: Prometheus and Alertmanager of this machine with the repository's own configuration, and the
 * demo. On loopback: the demo on 8080 and 9464, Prometheus on 9090, Alertmanager on 9093. Ctrl-C ends all of them;
 * with `--check` they end by themselves, once everything is scraped and every rule has been evaluated without an error.
 */
import { join } from 'node:path';
import { alertmanager, prometheus } from '../monitoring/run/prometheus.ts';
import { started, takenPorts, type Running } from '../monitoring/run/servers.ts';
import { stackChecked } from '../monitoring/run/stack-check.ts';
import { tool } from '../testing/tools.ts';

const DEMO_URL = 'http://127.0.0.1:9464';
const PROMETHEUS_URL = 'http://127.0.0.1:9090';
const root = join(import.meta.dirname, '..');

/** Started in this order, stopped in the other. */
const PARTS: readonly (() => Promise<Running>)[] = [
  () =>
    started({
      program: process.execPath,
      args: ['--conditions=plimsoll-source', 'demo/main.ts'],
      url: DEMO_URL,
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

const PORTS = [8080, 9464, 9093, 9090];

const NO_GRAFANA = 'Grafana, where the dashboard links of alerts lead, is in docker compose only.';

const USAGE = `npm run stack              Prometheus, Alertmanager and the demo, until Ctrl-C
npm run stack -- --check   the same, ended once all is scraped and evaluated; 1 where something is wrong,
                           3 where a port is taken

On 127.0.0.1 it takes 9090 (Prometheus), 9093 (Alertmanager), 9464 and 8080 (the demo and its service). All four must
be free, and there is no option for another: deploy/targets has 9093 and 9464 for Prometheus, and alerts link to 9464.
${NO_GRAFANA}`;

const [argument] = process.argv.slice(2);
if (argument !== undefined && argument !== '--check') {
  console.log(USAGE);
  process.exit(argument === '--help' ? 0 : 2);
}

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());

const running: Running[] = [];
const taken = await takenPorts(PORTS);
for (const port of taken)
  console.error(`Port ${port} is in use: stop the program that has it; --help says what is where.`);
if (taken.length > 0) process.exit(3);
try {
  for (const part of PARTS) {
    if (ending.signal.aborted) break;
    running.push(await part());
  }
  if (argument === '--check') await checked();
  else await serving();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  for (const part of running.reverse()) await part.stop();
}

async function checked(): Promise<void> {
  const { rules, runbookStatus } = await stackChecked({ prometheus: PROMETHEUS_URL, demo: DEMO_URL });
  if (runbookStatus !== 200) throw new Error(`the demo answers ${runbookStatus} for a runbook`);
  console.log(
    `The stack is up: the demo is scraped, Alertmanager is known, ${rules} rules are evaluated without an error.`,
  );
}

async function serving(): Promise<void> {
  console.log(`The stack is up. Ctrl-C ends it.

  the demo      http://127.0.0.1:9464  what is here, /metrics, /runbooks/
  Prometheus    http://127.0.0.1:9090  /alerts, /targets
  Alertmanager  http://127.0.0.1:9093

${NO_GRAFANA}
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
}
