import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { unknownModel } from '../environment/models.ts';
import {
  codeOf,
  ConfigurationError,
  didYouMean,
  got,
  sentenceOf,
  unfit,
  unlisted,
  unreadable,
  type Problem,
} from '../errors.ts';
import { shippedFolder } from '../installed.ts';
import { defaultPrices } from '../pricing/prices.ts';
import { configMaps, exportedFiles, labeledRules, prometheusRules, type DashboardSource } from '../rules/export.ts';
import { dashboardWithRunbooks, groupedDashboard } from '../rules/dashboard-groups.ts';
import { ruleFiles } from '../rules/rule-files.ts';
import { DEFAULT_SETTINGS, type MonitoringSettings } from '../rules/settings.ts';
import { wordsOf, wrongArguments } from './arguments.ts';
import { defineCommand, print, wrapped, type CommandIo } from './command.ts';
import { exportLabels, type GivenLabels } from './dashboards-labels.ts';

const USAGE = [
  'plimsoll dashboards export [options]   writes dashboards and alert rules for',
  '                                       your own Grafana and Prometheus',
  '  --format files            dashboards/*.json and alerts/*.yml under --out',
  "  --format configmap        Kubernetes ConfigMaps for Grafana's sidecar",
  '  --format prometheusrule   a PrometheusRule for the Prometheus operator',
  '  --out PATH                a folder for files (.), a file for the other formats',
  '                            (standard output)',
  '  --namespace NAME          the namespace of the Kubernetes objects',
  '  --label NAME=VALUE        a label of the Kubernetes objects, such as',
  '                            release=…, by which kube-prometheus-stack selects;',
  '                            can be repeated',
  "  --folder NAME             Grafana's folder (Plimsoll)",
  '  --severity page=NAME      the severity that pages have, or ticket=NAME',
  '  --alert-label NAME=VALUE  a label of every alert; can be repeated',
  '  --job NAME                a scrape job that must exist; can be repeated',
  '  --pushed                  for metrics that are not scraped: leaves out alerts',
  '                            that read `up`, and lists them',
  '  --group-by LABELS         target labels that tell teams and stages apart, with',
  '                            commas (cluster,namespace); "" for none but job',
  '  --attribution LABELS      labels of calls by which cost is shown, with commas',
  '                            (route); client for those of a gateway, "" for none',
  "  --latency MODEL=SHARE:SECONDS  the share of a model's calls that must end in",
  '                            so many seconds (0.95:60); can be repeated',
  '  --set NAME=VALUE          sets a threshold or a URL; can be repeated',
  '  --settings                lists the names that --set takes, with defaults',
];

const FORMATS = ['files', 'configmap', 'prometheusrule'] as const;

const OPTIONS = {
  format: { type: 'string', default: 'files' },
  out: { type: 'string' },
  namespace: { type: 'string' },
  label: { type: 'string', multiple: true },
  folder: { type: 'string', default: 'Plimsoll' },
  severity: { type: 'string', multiple: true },
  'alert-label': { type: 'string', multiple: true },
  pushed: { type: 'boolean', default: false },
  job: { type: 'string', multiple: true },
  'group-by': { type: 'string' },
  attribution: { type: 'string' },
  latency: { type: 'string', multiple: true },
  set: { type: 'string', multiple: true },
  settings: { type: 'boolean', default: false },
} as const;

/** `plimsoll dashboards export`. */
export const command = defineCommand({
  name: 'dashboards',
  usage: USAGE,
  options: OPTIONS,
  choices: { format: FORMATS },
  actions: ['export'],
  async run({ values, positionals }, io) {
    if (values.settings) return print(settingLines(), io);
    if (positionals.length !== 1) {
      const advice = 'write plimsoll dashboards export, then the options';
      throw wrongArguments(unfit('dashboards', wordsOf(positionals), { expected: 'export', advice }));
    }
    const { set = [], job, 'group-by': groupBy, attribution, latency, pushed } = values;
    const lists = {
      pushed,
      ...(job !== undefined && { jobs: job }),
      ...(groupBy !== undefined && { groupBy: namesIn(groupBy) }),
      ...(attribution !== undefined && { attributionLabels: namesIn(attribution) }),
      ...(latency !== undefined && { latencyObjectives: objectivesIn(latency) }),
    };
    return exportAll(values, { ...settingsIn(set), ...lists }, io);
  },
});

/** The settings that have an option of their own; the others are given by `--set`. */
const OWN_OPTIONS: Readonly<Record<string, string>> = {
  pushed: '--pushed',
  jobs: '--job',
  groupBy: '--group-by',
  attributionLabels: '--attribution',
  latencyObjectives: '--latency',
};

