/**
 * Renders the chart in deploy/chart with Helm, and compares that with deploy/kubernetes, which kustomize takes; `--write`
 * writes it there. Kustomize then joins what is there. Helm and kustomize are those of the machine, or Go builds them with
 * `--build`, in ten minutes; what cannot be had is printed as `not run: … : reason`. The tests judge what is committed, and
 * that it is of this chart.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chartSum } from '../testing/chart-sum.ts';
import { bin, notBuilt } from './go-programs.ts';

const root = join(import.meta.dirname, '..');
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}${delimiter}${bin}` };

/** What is committed, and the templates in it: CRDs of the Prometheus operator are apart, since not everyone has them. */
const RENDERED = [
  { file: 'deploy/kubernetes/gateway.yaml', args: [] },
  {
    file: 'deploy/kubernetes/podmonitor.yaml',
    args: ['--set', 'podMonitor.enabled=true', '--show-only', 'templates/podmonitor.yaml'],
  },
] as const;

function missing(name: string, path: string, version: string): string | null {
  if (spawnSync(name, ['version'], { env }).error === undefined) return null;
  if (!process.argv.includes('--build')) return 'it is not installed, and takes long to build; --build does';
  return notBuilt({ name, path, version });
}

function rendered(): void {
  const reason = missing('helm', 'helm.sh/helm/v3/cmd/helm', 'v3.19.0');
  if (reason !== null) return console.log(`not run: Helm: ${reason}`);
  for (const { file, args } of RENDERED) {
    const place = ['--namespace', 'plimsoll', '--kube-version', '1.34.0'];
    const all = ['template', 'plimsoll-gateway', 'deploy/chart', ...place, ...args];
    const { status, stdout, stderr } = spawnSync('helm', all, { cwd: root, env, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    const head = `# Rendered from deploy/chart by scripts/chart.ts: change it there.\n# Chart: ${chartSum()}\n`;
    const text = head + stdout.replace(/^ +$/gm, '');
    const path = join(root, file);
    if (process.argv.includes('--write')) writeFileSync(path, text);
    tell(file, existsSync(path) && readFileSync(path, 'utf8') === text);
  }
}

function joined(): void {
  const reason = missing('kustomize', 'sigs.k8s.io/kustomize/kustomize/v5', 'v5.7.1');
  if (reason !== null) return console.log(`not run: kustomize: ${reason}`);
  const { status, stdout, stderr } = spawnSync('kustomize', ['build', 'deploy/kubernetes'], {
    cwd: root,
    env,
    encoding: 'utf8',
  });
  if (status !== 0) console.log(stderr);
  const kinds = [...stdout.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);
  tell(`kustomize build deploy/kubernetes: ${kinds.join(', ')}`, status === 0);
}

function tell(what: string, agrees: boolean): void {
  console.log(`${agrees ? 'agrees' : 'DISAGREES'}: ${what}`);
  if (!agrees) process.exitCode = 1;
}

rendered();
joined();
