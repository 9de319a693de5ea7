import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { answer, type Sample } from '../../../monitoring/check/answers.ts';
import { everyQuery, type Query } from '../../../monitoring/check/every-query.ts';
import { firedIn, type Fired } from '../../../monitoring/check/firing.ts';
import { FLEETS, ORDINARY_JOB, proof, QUIET_JOB, type Proof } from '../../../monitoring/check/proof.ts';
import { grafanaValues, type Values } from '../../../monitoring/check/variables.ts';
import { inRange } from '../../../monitoring/dashboards/selection.ts';
import { BAD_JOB } from '../../../monitoring/history/bad-day.ts';
import { CAUSES } from '../../../monitoring/history/causes.ts';
import { GATEWAY_KEY } from '../../../monitoring/history/gateway-process.ts';
import { SCRAPE_SECONDS } from '../../../monitoring/history/history.ts';
import { backfilled } from '../../../monitoring/history/backfill.ts';
import { asked } from '../../../monitoring/run/prometheus.ts';
import { promtool } from '../../../testing/promtool.ts';
import { tool } from '../../../testing/tools.ts';

const prometheus = tool('prometheus');
const skip = promtool.skip || prometheus.skip;

/** Days are for `npm run monitoring:proof`. A forecast of a month needs seven hours. */
const HOURS = Number(process.env['PLIMSOLL_PROOF_HOURS'] ?? 8);

let proven: Proof;
let fired: readonly Fired[] = [];

before(async () => {
  if (skip !== false) return;
  proven = await proof({ prometheus: prometheus.path, promtool: promtool.path, hours: HOURS });
  fired = await firedIn(proven.prometheus.url, proven.range);
});
after(() => proven?.prometheus.stop());

const variables = (job: string, rest: Partial<Record<'model' | 'key', string>> = {}): Values => ({
  ...grafanaValues(HOURS * 3_600, SCRAPE_SECONDS),
  job,
  cluster: '.*',
  namespace: '.*',
  model: '.*',
  key: '.*',
  what_if: 'claude-haiku-4-5',
  attribution: 'route',
  ...rest,
});

const queries = everyQuery();

/** What is empty here, and why that is as it must be. Nothing of the dashboards on budgets and tiers may be. */
const EMPTY: ReadonlyMap<string, string> = new Map([
  ...(HOURS < 10
    ? (['budget/Budgets D', 'budget/Forecast, as a share of the limit A'] as const).map(
        (name) => [name, 'it is too early for a forecast of the month'] as const,
      )
    : []),
  ['overview/Firing alerts A', 'this Prometheus evaluates no alerts'],
  ['overview/Refused by spend limits, by scope A', 'nothing of this job was refused for money'],
  ['annotation Alerts', 'this Prometheus evaluates no alerts'],
  ['rule plimsoll:instance:ended', 'no process has ended'],
  ['rule plimsoll:instance:restarted', 'no process has restarted in place'],
  ['rule plimsoll:instance:worker_exits:sum', 'the gateway has one process'],
  ['rule plimsoll:worker_exits:growth', 'the gateway has one process'],
  ['rule plimsoll:instance:label_values_dropped:sum', 'every label has a place'],
  ['rule plimsoll:label_values_dropped:growth', 'every label has a place'],
  ['rule plimsoll:instance_slow:ended', 'no process has ended'],
  ['rule plimsoll:instance_slow:restarted', 'no process has restarted in place'],
  ['rule plimsoll:instance_attribution:ended', 'no process has ended'],
  ['rule plimsoll:instance_attribution:restarted', 'no process has restarted in place'],
  ['runbook PlimsollBudgetBurnSlow 2', 'nothing was called yesterday'],
  ['runbook PlimsollGatewayFaults 3', 'no key of a pool is closed'],
  ['runbook PlimsollGatewayWorkers 1', 'the gateway has one process'],
  ['runbook PlimsollGatewayWorkers 2', 'the gateway has one process'],
  ['runbook PlimsollLedgerFailsClosed 2', 'every ledger has answered'],
]);

const askedOf = (name: string): Query => {
  const query = queries.find((each) => each.name === name);
  if (query === undefined) throw new Error(`no query is called ${name}`);
  return query;
};

const total = (samples: readonly Sample[]): number =>
  samples.reduce((sum, { values }) => sum + (values.at(-1) ?? NaN), 0);