function namesIn(list: string): readonly string[] {
  return list === '' ? [] : list.split(',').map((name) => name.trim());
}

/** Reads `claude-opus-5=0.95:60`. */
function objectivesIn(pairs: readonly string[]): MonitoringSettings['latencyObjectives'] {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, model = '', objective, seconds] = /^(.+)=([^=:]+):([^=:]+)$/.exec(pair) ?? [];
      if (objective === undefined)
        throw wrongArguments(
          unfit('--latency', pair, { expected: 'MODEL=SHARE:SECONDS, as in claude-opus-5=0.95:60' }),
        );
      return [model, { objective: Number(objective), seconds: Number(seconds) }];
    }),
  );
}

/** A misspelt model has no calls, so that nothing would ever be said of its latency. */
function latencyNotices({ latencyObjectives = {} }: Partial<MonitoringSettings>): readonly string[] {
  const prices = defaultPrices();
  return Object.keys(latencyObjectives).flatMap((model) => {
    const text = unknownModel(model, prices);
    const [first = '', ...rest] = text === null ? [] : wrapped(sentenceOf({ field: '--latency', text }), 78);
    return text === null ? [] : [first, ...rest.map((line) => `  ${line}`)];
  });
}

/** Makes the rules with the settings from the arguments. */
function rulesWith(given: Partial<MonitoringSettings>): ReturnType<typeof ruleFiles> {
  try {
    return ruleFiles(given);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const option = (field: string): string => {
      const [name = '', ...of] = field.split('.');
      return [OWN_OPTIONS[name] ?? `--set ${name}`, ...(of.length === 0 ? [] : [of.join('.')])].join(' ');
    };
    throw wrongArguments(...error.problems.map((problem) => ({ ...problem, field: option(problem.field) })));
  }
}

interface Asked extends GivenLabels {
  readonly format: string;
  readonly out?: string | undefined;
  readonly namespace?: string | undefined;
  readonly folder: string;
}

function exportAll(asked: Asked, given: Partial<MonitoringSettings>, io: CommandIo): number {
  const { format, out, namespace, folder } = asked;
  const labels = exportLabels(asked);
  const rules = labeledRules(rulesWith(given), labels);
  if (format === 'files') {
    const files = exportedFiles(rules, dashboards(given));
    for (const { path, text } of files) write(join(out ?? '.', path), text);
    [...ruleNotices(given), ...fileNotices(asked)].forEach((line) => io.err(line));
    return print(filesLines(files.length, out ?? '.'), io);
  }
  const place = { ...(namespace !== undefined && { namespace }), labels: labels.objects };
  if (format === 'configmap') return handOver(configMaps(dashboards(given), { ...place, folder }), out, io);
  if (format === 'prometheusrule') {
    ruleNotices(given).forEach((line) => io.err(line));
    return handOver(prometheusRules(rules, place), out, io);
  }
  throw wrongArguments(unlisted('--format', format, FORMATS));
}

/** What was written, and what to do with it. */
function filesLines(count: number, out: string): readonly string[] {
  return [
    `${count} files under ${out}: dashboards/ for Grafana, and for prometheus.yml`,
    `  rule_files: [${JSON.stringify(resolve(out, 'alerts', '*.yml'))}]`,
  ];
}

/** What would page somebody, or lead nowhere, where the rules are used as they are. */
function ruleNotices(given: Partial<MonitoringSettings>): readonly string[] {
  return [...addressNotices(given), ...jobNotices(given), ...groupNotices(given), ...latencyNotices(given)];
}

/** The shipped groups and inhibitions of Alertmanager name the labels that are shipped. */
function groupNotices({ groupBy = [] }: Partial<MonitoringSettings>): readonly string[] {
  const other = groupBy.filter((label) => !DEFAULT_SETTINGS.groupBy.includes(label));
  if (other.length === 0) return [];
  return [
    `Alertmanager takes alerts that differ only in ${other.join(', ')} for one:`,
    '  add it to group_by and to each equal of its configuration',
  ];
}

/** Options of Kubernetes objects, which plain files have nowhere to keep. */
function fileNotices({ label, namespace }: Asked): readonly string[] {
  const given = Object.entries({ '--label': label, '--namespace': namespace }).filter(
    ([, value]) => value !== undefined,
  );
  return given.map(([option]) => `${option} is not in files: it is of Kubernetes objects, see --format`);
}

