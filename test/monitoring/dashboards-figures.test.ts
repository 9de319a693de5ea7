import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { stringify } from 'yaml';
import { everyQuery } from '../../monitoring/check/every-query.ts';
import { grafanaValues, interpolated } from '../../monitoring/check/variables.ts';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { grown, level, promtool, supporting, testedRules } from '../../testing/promtool.ts';

/** Single figures of panels, on series whose truth is arithmetic. */

interface Figure {
  readonly name: string;
  /** `tier/Time to cap A`: the query as it is shipped. */
  readonly panel: string;
  /** A sample a minute. */
  readonly series: Readonly<Record<string, readonly number[] | string>>;
  /** By minute; rounded to hundredths, `null` for no answer. */
  readonly answers: Readonly<Record<number, number | null>>;
  readonly attribution?: string;
}

const target = 'job="shop",instance="a"';
const model = `${target},key="k",model="m"`;
const old = { [`plimsoll_start_time_seconds{${target}}`]: '-7200x400', [`plimsoll_build_info{${target}}`]: '1x400' };

const month = (spent: readonly number[], rest: readonly number[] = spent): Figure['series'] => ({
  ...old,
  [`anthropic_tier_monthly_cap_usd{${target},organization="o"}`]: level([200, 500]),
  [`anthropic_tier_spend_usd{${target},organization="o"}`]: spent,
  [`anthropic_tier_seen_usd_total{${target},organization="o"}`]: rest,
});

const calls = (ok: readonly number[], failed: readonly number[]): Figure['series'] => ({
  ...old,
  [`anthropic_request_duration_seconds_count{${model},operation="messages.create",outcome="ok"}`]: ok,
  [`anthropic_request_duration_seconds_count{${model},operation="messages.create",outcome="overloaded"}`]: failed,
});

const CAP = 'tier/Time to cap A';
const REACHED = 'tier/Minutes in which a limit was reached A';
const DEPLOYED = 'annotation Deployments';
const version = (name: string): string => `plimsoll_service_info{${target},version="${name}"}`;
const cost = (labels: string): string =>
  `anthropic_cost_usd_total{${model},operation="messages.create",kind="output",${labels}}`;

const FIGURES: readonly Figure[] = [
  {
    name: 'at $10 an hour the cap of $500 is 2.07 days away after 24 minutes: 496 dollars are left',
    panel: CAP,
    series: month(grown([100, 10 / 60])),
    answers: { 24: 2.07 },
  },
  {
    name: 'at half a dollar an hour the month ends first',
    panel: CAP,
    series: month(grown([100, 0.5 / 60])),
    answers: { 24: 99 },
  },
  {
    name: 'where the cap is reached, no time is left, though nothing is spent any more',
    panel: CAP,
    series: month(level([200, 500]), level([200, 38])),
    answers: { 60: 0 },
  },
  {
    name: 'a limit that is reached in 12 minutes of an hour is reached in a fifth of its minutes, beside a model that is free',
    panel: REACHED,
    series: {
      ...old,
      [`anthropic_attempts_total{${model},status="200"}`]: grown([70, 9]),
      [`anthropic_attempts_total{${target},key="k",model="free",status="200"}`]: grown([70, 9]),
      [`anthropic_rate_limited_total{${model},reason="requests"}`]: grown(
        ...Array.from({ length: 14 }, () => [[1, 4] as const, [4, 0] as const]).flat(),
      ),
    },
    answers: { 63: 0.2 },
  },
  {
    name: 'six failures among 1,806 calls leave two thirds of what an objective of 99% allows',
    panel: 'overview/Error budget left A',
    series: calls(grown([180, 10], [60, 0]), grown([60, 0], [6, 1], [170, 0])),
    answers: { 190: 0.67 },
  },
  {
    name: 'twice as many failures as are allowed leave less than nothing',
    panel: 'overview/Error budget left A',
    series: calls(grown([180, 98], [60, 0]), grown([180, 2], [60, 0])),
    answers: { 190: -1 },
  },
  {
    name: 'two failures in a hundred calls burn the error budget twice as fast as evenly',
    panel: 'overview/Error budget burn A',
    series: calls(grown([130, 98]), grown([130, 2])),
    answers: { 120: 2 },
  },
  {
    name: 'a deployment is marked for five minutes, and a failed scrape or a restart is none',
    panel: DEPLOYED,
    series: {
      [version('1')]: '1x9 _x3 1x20',
      [version('2')]: '_x30 1x60',
    },
    answers: { 2: 1, 9: null, 14: null, 31: 1, 33: 1, 37: null, 60: null },
  },
  {
    name: 'cost is split by the attribution label that was chosen',
    panel: 'budget/Cost by $attribution A',
    series: { ...old, [cost('client="web",route="chat"')]: grown([100, 1]), [cost('route="chat"')]: grown([100, 2]) },
    attribution: 'client',
    answers: { 60: 180 },
  },
];

/** A gateway's: with what its clients cost. */
const RULES = ruleFiles({ attributionLabels: ['route', 'client'] }).flatMap(({ groups }) =>
  groups.flatMap((group) => group.rules),
);

/** Each figure has files of its own rules: what its query stands on. */
function filesOf(figure: Figure, folder: string): string {
  const values = { ...grafanaValues(3_600, 60), job: '.*', cluster: '.*', namespace: '.*', model: '.*', key: '.*' };
  const query = everyQuery().find(({ name }) => name === figure.panel);
  assert.ok(query, figure.panel);
  const expr = interpolated(query.expr, { ...values, attribution: figure.attribution ?? 'route' });
  const rules = supporting(expr, RULES);
  writeFileSync(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'figures', interval: '1m', rules }] }));
  const shown = Object.entries(figure.series).map(([series, values]) => ({
    series,
    values: typeof values === 'string' ? values : values.join(' '),
  }));
  const asked = Object.entries(figure.answers).map(([minute, value]) => ({
    expr: `round(sum(${expr}), 0.01)`,
    eval_time: `${minute}m`,
    exp_samples: value === null ? [] : [{ labels: '{}', value }],
  }));
  const path = join(folder, 'figure.yml');
  const tests = [{ interval: '1m', input_series: shown, promql_expr_test: asked }];
  writeFileSync(path, stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests }));
  return path;
}

for (const figure of FIGURES) {
  test(figure.name, { skip: promtool.skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-figures-'));
    try {
      assert.equal(await testedRules(filesOf(figure, folder)), '');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
