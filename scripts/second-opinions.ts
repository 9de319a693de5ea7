/**
 * Second opinions on dashboards, rules and workflows, by programs that Debian has not: Grafana's dashboard-linter, actionlint, and
 * the Prometheus that docker-compose.yml runs with its promtool, which judge what the tests give to Debian's. Go builds them; Prometheus
 * only with `--build`, as that takes ten minutes and more. What cannot be had is printed as `not run: … : reason`: these are
 * proofs besides the tests, and never counted.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { bin, notBuilt } from './go-programs.ts';

const root = join(import.meta.dirname, '..');
function linted(): void {
  const linter = { name: 'dashboard-linter', path: 'github.com/grafana/dashboard-linter', version: 'latest' };
  const reason = notBuilt(linter);
  if (reason !== null) return console.log(`not run: Grafana's dashboard-linter: ${reason}`);
  for (const file of readdirSync(join(root, 'dashboards'))) {
    const args = ['lint', '--strict', '--config', 'monitoring/dashboard-linter.yaml', join('dashboards', file)];
    told(`dashboard-linter ${file}`, spawnSync(join(bin, linter.name), args, { cwd: root, stdio: 'inherit' }).status);
  }
}

/** The module's version of the image that docker-compose.yml pins: v3.13.3 is v0.313.3. */
function composedPrometheus(): string {
  const [, major = '', minor = '', patch = ''] =
    /prom\/prometheus:v(\d+)\.(\d+)\.(\d+)@/.exec(readFileSync(join(root, 'docker-compose.yml'), 'utf8')) ?? [];
  return `v0.${major}${minor.padStart(2, '0')}.${patch}`;
}

function judgedByNewer(mayBuild: boolean): void {
  const version = composedPrometheus();
  const programs = ['promtool', 'prometheus'].map((name) => {
    return { name, path: `github.com/prometheus/prometheus/cmd/${name}`, version };
  });
  const what = `Prometheus ${version}`;
  if (!mayBuild && programs.some(({ name }) => !existsSync(join(bin, name)))) {
    return console.log(`not run: ${what}: it takes long to build; --build does`);
  }
  const reason = programs.reduce<string | null>((found, program) => found ?? notBuilt(program), null);
  if (reason !== null) return console.log(`not run: ${what}: ${reason}`);
  const PATH = `${bin}${delimiter}${process.env['PATH'] ?? ''}`;
  const args = ['--conditions=plimsoll-source', 'scripts/test/main.ts', 'test/monitoring', 'test/deploy'];
  const { status } = spawnSync(process.execPath, args, { cwd: root, env: { ...process.env, PATH }, stdio: 'inherit' });
  told(`the tests of monitoring and deploy with ${what}`, status);
}

function told(what: string, status: number | null): void {
  console.log(`${status === 0 ? 'agrees' : 'DISAGREES'}: ${what}`);
  if (status !== 0) process.exitCode = 1;
}

/** actionlint knows GitHub's expressions and runners; shellcheck, where it is installed, judges the commands through it. */
function workflowsLinted(): void {
  const linter = { name: 'actionlint', path: 'github.com/rhysd/actionlint/cmd/actionlint', version: 'v1.7.7' };
  const reason = notBuilt(linter);
  if (reason !== null) return console.log(`not run: actionlint: ${reason}`);
  told('actionlint .github/workflows', spawnSync(join(bin, linter.name), [], { cwd: root, stdio: 'inherit' }).status);
}

linted();
workflowsLinted();
judgedByNewer(process.argv.includes('--build'));