test('every query of every panel, rule and runbook is answered, and not with nothing', { skip }, async () => {
  const empty: string[] = [];
  for (const query of queries) {
    const job = query.kind === 'panel' ? ORDINARY_JOB : '.*';
    const samples = await answer(proven.prometheus.url, query, { values: variables(job), range: proven.range });
    // An alert that does not fire is empty as it should be; that each can fire is shown elsewhere.
    if (samples.length === 0 && !query.name.startsWith('rule Plimsoll')) empty.push(query.name);
  }
  assert.deepEqual(empty, [...EMPTY.keys()]);
});

/** What a bad day shows nothing of. */
const NOT_BAD = [
  ...['calls/Cost per call B', 'calls/Tokens per call B'], // it was not there last week
  'overview/Firing alerts A',
  'annotation Alerts',
];

test('on a bad day every panel answers with numbers that can be read', { skip }, async () => {
  const values = { ...variables(BAD_JOB), __range: '12000s' };
  const range = { ...proven.range, from: proven.range.to - 12_000 };
  const empty: string[] = [];
  for (const query of queries.filter(({ kind }) => kind === 'panel')) {
    const samples = await answer(proven.prometheus.url, query, { values, range });
    if (samples.length === 0) empty.push(query.name);
    assert.ok(samples.length <= 50, `${query.name} shows ${samples.length} series`);
    assert.ok(!samples.some(({ values: numbers }) => numbers.some(Number.isNaN)), query.name);
  }
  assert.deepEqual(empty, NOT_BAD);
});

test('a bad day marks its deployment once, and fires what it is', { skip }, async () => {
  const marked = await answer(proven.prometheus.url, askedOf('annotation Deployments'), {
    values: variables(BAD_JOB),
    range: { ...proven.range, from: proven.range.to - 11_400 },
  });
  assert.deepEqual(
    marked.map(({ labels, values }) => [labels['version'], values.length * SCRAPE_SECONDS <= 360]),
    [['2.15.0', true]],
  );
  const ofDay = fired.filter(({ labels }) => ['web', 'nightly'].includes(labels['key'] ?? labels['budget'] ?? ''));
  const names = new Set(ofDay.map(({ alert }) => alert));
  for (const alert of ['PlimsollRateLimited', 'PlimsollAccelerationLimited', 'PlimsollSpendCapReached'])
    assert.ok(names.has(alert), `${alert} is not among ${[...names].join()}`);
});

test('all rules are evaluated at the same moments, those that stand on others too', { skip }, async () => {
  const kept = await asked<{ readonly result: readonly { readonly values: readonly (readonly [number, string])[] }[] }>(
    proven.prometheus.url,
    '/api/v1/query',
    { query: '{__name__=~".+:.+"}[1h]', time: String(proven.range.to) },
  );
  const moments = kept.result.flatMap(({ values }) => values.map(([at]) => at % SCRAPE_SECONDS));
  assert.ok(moments.length > 1_000, `${moments.length} samples`);
  assert.equal(new Set(moments).size, 1);
});

test('every panel can be narrowed to one model and one key', { skip }, async () => {
  const values = variables(ORDINARY_JOB, { model: 'claude-haiku-4-5', key: ORDINARY_JOB });
  for (const query of queries.filter(({ kind }) => kind === 'panel')) {
    const samples = await answer(proven.prometheus.url, query, { values, range: proven.range });
    const models = samples.map(({ labels }) => labels['model']).filter((model) => model !== undefined);
    assert.deepEqual(
      [...new Set(models)].filter((model) => model !== 'claude-haiku-4-5'),
      [],
      query.name,
    );
    assert.ok(samples.length <= 50, `${query.name} shows ${samples.length} series`);
  }
});

test('every panel can be narrowed to one job: no key of another is shown', { skip }, async () => {
  const values = variables(ORDINARY_JOB);
  let shown = 0;
  for (const query of queries.filter(({ kind }) => kind === 'panel')) {
    const samples = await answer(proven.prometheus.url, query, { values, range: proven.range });
    const keys = samples.map(({ labels }) => labels['key']).filter((key) => key !== undefined);
    shown += keys.length;
    assert.deepEqual(
      keys.filter((key) => key !== ORDINARY_JOB && key !== GATEWAY_KEY),
      [],
      query.name,
    );
  }
  assert.ok(shown > 50, `${shown} series have a key`);
});

