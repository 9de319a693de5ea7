import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { stringify } from 'yaml';
import { charts, type DashboardFile } from '../../monitoring/check/dashboard-file.ts';
import { dashboardComplaints } from '../../monitoring/check/dashboard-lint.ts';
import { queryComplaints } from '../../monitoring/check/query-lint.ts';
import { grafanaValues, interpolated } from '../../monitoring/check/variables.ts';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { promtool } from '../../testing/promtool.ts';

const folder = join(import.meta.dirname, '..', '..', 'dashboards');

const dashboards: readonly DashboardFile[] = readdirSync(folder).map(
  (file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as DashboardFile,
);

const named = (uid: string): DashboardFile => {
  const found = dashboards.find((each) => each.uid === uid);
  if (found === undefined) throw new Error(`no dashboard ${uid}`);
  return found;
};

for (const dashboard of dashboards) {
  test(`the dashboard ${dashboard.uid} passes the linter's rules and ours`, () => {
    assert.deepEqual(dashboardComplaints(dashboard), []);
  });
}

test('there are five dashboards, each with the tag that links them', () => {
  assert.deepEqual(dashboards.map(({ uid }) => uid).sort(), [
    'plimsoll-bill',
    'plimsoll-budget',
    'plimsoll-calls',
    'plimsoll-overview',
    'plimsoll-tier',
  ]);
  for (const { tags } of dashboards) assert.deepEqual(tags, ['plimsoll']);
});

test('every query of every rule asks for what the catalogue has, and sums nothing that replicas share', () => {
  for (const rule of ruleFiles().flatMap(({ groups }) => groups.flatMap(({ rules }) => rules))) {
    const name = 'record' in rule ? rule.record : rule.alert;
    // Only these read the counters of a process; what they grew by is another rule.
    const isSum = /^plimsoll:instance:\w+:sum$/.test(name);
    const complaints = queryComplaints(rule.expr).filter(
      (each) => !(isSum && each.endsWith('without rate or increase')),
    );
    assert.deepEqual(complaints, [], name);
  }
});

test('every query of every panel has the types that Prometheus wants', { skip: promtool.skip }, () => {
  const values = {
    ...grafanaValues(21_600, 15),
    job: '.*',
    cluster: '.*',
    namespace: '.*',
    model: '.*',
    key: '.*',
    what_if: 'claude-haiku-4-5',
    attribution: 'route',
  };
  const rules = dashboards.flatMap((dashboard) =>
    charts(dashboard).flatMap(({ targets = [] }) =>
      targets.map(({ expr }, index) => ({ record: `panel:query_${index}`, expr: interpolated(expr, values) })),
    ),
  );
  assert.ok(rules.length > 80, `only ${rules.length} queries were found`);
  const held = mkdtempSync(join(tmpdir(), 'plimsoll-panels-'));
  try {
    writeFileSync(join(held, 'panels.yml'), stringify({ groups: [{ name: 'panels', rules }] }));
    execFileSync(promtool.path, ['check', 'rules', '--lint=none', join(held, 'panels.yml')], { encoding: 'utf8' });
  } finally {
    rmSync(held, { recursive: true });
  }
});

/** What each rule of the lint is for: a dashboard that breaks it, and what is said. */
const broken: ReadonlyArray<readonly [what: string, change: (text: string) => string, said: RegExp]> = [
  [
    'a misspelt metric',
    (text) => text.replaceAll('plimsoll:overloaded:growth', 'plimsoll:overload:growth'),
    /not in the catalogue/,
  ],
  [
    'a label that the metric has not',
    (text) => text.replaceAll('sum by (reason)', 'sum by (limiter)'),
    /groups by limiter|does not keep/,
  ],
  [
    'a counter without a rate',
    (text) =>
      text.replaceAll(
        /sum_over_time\(plimsoll:overloaded:growth(\{[^}]*\})\[[^\]]*\]\)/g,
        'anthropic_overloaded_total$1',
      ),
    /without rate/,
  ],
  [
    'a rate of a gauge',
    (text) => text.replace(/\((anthropic_requests_in_flight\{[^}]*\})\)/, '(rate($1[$__rate_interval]))'),
    /of the gauge/,
  ],
  [
    'a query that the job does not narrow',
    (text) => text.replaceAll('plimsoll:overloaded:growth{job=~\\"$job\\", ', 'plimsoll:overloaded:growth{'),
    /not narrowed by \$job/,
  ],
  [
    'a query that the namespace does not narrow',
    (text) => text.replaceAll('namespace=~\\"$namespace\\", ', ''),
    /not narrowed by \$namespace/,
  ],
  ['a window of its own', (text) => text.replaceAll('$__interval]', '30s]'), /window is not \$__interval/],
  [
    'a counter that is read from every process',
    (text) => text.replaceAll(/plimsoll:overloaded:growth(\{[^}]*\})/g, 'anthropic_overloaded_total$1'),
    /a fleet has too many/,
  ],
  [
    'a growth of which one minute is read in each step',
    (text) => text.replaceAll(/sum_over_time\((plimsoll:overloaded:growth\{[^}]*\})\[[^\]]*\]\)/g, '$1'),
    /read for one minute/,
  ],
  ['a percent that is a ratio', (text) => text.replaceAll('"percentunit"', '"percent"'), /percentunit/],
  [
    'a unit that Grafana has not',
    (text) => text.replaceAll('"reqps"', '"requests per second"'),
    /not one of Grafana's/,
  ],
  ['a data source that is named', (text) => text.replaceAll('${datasource}', 'prometheus'), /names a data source/],
  [
    'a grammar that is not PromQL',
    (text) => text.replaceAll('sum by (model) (', 'sum by (model) (('),
    /cannot be read/,
  ],
  ['a legend whose label is gone', (text) => text.replaceAll('{{model}}', '{{tenant}}'), /does not keep/],
  ['a variable that is not defined', (text) => text.replaceAll('$job', '$service'), /not defined/],
  ['a panel that lies on another', (text) => text.replaceAll('"x": 12', '"x": 3'), /lies on/],
  ['a gauge that reads the last sample', (text) => text.replaceAll('"lastNotNull"', '"last"'), /gap at the end/],
  [
    'links in a menu',
    (text) => text.replace('"asDropdown"', '"placement": "inControlsMenu", "asDropdown"'),
    /hides links in a menu/,
  ],
  [
    'a schema that older Grafana does not know',
    (text) => text.replace('"schemaVersion": 39', '"schemaVersion": 42'),
    /schemaVersion/,
  ],
];

