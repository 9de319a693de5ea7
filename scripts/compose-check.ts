/**
 * Starts the compose stack where there is Docker, and asks each part what it has read: Prometheus scrapes the demo and
 * evaluates every rule, Grafana has every dashboard, and Prometheus and Tempo answer it.
 * `--grafana TAG` runs another Grafana than docker-compose.yml pins. Ends with the stack taken down, its volumes too.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { until } from '../monitoring/run/servers.ts';
import { stackChecked } from '../monitoring/run/stack-check.ts';

const root = join(import.meta.dirname, '..');
const GRAFANA_URL = 'http://127.0.0.1:3000';
const { values } = parseArgs({ options: { grafana: { type: 'string', default: 'shipped' } } });

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-compose-'));
const files = ['-f', join(root, 'docker-compose.yml'), ...override(values.grafana)];

/** The option for a second file that takes the place of the pinned image. */
function override(tag: string): readonly string[] {
  if (tag === 'shipped') return [];
  const path = join(folder, 'grafana.yml');
  writeFileSync(path, JSON.stringify({ services: { grafana: { image: `grafana/grafana:${tag}` } } }));
  return ['-f', path];
}

function compose(...args: readonly string[]): number {
  return spawnSync('docker', ['compose', ...files, ...args], { cwd: root, stdio: 'inherit' }).status ?? 1;
}

async function asked<Answer>(path: string, body?: object): Promise<Answer> {
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`${GRAFANA_URL}${path}`, body === undefined ? {} : request);
  if (!response.ok) throw new Error(`Grafana answers ${response.status} for ${path}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
}

function shipped(): readonly Dashboard[] {
  return ['dashboards', 'deploy/grafana/dashboards'].flatMap((place) =>
    readdirSync(join(root, place)).map(
      (file) => JSON.parse(readFileSync(join(root, place, file), 'utf8')) as Dashboard,
    ),
  );
}

async function grafanaChecked(): Promise<string> {
  const { version } = await asked<{ readonly version?: string }>('/api/health');
  const wanted = shipped();
  await until(
    'every dashboard in Grafana',
    async () => {
      const found = await asked<readonly Dashboard[]>('/api/search?type=dash-db');
      return wanted.every(({ uid }) => found.some((each) => each.uid === uid)) ? true : null;
    },
    60_000,
  );
  for (const { uid, title } of wanted) {
    const { dashboard } = await asked<{ readonly dashboard: Dashboard }>(`/api/dashboards/uid/${uid}`);
    if (dashboard.title !== title) throw new Error(`Grafana has "${dashboard.title}" for ${uid}, not "${title}"`);
  }
  const query = { refId: 'A', datasource: { uid: 'prometheus' }, expr: 'sum(anthropic_requests_total)', instant: true };
  await asked('/api/ds/query', { queries: [query], from: 'now-5m', to: 'now' });
  const tempo = { refId: 'A', datasource: { uid: 'tempo' }, queryType: 'traceql', query: '{}', limit: 1 };
  await asked('/api/ds/query', { queries: [tempo], from: 'now-15m', to: 'now' });
  return `Grafana ${version ?? values.grafana}: ${wanted.length} dashboards, Prometheus and Tempo answer.`;
}

if (spawnSync('docker', ['info'], { stdio: 'ignore' }).status !== 0) {
  console.log('not run: the compose stack: no Docker daemon answers here');
} else {
  try {
    if (compose('up', '--build', '--detach', '--wait', '--wait-timeout', '300') !== 0)
      throw new Error('The stack is not up.');
    const { rules } = await stackChecked({ prometheus: 'http://127.0.0.1:9090', demo: 'http://127.0.0.1:9464' });
    console.log(`Prometheus: the demo is scraped, ${rules} rules are evaluated without an error.`);
    console.log(await grafanaChecked());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    compose('logs', '--tail', '50');
    process.exitCode = 1;
  } finally {
    compose('down', '--volumes');
    rmSync(folder, { recursive: true });
  }
}
