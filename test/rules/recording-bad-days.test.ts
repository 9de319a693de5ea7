import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { stringify } from 'yaml';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { ruleFileText } from '../../src/rules/rule.ts';
import { grown, level, promtool, testedRules } from '../../testing/promtool.ts';

/** Whole days on the rules as they are shipped, each group with its wait and with how long its alerts go on. */

type Series = Readonly<Record<string, readonly number[] | string>>;

interface Day {
  readonly name: string;
  /** A sample a minute. */
  readonly series: Series;
  /** A query and what it answers, by minute. */
  readonly expr: string;
  readonly answers: Readonly<Record<number, number | null>>;
}

const target = 'job="shop",instance="a"';
const start = (seconds: number, minutes: number): Series => ({
  [`plimsoll_start_time_seconds{${target}}`]: `${seconds}x${minutes}`,
});

/** A counter by what it adds in each minute. */
const counter = (minutes: number, each: (minute: number) => number): readonly number[] => {
  let total = 0;
  return Array.from({ length: minutes }, (_, minute) => (total += each(minute)));
};

const model = `${target},key="k",model="m"`;
const twoInTen = (minute: number): boolean => minute % 10 < 2;

/** How often an alert has begun to fire until a minute. */
const incidents = (alert: string): string =>
  `count_over_time((ALERTS{alertname="${alert}", alertstate="firing"} unless ALERTS{alertname="${alert}", alertstate="firing"} offset 1m)[6h:1m])`;

const cap = (spentUsd: readonly number[]): Series => ({
  ...start(0, 100),
  [`anthropic_tier_monthly_cap_usd{${target},organization="o"}`]: level([100, 500]),
  [`anthropic_tier_spend_usd{${target},organization="o"}`]: spentUsd,
  [`anthropic_tier_seen_usd_total{${target},organization="o"}`]: spentUsd,
});

const refusedMinutes = counter(61, (minute) => (minute % 5 === 3 ? 4 : 0));

const DAYS: readonly Day[] = [
  {
    name: 'a worker that meets 40% 429s two minutes in ten is one ticket in three hours and a half, not one each time',
    series: {
      ...start(-7_200, 230),
      [`anthropic_attempts_total{${model},status="429"}`]: counter(230, (minute) => (twoInTen(minute) ? 40 : 0)),
      [`anthropic_attempts_total{${model},status="200"}`]: counter(230, (minute) => (twoInTen(minute) ? 60 : 20)),
      [`anthropic_rate_limited_total{${model},reason="requests"}`]: counter(230, (minute) =>
        twoInTen(minute) ? 40 : 0,
      ),
    },
    expr: incidents('PlimsollRateLimited'),
    answers: { 210: 1 },
  },
  {
    name: 'a budget that most of goes in one minute tells of it an hour later still',
    series: {
      ...start(-7_200, 200),
      [`anthropic_budget_limit_usd{${target},budget="b",period="day",scope="all",ledger_id="l"}`]: level([200, 500]),
      [`anthropic_budget_period_start_timestamp_seconds{${target},budget="b",period="day",scope="all"}`]: level([
        200, 0,
      ]),
      [`anthropic_budget_period_end_timestamp_seconds{${target},budget="b",period="day",scope="all"}`]: level([
        200, 86_400,
      ]),
      [`anthropic_budget_spend_usd_total{${target},budget="b",period="day",scope="all"}`]: grown(
        [10, 0],
        [1, 350],
        [180, 0],
      ),
    },
    expr: 'count(ALERTS{alertname="PlimsollBudgetBurnFast", alertstate="firing"})',
    answers: { 13: 1, 70: 1, 85: null },
  },
  {
    name: 'the cap of $500 is 49.6 hours away 24 minutes into $10 an hour',
    series: cap(grown([100, 10 / 60])),
    expr: 'round(plimsoll:tier_cap_seconds:this_month / 360) / 10',
    answers: { 24: 49.6 },
  },
  {
    name: 'the cap is not reached this month at half a dollar an hour',
    series: cap(grown([100, 0.5 / 60])),
    expr: 'plimsoll:tier_cap_seconds:this_month',
    answers: { 24: -1 },
  },
  {
    name: 'a limit that is reached in 12 minutes of an hour is reached in a fifth of its minutes, whenever the first was',
    series: {
      ...start(-7_200, 70),
      [`anthropic_attempts_total{${model},status="200"}`]: grown([70, 9]),
      [`anthropic_rate_limited_total{${model},reason="requests"}`]: refusedMinutes,
    },
    expr: 'round(100 * avg_over_time(plimsoll:limit_reached:bool1m[3599s]))',
    answers: { 60: 20 },
  },
];

test('a bad day is told as it was', { skip: promtool.skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-days-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const groups = ruleFiles().flatMap((file) => file.groups);
  writeFileSync(join(folder, 'rules.yml'), ruleFileText(groups));
  for (const [index, day] of DAYS.entries()) {
    await t.test(day.name, async () => {
      const path = join(folder, `day-${index}.yml`);
      writeFileSync(
        path,
        stringify(
          testOf(
            day,
            groups.map(({ name }) => name),
          ),
        ),
      );
      assert.equal(await testedRules(path), '');
    });
  }
});

/** Groups are evaluated in the order of the files: what records before what alerts. */
function testOf({ series, expr, answers }: Day, order: readonly string[]): object {
  return {
    rule_files: ['rules.yml'],
    evaluation_interval: '1m',
    group_eval_order: order,
    tests: [
      {
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({
          series: name,
          values: typeof values === 'string' ? values : values.join(' '),
        })),
        promql_expr_test: Object.entries(answers).map(([minute, value]) => ({
          expr: `sum(${expr})`,
          eval_time: `${minute}m`,
          exp_samples: value === null ? [] : [{ labels: '{}', value }],
        })),
      },
    ],
  };
}