test('an hour without calls shows nothing that is not a number', { skip }, async () => {
  const { to } = proven.range;
  const values = { ...variables(QUIET_JOB), __range: '1800s' };
  for (const query of queries.filter(({ kind }) => kind === 'panel')) {
    const samples = await answer(proven.prometheus.url, query, {
      values,
      range: { ...proven.range, from: to - 3_600 },
    });
    for (const { values: numbers } of samples) assert.ok(!numbers.some(Number.isNaN), query.name);
  }
});

test('an empty Prometheus answers every query without an error', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-empty-'));
  const file = join(folder, 'empty.txt');
  writeFileSync(file, `nothing_of_ours 1 ${proven.range.to}\n# EOF\n`);
  const empty = await backfilled({ prometheus: prometheus.path, promtool: promtool.path, files: [file] });
  try {
    for (const query of queries) {
      const samples = await answer(empty.url, query, { values: variables('.*'), range: proven.range });
      for (const { values } of samples) assert.ok(!values.some(Number.isNaN), query.name);
    }
  } finally {
    await empty.stop();
    rmSync(folder, { recursive: true });
  }
});

/** Figures that somebody acts on, and what the simulator and the callers say of them. */
const CAP_USD = 500;

for (const { name, replicas, ledger } of FLEETS) {
  test(`with ${replicas} replicas (ledger: ${ledger}) the figures of the dashboards are true`, { skip }, async () => {
    const { url } = proven.prometheus;
    const truth = proven.truths.get(name);
    assert.ok(truth !== undefined && truth.calls > 100 && truth.rateLimited > 0, JSON.stringify(truth));
    // When the rules have been evaluated once after the last scrape.
    const on = { values: variables(name), range: { ...proven.range, to: proven.range.to + SCRAPE_SECONDS } };
    const shown = async (query: string, where: (sample: Sample) => boolean = () => true): Promise<number> =>
      total((await answer(url, askedOf(query), on)).filter(where));
    const limited = { expr: `sum(${inRange('rate_limited')})`, instant: true };
    const ofBudget = ({ labels }: Sample): boolean => labels['budget'] === name;
    const ofOrganization = ({ labels }: Sample): boolean => labels['organization'] === name;
    const figures = {
      calls: [await shown('calls/Calls by model and key A'), truth.calls],
      tokens: [await shown('calls/Calls by model and key E'), truth.tokens],
      costUsd: [await shown('budget/Actual cost A'), truth.costUsd],
      rateLimited: [total(await answer(url, limited, on)), truth.rateLimited],
      budgetSpentUsd: [await shown('budget/Budgets A', ofBudget), truth.costUsd],
      tierProgress: [await shown('tier/Cap used A', ofOrganization), truth.costUsd / CAP_USD],
    };
    for (const [figure, [seen = NaN, real = NaN]] of Object.entries(figures)) {
      assert.ok(Math.abs(seen - real) <= 0.01 * real, `${figure}: ${seen} is shown, ${real} is true`);
    }
  });
}

const ofJob =
  (name: string) =>
  (each: Fired): boolean =>
    [each.labels['job'], each.labels['budget'], each.labels['key'], each.labels['organization']].includes(name);

test(`${HOURS} hours of ordinary calls page nobody`, { skip }, () => {
  assert.deepEqual(
    fired.filter(ofJob(ORDINARY_JOB)).filter(({ severity }) => severity === 'page'),
    [],
  );
  for (const { name } of FLEETS)
    assert.deepEqual(
      fired.filter(ofJob(name)).filter(({ severity }) => severity === 'page'),
      [],
    );
});

for (const { history, alerts } of CAUSES) {
  test(`the cause ${history.name} fires ${alerts.join(' and ')}, and no page but its own`, { skip }, () => {
    const ofCause = fired.filter(ofJob(history.name));
    const names = new Set(ofCause.map(({ alert }) => alert));
    assert.deepEqual(
      alerts.filter((alert) => !names.has(alert)),
      [],
      [...names].join(),
    );
    const pages = ofCause.filter(({ severity }) => severity === 'page').map(({ alert }) => alert);
    assert.deepEqual(
      [...new Set(pages)].filter((page) => !alerts.includes(page)),
      [],
    );
  });
}