for (const [what, of, change, said] of [
  [
    'a table whose rows bear the name of a metric',
    'plimsoll-budget',
    (text: string) =>
      text.replaceAll(
        /max by \(job, cluster, namespace, budget, period, scope\) \((plimsoll:[\w:]+\{[^}]*\})\)/g,
        '$1',
      ),
    /rows of query A join no others/,
  ],
  [
    'a bar gauge whose smallest bar would be empty',
    'plimsoll-budget',
    (text: string) => text.replaceAll('"min":', '"least":'),
    /Cost by kind: without a min/,
  ],
  [
    'a table whose link reads labels',
    'plimsoll-calls',
    (text: string) => text.replaceAll('__data.fields.Model', '__field.labels.model'),
    /link reads labels/,
  ],
] as const) {
  test(`the lint refuses ${what}`, () => {
    const changed = JSON.parse(change(JSON.stringify(named(of)))) as DashboardFile;
    assert.match(dashboardComplaints(changed).join('\n'), said);
  });
}

test('every link in a panel opens a dashboard that is there', () => {
  const urls = dashboards.flatMap((dashboard) =>
    charts(dashboard).flatMap(({ fieldConfig }) => (fieldConfig?.defaults.links ?? []).map(({ url }) => url)),
  );
  const [runbook, ...others] = urls.filter((url) => !url.startsWith('/'));
  assert.deepEqual([runbook, others], ['http://127.0.0.1:9464/runbooks/${__data.fields.Alert}', []]);
  const uids = urls.filter((url) => url !== runbook).map((url) => /^\/d\/([\w-]+)\?/.exec(url)?.[1] ?? url);
  assert.ok(uids.length >= 6);
  for (const uid of uids) assert.equal(named(uid).uid, uid);
});

for (const [what, change, said] of broken) {
  test(`the lint refuses ${what}`, () => {
    const text = JSON.stringify(named('plimsoll-overview'), null, 2);
    const changed = change(text);
    assert.notEqual(changed, text);
    assert.match(dashboardComplaints(JSON.parse(changed) as DashboardFile).join('\n'), said);
  });
}

test('the lint refuses a sum of what every replica says the same of', () => {
  assert.match(queryComplaints('sum(anthropic_budget_spent_usd)').join(), /every replica/);
  assert.deepEqual(queryComplaints('sum by (budget) (max by (budget, ledger_id) (anthropic_budget_spent_usd))'), []);
});
