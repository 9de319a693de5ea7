import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { parseAllDocuments, parse } from 'yaml';
import { command } from '../../src/cli/dashboards.ts';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { DEFAULT_SETTINGS } from '../../src/rules/settings.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { tool } from '../../testing/tools.ts';

const promtool = tool('promtool');
const root = join(import.meta.dirname, '..', '..');

const ran = async (...args: readonly string[]) => {
  const { io, out, err } = keptIo();
  const code = await command.run(args, io);
  return { code, out: out.join('\n'), err: err.join('\n') };
};

const folder = (t: test.TestContext): string => {
  const path = mkdtempSync(join(tmpdir(), 'plimsoll-export-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
};

test('as files, the export is what the repository has', async (t) => {
  const out = folder(t);
  const done = await ran('export', '--out', out);
  assert.equal(done.code, 0);
  const { rule_files: pattern } = parse(done.out.split('\n').at(-1) ?? '') as { rule_files: readonly string[] };
  assert.deepEqual(pattern, [join(out, 'alerts', '*.yml')]);
  for (const kind of ['dashboards', 'alerts']) {
    assert.deepEqual(readdirSync(join(out, kind)), readdirSync(join(root, kind)));
    for (const file of readdirSync(join(out, kind))) {
      assert.equal(readFileSync(join(out, kind, file), 'utf8'), readFileSync(join(root, kind, file), 'utf8'), file);
    }
  }
});

test('options without export are told how to be written', async () => {
  const { code, err } = await ran('--latency', 'claude-haiku-4-5=0.99:4');
  assert.equal(code, 2);
  assert.match(
    err,
    /^dashboards: expected export, got nothing: write plimsoll dashboards\s+export,\s+then the options$/,
  );
});

test('thresholds, jobs, objectives and the place of runbooks can be set', { skip: promtool.skip }, async (t) => {
  const out = folder(t);
  const set = [
    'rateLimitedRatio=0.2',
    'successObjective=0.999',
    'latencySeconds=8',
    'runbookBaseUrl=https://wiki.example/r',
  ];
  const args = ['export', '--out', out, '--job', 'shop', '--job', 'mail', ...set.flatMap((pair) => ['--set', pair])];
  assert.equal((await ran(...args)).code, 0);
  const alerts = (file: string): string => readFileSync(join(out, 'alerts', file), 'utf8');
  assert.match(alerts('limits.yml'), /rate_limited:ratio5m\{[^}]*\} > 0\.2 /);
  assert.match(alerts('slo.yml'), /> 0\.0144 /);
  assert.match(alerts('recording.yml'), /le=~"8\(/);
  assert.match(alerts('stops.yml'), /absent\(up\{job="shop"\}\)\n\s+or absent\(up\{job="mail"\}\)/);
  assert.match(alerts('own.yml'), /runbook_url: "https:\/\/wiki\.example\/r\/PlimsollErrors"/);
  const overview = readFileSync(join(out, 'dashboards', 'overview.json'), 'utf8');
  assert.match(overview, /"https:\/\/wiki\.example\/r\/\$\{__data\.fields\.Alert\}"/);
  assert.doesNotMatch(overview, /127\.0\.0\.1/);
  execFileSync(promtool.path, [
    'check',
    'rules',
    ...readdirSync(join(out, 'alerts')).map((file) => join(out, 'alerts', file)),
  ]);
});

test('teams are told apart by the labels that the export names, in every rule, query, link and variable', async (t) => {
  const out = folder(t);
  assert.equal((await ran('export', '--out', out, '--group-by', 'region,team', '--attribution', 'tenant')).code, 0);
  const text = ['alerts', 'dashboards']
    .flatMap((kind) => readdirSync(join(out, kind)).map((file) => readFileSync(join(out, kind, file), 'utf8')))
    .join('');
  assert.doesNotMatch(text, /namespace|cluster/);
  assert.match(text, /sum by \(job, region, team, key, model, operation, kind\)/);
  assert.match(text, /record: "plimsoll:cost_usd_by_tenant:growth"/);
  for (const file of readdirSync(join(out, 'dashboards'))) {
    const dashboard = JSON.parse(readFileSync(join(out, 'dashboards', file), 'utf8')) as {
      templating: { list: { name: string; query: { query: string } }[] };
      panels: { targets?: { expr: string }[] }[];
    };
    const { list } = dashboard.templating;
    assert.deepEqual(
      list.slice(0, 6).map(({ name }) => name),
      ['datasource', 'region', 'team', 'job', 'model', 'key'],
    );
    assert.equal(list[2]?.query.query, 'label_values(plimsoll:replicas:count{region=~"$region"}, team)');
    for (const { expr } of dashboard.panels.flatMap(({ targets = [] }) => targets)) {
      assert.ok(!expr.includes('job=~') || expr.includes('job=~"$job", region=~"$region", team=~"$team"'), expr);
    }
  }
  const plain = await ran('export', '--out', out, '--group-by', '');
  assert.equal(plain.code, 0);
  assert.match(readFileSync(join(out, 'alerts', 'recording.yml'), 'utf8'), /sum by \(job, key, model\)/);
});

test('an export by labels of its own says what Alertmanager has to be told', async (t) => {
  const { code, err } = await ran('export', '--out', folder(t), '--job', 'shop', '--group-by', 'cluster,team');
  assert.equal(code, 0);
  assert.match(
    err,
    /Alertmanager takes alerts that differ only in team for one:\n {2}add it to group_by and to each equal/,
  );
  assert.doesNotMatch((await ran('export', '--out', folder(t), '--group-by', 'cluster')).err, /Alertmanager/);
});

test('options of Kubernetes objects are not lost in silence where plain files are written', async (t) => {
  const given = ['--label', 'release=prometheus', '--namespace', 'monitoring'];
  const { code, err } = await ran('export', '--out', folder(t), ...given);
  assert.equal(code, 0);
  assert.match(err, /--label is not in files: it is of Kubernetes objects, see --format\n--namespace is not in files/);
  assert.doesNotMatch((await ran('export', '--format', 'prometheusrule', ...given)).err, /not in files/);
});

test('what is recorded by attribution is the route, unless the export names another label, or none', async (t) => {
  const recorded = async (...args: readonly string[]): Promise<readonly string[]> => {
    const out = folder(t);
    assert.equal((await ran('export', '--out', out, '--job', 'shop', ...args)).code, 0);
    const text = readFileSync(join(out, 'alerts', 'recording.yml'), 'utf8');
    return [...text.matchAll(/record: "plimsoll:(\w+_by_\w+):growth"/g)].map(([, name = '']) => name);
  };
  const families = (...labels: readonly string[]): readonly string[] =>
    ['cost_usd', 'requests'].flatMap((family) => labels.map((label) => `${family}_by_${label}`));
  assert.deepEqual(await recorded(), families('attribution', 'route'));
  assert.deepEqual(await recorded('--attribution', 'client'), families('attribution', 'client'));
  assert.deepEqual(await recorded('--attribution', ''), []);
});

test('labels that the rules use themselves cannot tell teams apart', async () => {
  assert.match((await ran('export', '--group-by', 'instance')).err, /--group-by: expected names of labels/);
  assert.match((await ran('export', '--attribution', 'route,route')).err, /--attribution: expected names of labels/);
});

test('an objective at which an alert could never fire is refused, with the arithmetic', async (t) => {
  const refused = await ran('export', '--set', 'latencyObjective=0.9');
  assert.equal(refused.code, 2);
  assert.match(
    refused.err,
    /--set latencyObjective: expected above 0\.9306: 14\.4 × \(1 − 0\.9\) = 1\.44, and no\s+more/,
  );
  const allowed = ['successObjective=0.94', 'latencySeconds=10'].flatMap((pair) => ['--set', pair]);
  assert.equal((await ran('export', '--out', folder(t), ...allowed)).code, 0);
});

test('a model has a latency objective of its own, within the same bounds', async (t) => {
  const out = folder(t);
  const own = ['claude-opus-4.5=0.95:60', 'claude-haiku-4-5=0.99:4'].flatMap((each) => ['--latency', each]);
  assert.equal((await ran('export', '--out', out, ...own)).code, 0);
  const text = (file: string): string => readFileSync(join(out, 'alerts', file), 'utf8');
  assert.match(
    text('recording.yml'),
    /model!~"claude-opus-4\\\\\.5\|claude-haiku-4-5", le=~"32\(.+\} or .+model="claude-opus-4\.5", le=~"60\(/,
  );
  assert.match(text('slo.yml'), /ratio1h\{model="claude-haiku-4-5"\} > 0\.144 /);
  const other = await ran('export', '--out', out, '--latency', 'claude-haiku-45=0.99:4');
  assert.match(other.err, /^--latency: claude-haiku-45 is not in the price table, did you mean\s+claude-haiku-4-5\?$/m);
  const wrong = async (each: string): Promise<string> => (await ran('export', '--latency', each)).err;
  assert.match(
    await wrong('m=0.9:60'),
    /--latency m: expected above 0\.9306: 14\.4 × \(1 − 0\.9\) = 1\.44, and no\s+more/,
  );
  assert.match(await wrong('m=0.95:45'), /--latency m: expected one of 0\.25, .+60/);
  assert.match(await wrong('m=95:60'), /--latency m: expected a number between 0 and 1, got 95/);
  assert.match(await wrong('m"}=0.95:60'), /--latency m"\}: expected the name of a model/);
  assert.match(await wrong('m=0.95'), /--latency: expected MODEL=SHARE:SECONDS/);
});

test('an export whose links lead to this machine says so, and names the setting that changes them', async (t) => {
  for (const args of [
    ['--out', folder(t)],
    ['--format', 'prometheusrule'],
  ]) {
    const { code, err } = await ran('export', ...args);
    assert.equal(code, 0);
    for (const [link, name] of [
      ['runbook_url', 'runbookBaseUrl'],
      ['dashboard_url', 'dashboardBaseUrl'],
    ] as const)
      assert.ok(err.includes(`${link} leads to ${DEFAULT_SETTINGS[name]}: change it with\n  --set ${name}=URL`), err);
    assert.match(err, /PlimsollTelemetryMissing pages until there is a scrape job named plimsoll:/);
    const one = await ran('export', ...args, '--set', 'runbookBaseUrl=https://wiki.example/r');
    assert.doesNotMatch(one.err, /runbook/);
    const both = ['runbookBaseUrl=https://wiki.example/r', 'dashboardBaseUrl=https://grafana.example'];
    assert.equal((await ran('export', ...args, '--job', 'shop', ...both.flatMap((pair) => ['--set', pair]))).err, '');
  }
  assert.equal((await ran('export', '--format', 'configmap')).err, '', 'dashboards have no such links');
});

test('a PrometheusRule holds every group, and its spec is a rule file', { skip: promtool.skip }, async (t) => {
  const { code, out } = await ran('export', '--format', 'prometheusrule', '--namespace', 'monitoring');
  assert.equal(code, 0);
  const rule = parse(out) as { kind: string; metadata: { namespace: string }; spec: { groups: readonly object[] } };
  assert.equal(rule.kind, 'PrometheusRule');
  assert.equal(rule.metadata.namespace, 'monitoring');
  const file = join(folder(t), 'spec.json');
  writeFileSync(file, JSON.stringify(rule.spec)); // JSON is YAML.
  const printed = execFileSync(promtool.path, ['check', 'rules', file], { encoding: 'utf8' });
  const count = ruleFiles().flatMap(({ groups }) => groups.flatMap(({ rules }) => rules)).length;
  assert.match(printed, new RegExp(`SUCCESS: ${count} rules found`));
});

test('each dashboard is in a ConfigMap that the sidecar of Grafana finds', async () => {
  const { code, out } = await ran('export', '--format', 'configmap');
  assert.equal(code, 0);
  const maps = parseAllDocuments(out).map(
    (each) => each.toJS() as { metadata: { labels: Record<string, string> }; data: Record<string, string> },
  );
  assert.equal(maps.length, 5);
  for (const { metadata, data } of maps) {
    assert.equal(metadata.labels['grafana_dashboard'], '1');
    const [[name = '', text = ''] = []] = Object.entries(data);
    assert.equal(`${text}\n`, readFileSync(join(root, 'dashboards', name.replace('plimsoll-', '')), 'utf8'));
  }
});

test('all problems of the settings are reported at once, and nothing is written', async (t) => {
  const out = folder(t);
  const { code, err } = await ran(
    'export',
    '--out',
    out,
    '--job',
    'a b',
    '--set',
    'waitRatio=2',
    '--set',
    'latencySeconds=33',
  );
  assert.equal(code, 2);
  for (const problem of [
    /^--job: expected .*"a b"/m,
    /^--set waitRatio: expected a number between 0 and 1, got 2/m,
    /^--set latencySeconds: expected one of 0.25/m,
  ]) {
    assert.match(err, problem);
  }
  assert.deepEqual(readdirSync(out), []);
});

test('--set shows what is no number, and asks for the value of a name without one', async () => {
  const { code, err } = await ran('export', ...['waitRatio=half', 'minRetries'].flatMap((pair) => ['--set', pair]));
  assert.equal(code, 2);
  assert.match(err, /^--set waitRatio: expected a number, got "half"$/m);
  assert.match(err, /^--set: expected NAME=VALUE .* got\s+"minRetries": write minRetries=VALUE$/m);
});

test('an unknown setting, format or word is refused, with what was meant', async () => {
  assert.match((await ran('export', '--set', 'color=red')).err, /--set: expected NAME=VALUE.*\s+see --settings/);
  assert.match((await ran('export', '--set', 'waitratio=0.5')).err, /--set: [^]*: did you mean waitRatio\?/);
  assert.match(
    (await ran('export', '--format', 'pdf')).err,
    /--format: expected one of files, configmap, prometheusrule/,
  );
  assert.match((await ran('import')).err, /^dashboards: expected one of export, got "import"/);
  assert.equal((await ran('import')).code, 2);
});

test('--settings lists every setting that can be set, with its value', async () => {
  const { out } = await ran('--settings');
  assert.deepEqual(
    out.split('\n').map((line) => line.split('=')[0]),
    Object.entries(DEFAULT_SETTINGS).flatMap(([name, value]) =>
      typeof value === 'number' || typeof value === 'string' ? [name] : [],
    ),
  );
});

test('the operator finds the objects by their labels, and Grafana the folder of the dashboards', async () => {
  const labels = ['--label', 'release=prometheus', '--label', 'team.example/owner=llm'];
  for (const format of ['prometheusrule', 'configmap']) {
    const { code, out } = await ran('export', '--format', format, ...labels, '--folder', 'Claude');
    assert.equal(code, 0);
    for (const document of parseAllDocuments(out)) {
      const { metadata } = document.toJS() as {
        readonly metadata: { readonly labels: object; readonly annotations?: object };
      };
      const own = format === 'configmap' ? { grafana_dashboard: '1' } : {};
      const given = { release: 'prometheus', 'team.example/owner': 'llm' };
      assert.deepEqual(metadata.labels, { ...own, 'app.kubernetes.io/name': 'plimsoll', ...given });
      assert.deepEqual(metadata.annotations, format === 'configmap' ? { grafana_folder: 'Claude' } : undefined);
    }
  }
});

const alertsOf = (text: string) => {
  const { spec } = parse(text) as {
    spec: { groups: { rules: { alert?: string; expr: string; labels?: Record<string, string> }[] }[] };
  };
  return spec.groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);
};

test('alerts have the severities and labels of whoever takes them', async () => {
  const given = ['--severity', 'page=critical', '--severity', 'ticket=warning', '--alert-label', 'team=llm'];
  const { out } = await ran('export', '--format', 'prometheusrule', ...given);
  const plain = alertsOf((await ran('export', '--format', 'prometheusrule')).out);
  const names: Readonly<Record<string, string>> = { page: 'critical', ticket: 'warning' };
  assert.deepEqual(
    alertsOf(out).map(({ labels }) => labels),
    plain.map(({ labels }) => ({ severity: names[labels?.['severity'] ?? ''], team: 'llm' })),
  );
});

test('labels and severities that cannot be are refused, all at once', async () => {
  const wrong = ['--label', 'release', '--alert-label', 'severity=x', '--severity', 'info=low', '--label', 'a b=c'];
  const { code, err } = await ran('export', ...wrong);
  assert.equal(code, 2);
  assert.equal(err.match(/^--label: expected NAME=VALUE as labels of Kubernetes objects/gm)?.length, 2);
  assert.match(err, /^--alert-label: expected NAME=VALUE with a name that no alert has of its own/m);
  assert.match(err, /^--severity: expected page=NAME or ticket=NAME/m);
});

test('for metrics that are pushed, alerts that read `up` are left out and listed', async () => {
  const { out, err } = await ran('export', '--format', 'prometheusrule', '--pushed');
  const all = alertsOf((await ran('export', '--format', 'prometheusrule')).out);
  const readsUp = all.filter(({ expr }) => /\bup\b *[{[)]/.test(expr));
  const names = readsUp.map(({ alert }) => alert);
  assert.deepEqual(names, ['PlimsollTelemetryMissing', 'PlimsollReplicasDown']);
  assert.ok(err.includes(`left out, because they read \`up\`: ${names.join(', ')}`), err);
  assert.doesNotMatch(err, /scrape job/);
  assert.deepEqual(
    alertsOf(out).map(({ alert }) => alert),
    all.map(({ alert }) => alert).filter((alert) => !names.includes(alert ?? '')),
  );
  assert.doesNotMatch(JSON.stringify(parse(out)), /\bup\{/);
});

test('a folder in which nothing can be made is said in a sentence', async (t) => {
  const file = join(folder(t), 'file');
  writeFileSync(file, '');
  // Nothing can be made in /proc, though it is there; elsewhere than on Linux it is not there.
  for (const out of ['/proc/x/deep', join(file, 'deep')]) {
    if (out.startsWith('/proc') && process.platform !== 'linux') continue;
    const { code, err } = await ran('export', '--out', out);
    assert.equal(code, 1);
    assert.match(err.replace(/\s+/g, ' '), /expected to write the file, got /);
  }
});
