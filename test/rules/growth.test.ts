import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { stringify } from 'yaml';
import { growthOf } from '../../src/rules/growth.ts';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { ruleFileText } from '../../src/rules/rule.ts';
import { promtool, supportingGroups, testedRules } from '../../testing/promtool.ts';

/** Figures as they are recorded, against arithmetic: each case is a day on which counters alone say something else. */

interface GrowthCase {
  readonly name: string;
  /** Samples, one every 15 s; `_` where there is none. */
  readonly series: Readonly<Record<string, string>>;
  readonly expr: string;
  /** In minutes. */
  readonly at: number;
  readonly least: number;
  readonly most: number;
}

const cost = (instance: string): string =>
  `anthropic_cost_usd_total{job="shop",instance="${instance}",pod="${instance}",route="chat",model="m",operation="messages.create",key="k",kind="output"}`;
const calls = (instance: string): string =>
  `anthropic_request_duration_seconds_count{job="shop",instance="${instance}",pod="${instance}",model="m",operation="messages.create",key="k",outcome="ok"}`;
/** The same with attribution. */
const byRoute = (instance: string): string =>
  calls(instance).replace('anthropic_request_duration_seconds_count{', 'anthropic_requests_total{route="chat",');
const start = (instance: string): string => `plimsoll_start_time_seconds{job="shop",instance="${instance}"}`;

const total = (name: Parameters<typeof growthOf>[0], window: string): string =>
  `sum(sum_over_time(${growthOf(name)}[${window}]))`;

/** Scrapes of so many minutes. */
const scrapes = (minutes: number): number => minutes * 4;
const absent = (minutes: number): string => (minutes === 0 ? '' : `_x${scrapes(minutes)} `);

/** Pods that live for an hour each, one after the other, and call so often in the first minutes of it. */
function pods(count: number, callsEach: number): Readonly<Record<string, string>> {
  const lives = Array.from({ length: count }, (_, pod) => {
    const bornMinutes = Math.floor(pod / 5) * 60 + (pod % 5) * 3;
    const grown = `0x3 ${callsEach}x${scrapes(60) - 4} stale`;
    return [
      [calls(`pod-${pod}`), `${absent(bornMinutes)}${grown}`],
      [start(`pod-${pod}`), `${absent(bornMinutes)}${bornMinutes * 60}x${scrapes(60)} stale`],
    ] as const;
  });
  return Object.fromEntries(lives.flat());
}

const restarted = {
  // A dollar a minute; 240 scrapes an hour.
  [cost('a')]: '0+0.25x239 0+0.25x239 0+0.25x239 59.75',
  [start('a')]: '0x239 3600x239 7200x240',
};