/** The rules expect a job, and Prometheus' operator names jobs after Services and monitors. */
function jobNotices({ pushed, jobs }: Partial<MonitoringSettings>): readonly string[] {
  if (pushed === true) return [`left out, because they read \`up\`: ${namesThatNeedUp().join(', ')}`];
  if (jobs !== undefined) return [];
  return [
    `PlimsollTelemetryMissing pages until there is a scrape job named ${DEFAULT_SETTINGS.jobs.join(', ')}:`,
    "  name yours with --job NAME. With Prometheus' operator, a job has the name",
    '  of the Service, or NAMESPACE/NAME of the PodMonitor, unless jobLabel is set',
  ];
}

function namesThatNeedUp(): readonly string[] {
  const names = (pushed: boolean): readonly string[] =>
    ruleFiles({ pushed }).flatMap(({ groups }) =>
      groups.flatMap(({ rules }) => rules.flatMap((rule) => ('alert' in rule ? [rule.alert] : []))),
    );
  const left = names(true);
  return names(false).filter((name) => !left.includes(name));
}

/** By default, the links in alerts lead to the live page on this machine, where nobody else can follow them. */
function addressNotices(given: Partial<MonitoringSettings>): readonly string[] {
  const links = { runbook_url: 'runbookBaseUrl', dashboard_url: 'dashboardBaseUrl' } as const;
  return Object.entries(links)
    .filter(([, name]) => given[name] === undefined)
    .flatMap(([link, name]) => [`${link} leads to ${DEFAULT_SETTINGS[name]}: change it with`, `  --set ${name}=URL`]);
}

/** Writes the file, or prints the text if no file is named. */
function handOver(text: string, out: string | undefined, io: CommandIo): number {
  if (out === undefined) return print(text.trimEnd().split('\n'), io);
  write(out, text);
  return print([`Wrote ${out}`], io);
}

function write(path: string, text: string): void {
  orProblem(path, 'to write the file', () => {
    makeFolder(dirname(path));
    writeFileSync(path, text);
  });
}

/** Makes a folder and those above it. `mkdirSync` with `recursive` never ends under /proc, where nothing can be made. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    mkdirSync(path);
  }
}

/** Does what the disk may refuse, and says so in a sentence. */
function orProblem<Result>(field: string, expected: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw new ConfigurationError('PLIMSOLL_FILE_UNUSABLE', [{ field, ...unreadable(error, expected) }]);
  }
}

/** The dashboards beside the package's own manifest, in the repository and where it is installed. */
function dashboards(given: Partial<MonitoringSettings>): readonly DashboardSource[] {
  const { groupBy, runbookBaseUrl } = { ...DEFAULT_SETTINGS, ...given };
  const folder = shippedFolder('dashboards') ?? 'dashboards';
  return orProblem(folder, 'the dashboards of the package', () => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    return names.sort().map((name) => {
      const shipped = dashboardWithRunbooks(readFileSync(join(folder, name), 'utf8'), runbookBaseUrl);
      return { name, text: groupedDashboard(shipped, groupBy) };
    });
  });
}

/** Reads `NAME=VALUE` pairs as settings: the default of a name decides whether its value is a number. */
function settingsIn(pairs: readonly string[]): Partial<MonitoringSettings> {
  const problems: Problem[] = [];
  const entries = pairs.map((pair) => {
    const [name = '', ...rest] = pair.split('=');
    const value = rest.join('=');
    const isKnown = Object.hasOwn(DEFAULT_SETTINGS, name) && !Object.hasOwn(OWN_OPTIONS, name);
    const isText = typeof DEFAULT_SETTINGS[name as keyof MonitoringSettings] === 'string';
    const number = value.trim() === '' ? NaN : Number(value);
    if (!isKnown || rest.length === 0) {
      const expected = 'NAME=VALUE with a name that --settings lists';
      const advice = isKnown ? `write ${name}=VALUE` : (didYouMean(name, settableNames()) ?? 'see --settings');
      problems.push({ kind: 'invalid', field: '--set', expected, got: got(pair), advice });
    } else if (!isText && Number.isNaN(number)) {
      problems.push(unfit(`--set ${name}`, value, { expected: 'a number' }));
    }
    return [name, isText ? value : number] as const;
  });
  if (problems.length > 0) throw wrongArguments(...problems);
  return Object.fromEntries(entries);
}

function settingLines(): readonly string[] {
  return settableNames().map((name) => `${name}=${DEFAULT_SETTINGS[name] as string | number}`);
}

function settableNames(): readonly (keyof MonitoringSettings)[] {
  const names = Object.keys(DEFAULT_SETTINGS) as (keyof MonitoringSettings)[];
  return names.filter((name) => !Object.hasOwn(OWN_OPTIONS, name));
}
