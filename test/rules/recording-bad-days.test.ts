import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { stringify } from 'yaml';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { ruleFileText } from '../../src/rules/rule.ts';
import type { MonitoringSettings } from '../../src/rules/settings.ts';
import { grown, level, promtool, supportingGroups, testedRules } from '../../testing/promtool.ts';

/** Whole days on the rules as they are shipped, each group with its wait and with how long its alerts go on. */

type Series = Readonly<Record<string, readonly number[] | string>>;

interface Day {
  readonly name: string;
  /** Default: as shipped. */
  readonly settings?: Partial<MonitoringSettings>;
  readonly series: Series;
  /** Minutes from one sample, and one evaluation, to the next. Default: 1. */
  readonly step?: number;
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

const called = (outcome: string): string =>
  `anthropic_request_duration_seconds_count{${model},operation="messages.create",outcome="${outcome}"}`;

const inTime = (le: string, each: (minute: number) => number): Series => ({
  [`anthropic_request_duration_seconds_bucket{${model},operation="messages.create",outcome="ok",le="${le}"}`]: counter(
    230,
    each,
  ),
});

/** Calls that were answered, and those of them within so many seconds, by minute. */
const answeredIn = (seconds: string, each: (minute: number) => readonly [all: number, inTime: number]): Series => ({
  [`anthropic_request_duration_seconds_count{${model},operation="messages.create",outcome="ok"}`]: counter(
    230,
    (minute) => each(minute)[0],
  ),
  ...inTime(seconds, (minute) => each(minute)[1]),
});

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
    name: 'a service that fails for twelve minutes of each hour is one page in three hours and a half',
    series: {
      ...start(-7_200, 230),
      [called('server_error')]: counter(230, (minute) => (minute % 60 < 12 ? 20 : 0)),
      [called('ok')]: counter(230, (minute) => (minute % 60 < 12 ? 0 : 20)),
    },
    expr: incidents('PlimsollErrorBudgetBurn'),
    answers: { 210: 1 },
  },
  {
    name: 'a service that is slow for half of each hour is one page in three hours and a half',
    series: {
      ...start(-7_200, 230),
      ...answeredIn('32', (minute) => [10, minute % 60 < 30 ? 0 : 10]),
    },
    expr: incidents('PlimsollLatencyBudgetBurn'),
    answers: { 210: 1 },
  },
  {
    name: 'an error of plimsoll itself every half hour is one ticket in three hours and a half',
    series: {
      ...start(-7_200, 230),
      [`plimsoll_errors_total{${target},stage="recorder"}`]: counter(230, (minute) => (minute % 30 === 5 ? 1 : 0)),
    },
    expr: incidents('PlimsollErrors'),
    answers: { 210: 1 },
  },
  {
    name: 'a slow model pages by its own objective',
    settings: { latencyObjectives: { m: { objective: 0.95, seconds: 60 } } },
    series: { ...start(-7_200, 100), ...answeredIn('60', () => [10, 2]), ...inTime('32', () => 10) },
    expr: 'count(ALERTS{alertname="PlimsollLatencyBudgetBurn", alertstate="firing"})',
    answers: { 90: 1 },
  },
  {
    name: 'a slow model that is within its own objective pages nobody, though it is over that of the others',
    settings: { latencyObjectives: { m: { objective: 0.95, seconds: 60 } } },
    series: { ...start(-7_200, 100), ...answeredIn('60', () => [10, 9.9]), ...inTime('32', () => 0) },
    expr: 'count(ALERTS{alertname="PlimsollLatencyBudgetBurn", alertstate="firing"})',
    answers: { 90: null },
  },
  {
    name: 'the objective of one model changes nothing for the others',
    settings: { latencyObjectives: { other: { objective: 0.95, seconds: 60 } } },
    series: { ...start(-7_200, 100), ...answeredIn('32', () => [10, 2]), ...inTime('60', () => 10) },
    expr: 'count(ALERTS{alertname="PlimsollLatencyBudgetBurn", alertstate="firing"})',
    answers: { 90: 1 },
  },
  {
    name: 'a looser objective of one model does not page where the tighter one of the others would',
    settings: { latencyObjectives: { m: { objective: 0.935, seconds: 32 } } },
    series: { ...start(-7_200, 100), ...answeredIn('32', () => [10, 6.5]) },
    expr: 'count(ALERTS{alertname="PlimsollLatencyBudgetBurn", alertstate="firing"})',
    answers: { 90: null },
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
    name: 'what an organization has spent does not fall when its replica restarts, though no ledger keeps the month',
    series: {
      [`plimsoll_start_time_seconds{${target}}`]: '0x29 1800x40',
      [`anthropic_tier_monthly_cap_usd{${target},organization="o"}`]: level([70, 500]),
      [`anthropic_tier_spend_usd{${target},organization="o"}`]: '0+2x29 0+2x40',
      [`anthropic_tier_seen_usd_total{${target},organization="o"}`]: '0+2x29 0+2x40',
    },
    expr: 'plimsoll:tier_spend_usd:sum',
    // 58 and 60: two dollars were spent between the last scrape of the first life and its end.
    answers: { 29: 58, 31: 60, 60: 118 },
  },
  {
    name: 'nor is its cap further away then',
    series: {
      [`plimsoll_start_time_seconds{${target}}`]: '0x29 1800x40',
      [`anthropic_tier_monthly_cap_usd{${target},organization="o"}`]: level([70, 500]),
      [`anthropic_tier_spend_usd{${target},organization="o"}`]: '0+2x29 0+2x40',
      [`anthropic_tier_seen_usd_total{${target},organization="o"}`]: '0+2x29 0+2x40',
    },
    // (500 - 118) dollars at 118 in an hour.
    expr: 'round(plimsoll:tier_cap_seconds:min / 60)',
    answers: { 60: Math.round((500 - 118) / (118 / 60)) },
  },
  {
    name: 'what an organization has spent begins at 0 with the month, and what was spent before a restart in it counts',
    // A dollar an hour from the first of January; a restart two hours into February.
    step: 60,
    series: {
      [`plimsoll_start_time_seconds{${target}}`]: `0x745 ${746 * 3_600}x10`,
      [`anthropic_tier_monthly_cap_usd{${target},organization="o"}`]: level([760, 5_000]),
      [`anthropic_tier_spend_usd{${target},organization="o"}`]: '0+1x743 0+1x1 0+1x10',
      [`anthropic_tier_seen_usd_total{${target},organization="o"}`]: '0+1x745 0+1x10',
    },
    expr: 'round(plimsoll:tier_spend_usd:sum)',
    answers: { [743 * 60]: 743, [745 * 60]: 2, [750 * 60]: 6 },
  },
  {
    name: 'a ledger that keeps the month knows what Prometheus has not seen',
    series: {
      ...start(-7_200, 20),
      [`anthropic_tier_monthly_cap_usd{${target},organization="o"}`]: level([20, 500]),
      [`anthropic_tier_spend_usd{${target},organization="o"}`]: '80+1x20',
      [`anthropic_tier_seen_usd_total{${target},organization="o"}`]: '0+1x20',
      [`anthropic_budget_spent_usd{${target},budget="b",period="month",scope="all",ledger_id="l"}`]: '80+1x20',
    },
    expr: 'plimsoll:tier_spend_usd:sum',
    answers: { 15: 95 },
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
  for (const [index, day] of DAYS.entries()) {
    await t.test(day.name, async () => {
      const shipped = ruleFiles(day.settings).flatMap((file) => file.groups);
      const groups = supportingGroups(day.expr, shipped);
      writeFileSync(join(folder, `rules-${index}.yml`), ruleFileText(groups));
      const path = join(folder, `day-${index}.yml`);
      const order = groups.map(({ name }) => name);
      writeFileSync(path, stringify({ rule_files: [`rules-${index}.yml`], ...testOf(day, order) }));
      assert.equal(await testedRules(path), '');
    });
  }
});

/** Groups are evaluated in the order of the files: what records before what alerts. */
function testOf({ series, expr, answers, step = 1 }: Day, order: readonly string[]): object {
  return {
    evaluation_interval: `${step}m`,
    group_eval_order: order,
    tests: [
      {
        interval: `${step}m`,
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