const CASES: readonly GrowthCase[] = [
  {
    name: 'a service that is restarted in place after one hour and after two keeps its dollars, in any longer window',
    series: restarted,
    expr: total('cost_usd', '6h'),
    at: 180,
    // Each restart loses at most what the last minute of a life cost after its last evaluation.
    least: 177,
    most: 179.25,
  },
  ...[1, 4, 12].map((each) => ({
    name: `30 pods that are replaced every hour and make ${each} calls each are counted to the last`,
    series: pods(30, each),
    expr: total('requests', '7h'),
    at: 375,
    least: 30 * each,
    most: 30 * each,
  })),
  {
    name: 'the old counter of an idle process is not news to a new Prometheus',
    series: { [calls('a')]: '5000x100', [start('a')]: '-86400x100' },
    expr: total('requests', '1h'),
    at: 20,
    least: 0,
    most: 0,
  },
  {
    name: 'nor to one that was away for 70 minutes',
    series: {
      [calls('a')]: `5000x80 ${absent(70)}5000x80`,
      [start('a')]: `-86400x80 ${absent(70)}-86400x80`,
    },
    expr: total('requests', '5m'),
    at: 94,
    least: 0,
    most: 0,
  },
  {
    name: 'what an old process counted while Prometheus was away is made good',
    series: {
      [calls('a')]: `5000x80 ${absent(70)}5070x80`,
      [start('a')]: `-86400x80 ${absent(70)}-86400x80`,
    },
    expr: total('requests', '1h'),
    at: 94,
    least: 70,
    most: 70,
  },
  {
    name: 'a restart that forgets a label set of 5,000 counts none of it',
    series: { [calls('a')]: '5000x60 stale', [start('a')]: '-86400x60 915x60' },
    expr: total('requests', '1h'),
    at: 29,
    least: 0,
    most: 0,
  },
  {
    name: 'a crash loop of three calls a life counts each life, though the counter never falls',
    // Lives of two minutes: three calls in the first 15 seconds of each.
    series: {
      [calls('a')]: '3x79',
      [start('a')]: Array.from({ length: 10 }, (_, life) => `${life * 120}x7`).join(' '),
    },
    expr: total('requests', '1h'),
    at: 20,
    least: 30,
    most: 30,
  },
  {
    name: 'the first call with a new label counts when the process is old',
    series: {
      [calls('a')]: '100x80',
      [calls('a').replace('"ok"', '"overloaded"')]: `${absent(10)}3x40`,
      [start('a')]: '-86400x80',
    },
    expr: total('requests', '5m'),
    at: 13,
    least: 3,
    most: 3,
  },
  {
    name: 'a process that does not say when it began counts what it adds to what was there',
    series: { [calls('a')]: '100+1x80' },
    expr: total('requests', '1h'),
    at: 20,
    least: 80,
    most: 80,
  },
  {
    name: 'what a budget was charged in the last minute of a pod is counted after it has ended',
    series: {
      'anthropic_budget_spend_usd_total{job="shop",instance="a",budget="b",period="day",scope="all"}': '0x42 7 stale',
      [start('a')]: '0x43 stale',
    },
    expr: total('budget_spend_usd', '1h'),
    at: 15,
    least: 7,
    most: 7,
  },
  {
    name: 'instance, pod and route are gone, and job, cluster and namespace are kept',
    series: {
      [cost('a').replace('job=', 'cluster="eu",namespace="prod",job=')]: '0+1x80',
      [cost('b').replace('job=', 'cluster="eu",namespace="prod",job=')]: '0+1x80',
      [start('a').replace('job=', 'cluster="eu",namespace="prod",job=')]: '0x80',
      [start('b').replace('job=', 'cluster="eu",namespace="prod",job=')]: '0x80',
    },
    expr: `count(${growthOf('cost_usd')}{cluster="eu",namespace="prod",job="shop",instance="",pod="",route=""} == 8)`,
    at: 15,
    least: 1,
    most: 1,
  },
  {
    name: 'calls by route are those of all its clients, though both labels are read at once',
    series: {
      [byRoute('a').replace('route=', 'client="web",route=')]: '0+1x80',
      [byRoute('a').replace('route=', 'client="app",route=')]: '0+2x80',
      [byRoute('a').replace('route="chat"', 'client="app",route="batch"')]: '0+4x80',
      [start('a')]: '0x80',
    },
    // 60 scrapes.
    expr: total('requests_by_route', '1h').replace(':growth[', ':growth{route="chat"}['),
    at: 15,
    least: 180,
    most: 180,
  },
  {
    name: 'calls by client are those of all its routes',
    series: {
      [byRoute('a').replace('route=', 'client="web",route=')]: '0+1x80',
      [byRoute('a').replace('route=', 'client="app",route=')]: '0+2x80',
      [byRoute('a').replace('route="chat"', 'client="app",route="batch"')]: '0+4x80',
      [start('a')]: '0x80',
    },
    expr: total('requests_by_client', '1h').replace(':growth[', ':growth{client="app"}['),
    at: 15,
    least: 360,
    most: 360,
  },
];

describe('the recorded growth is what happened', { concurrency: availableParallelism() }, () => {
  const shipped = ruleFiles({ attributionLabels: ['route', 'client'] })
    .flatMap((file) => file.groups)
    .filter(({ name }) => name.startsWith('plimsoll_growth'));
  for (const each of CASES) {
    test(each.name, { skip: promtool.skip }, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'plimsoll-growth-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const groups = supportingGroups(each.expr, shipped);
      const order = groups.map(({ name }) => name);
      writeFileSync(join(folder, 'rules.yml'), ruleFileText(groups));
      const path = join(folder, 'case.yml');
      const within = `(${each.expr}) >= ${each.least} and (${each.expr}) <= ${each.most}`;
      writeFileSync(path, stringify(testOf(each, within, order)));
      assert.equal(await testedRules(path), '');
    });
  }
});

/** promtool wants an exact value: whether the figure is between its bounds. Groups are evaluated in the order given. */
function testOf({ series, at }: GrowthCase, within: string, order: readonly string[]): object {
  return {
    rule_files: ['rules.yml'],
    evaluation_interval: '1m',
    group_eval_order: order,
    tests: [
      {
        interval: '15s',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          { expr: `count(${within})`, eval_time: `${at}m`, exp_samples: [{ labels: '{}', value: 1 }] },
        ],
      },
    ],
  };
}

test('growth that is recorded every half minute is read at one moment only where it is recorded', () => {
  const groups = ruleFiles({ growthSeconds: 30 }).flatMap((file) => file.groups);
  const missing = groups
    .filter(({ interval }) => interval === '1m')
    .flatMap(({ rules }) => rules)
    .filter(({ expr }) => /:growth(?![\w:])(\{[^}]*\})?(?!\{|\[)/.test(expr));
  assert.deepEqual(missing, []);
});
