import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigurationError, type Problem } from '../errors.ts';
import { configMaps, exportedFiles, prometheusRules, type DashboardSource } from '../rules/export.ts';
import { ruleFiles } from '../rules/rule-files.ts';
import { DEFAULT_SETTINGS, type MonitoringSettings } from '../rules/settings.ts';
import { argumentProblem, refused, shown, type Command, type CommandIo } from './command.ts';

const USAGE = [
  'plimsoll dashboards export [options]   dashboards and alert rules, for your own',
  '                                       Grafana and Prometheus',
  '  --format files            dashboards/*.json and alerts/*.yml under --out',
  '  --format configmap        Kubernetes ConfigMaps for the sidecar of Grafana',
  "  --format prometheusrule   a PrometheusRule for Prometheus' operator",
  '  --out PATH                a folder for files (default .), a file for the rest',
  '                            (default: standard output)',
  '  --namespace NAME          of what Kubernetes is given',
  '  --job NAME                a scrape job that must be there; may be given again',
  '  --set NAME=VALUE          any threshold or address; may be given again',
  '  --settings                the names that --set takes, with their values',
];

const OPTIONS = {
  format: { type: 'string', default: 'files' },
  out: { type: 'string' },
  namespace: { type: 'string' },
  job: { type: 'string', multiple: true },
  set: { type: 'string', multiple: true },
  settings: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** `plimsoll dashboards export`. */
export const command: Command = {
  async run(args, io) {
    try {
      const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
      if (values.help) return shown(USAGE, io);
      if (values.settings) return shown(settingLines(), io);
      if (positionals.join(' ') !== 'export')
        return refused([`Expected export, got ${positionals.join(' ') || 'nothing'}.`], USAGE, io);
      return exported(
        values,
        { ...setting(values.set ?? []), ...(values.job === undefined ? {} : { jobs: values.job }) },
        io,
      );
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error instanceof ConfigurationError) {
        error.message.split('\n').forEach((line) => io.err(line));
        return 2;
      }
      // Node's message goes on to explain how positional arguments may begin with a dash.
      if ('code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
        return refused([argumentProblem(error)], USAGE, io);
      throw error;
    }
  },
};

interface Asked {
  readonly format: string;
  readonly out?: string | undefined;
  readonly namespace?: string | undefined;
}

function exported({ format, out, namespace }: Asked, given: Partial<MonitoringSettings>, io: CommandIo): number {
  const rules = ruleFiles(given);
  if (format === 'files') {
    const files = exportedFiles(rules, dashboards());
    for (const { path, text } of files) written(join(out ?? '.', path), text);
    addressNotices(given).forEach((line) => io.err(line));
    return shown([`${files.length} files under ${out ?? '.'}: dashboards/ for Grafana, alerts/ for Prometheus`], io);
  }
  const place = namespace === undefined ? {} : { namespace };
  if (format === 'configmap') return handedOver(configMaps(dashboards(), place), out, io);
  if (format === 'prometheusrule') {
    addressNotices(given).forEach((line) => io.err(line));
    return handedOver(prometheusRules(rules, place), out, io);
  }
  return refused([`--format: expected files, configmap or prometheusrule, got ${format}.`], USAGE, io);
}

/** What alerts link to by default is the demo on this machine: whoever is called elsewhere would come to nothing. */
function addressNotices(given: Partial<MonitoringSettings>): readonly string[] {
  const links = { runbook_url: 'runbookBaseUrl', dashboard_url: 'dashboardBaseUrl' } as const;
  return Object.entries(links)
    .filter(([, name]) => given[name] === undefined)
    .flatMap(([link, name]) => [`${link} leads to ${DEFAULT_SETTINGS[name]}: change it with`, `  --set ${name}=URL`]);
}

function handedOver(text: string, out: string | undefined, io: CommandIo): number {
  if (out === undefined) return shown(text.trimEnd().split('\n'), io);
  written(out, text);
  return shown([`written: ${out}`], io);
}

function written(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Beside the package's own manifest, in the repository and where it is installed. */
function dashboards(): readonly DashboardSource[] {
  const manifest = createRequire(import.meta.url).resolve('plimsoll/package.json');
  const folder = join(dirname(manifest), 'dashboards');
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
}

/** `name=value` pairs as settings; what the name stands for decides whether the value is a number. */
function setting(pairs: readonly string[]): Partial<MonitoringSettings> {
  const problems: Problem[] = [];
  const entries = pairs.map((pair) => {
    const [name = '', ...rest] = pair.split('=');
    const value = rest.join('=');
    if (!Object.hasOwn(DEFAULT_SETTINGS, name) || name === 'jobs' || rest.length === 0) {
      const expected = 'NAME=VALUE with a name that --settings lists';
      problems.push({ kind: 'invalid', field: '--set', expected, got: pair, advice: 'see --settings' });
    }
    const isText = typeof DEFAULT_SETTINGS[name as keyof MonitoringSettings] === 'string';
    return [name, isText ? value : value === '' ? NaN : Number(value)] as const;
  });
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_MONITORING_INVALID', problems);
  return Object.fromEntries(entries);
}

function settingLines(): readonly string[] {
  return Object.entries(DEFAULT_SETTINGS)
    .filter(([name]) => name !== 'jobs')
    .map(([name, value]) => `${name}=${String(value)}`);
}
