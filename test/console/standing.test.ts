import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samplesIn } from '../../src/advice/samples.ts';
import { billOf, budgetsOf, creditOf, limitId, limitsOf, tierOf } from '../../src/console/standing.ts';

const AT_MS = Date.UTC(2026, 10, 26, 12);

const samples = (...lines: readonly string[]) => samplesIn(`${lines.join('\n')}\n`) ?? [];

test('a budget of replicas that share a ledger is counted once, and of those that do not, added up', () => {
  const limit = 'anthropic_budget_limit_usd{budget="all",period="day",scope="all",ledger_id';
  const spent = 'anthropic_budget_spent_usd{budget="all",period="day",scope="all",ledger_id';
  const shared = samples(`${limit}="a"} 10`, `${spent}="a"} 4`, `${limit}="a"} 10`, `${spent}="a"} 5`);
  assert.equal(budgetsOf(shared, AT_MS)[0]?.spentUsd, 5);
  const apart = samples(`${limit}="a"} 10`, `${spent}="a"} 4`, `${limit}="b"} 10`, `${spent}="b"} 5`);
  assert.equal(budgetsOf(apart, AT_MS)[0]?.spentUsd, 9);
});

test('budgets in trouble come first, with the share of their period that has passed', () => {
  const of = (budget: string) => `{budget="${budget}",period="day",scope="all"}`;
  const found = budgetsOf(
    samples(
      ...['calm', 'near'].flatMap((budget) => [
        `anthropic_budget_limit_usd${of(budget)} 10`,
        `anthropic_budget_spent_usd${of(budget)} ${budget === 'near' ? 9 : 1}`,
        `anthropic_budget_period_start_timestamp_seconds${of(budget)} ${Date.UTC(2026, 10, 26) / 1_000}`,
        `anthropic_budget_period_end_timestamp_seconds${of(budget)} ${Date.UTC(2026, 10, 27) / 1_000}`,
      ]),
      `anthropic_budget_blocked_in_period${of('near')} 2`,
      `anthropic_budget_blocked_in_period${of('near')} 1`,
    ),
    AT_MS,
  );
  assert.deepEqual(
    found.map(({ name, paceRatio, blocked, expectedUsd }) => [name, paceRatio, blocked, expectedUsd]),
    [
      ['near', 0.5, 3, null],
      ['calm', 0.5, 0, null],
    ],
  );
});

test('of replicas the lowest that is left of a limit stands, and `tokens` only where it is not the sum of others', () => {
  const of = (dimension: string) => `{key="k",model_class="haiku-4.5",dimension="${dimension}"}`;
  const found = limitsOf(
    samples(
      ...['requests', 'tokens', 'input_tokens'].map((dimension) => `anthropic_ratelimit_limit${of(dimension)} 50`),
      `anthropic_ratelimit_remaining${of('requests')} 40`,
      `anthropic_ratelimit_remaining${of('requests')} 30`,
      `anthropic_ratelimit_remaining${of('tokens')} 50`,
      `anthropic_ratelimit_remaining${of('input_tokens')} 50`,
    ),
    new Map([[limitId({ key: 'k', modelClass: 'haiku-4.5', dimension: 'requests' }), 7]]),
  );
  assert.deepEqual(
    found.map(({ dimension, remaining, lowest }) => [dimension, remaining, lowest]),
    [
      ['requests', 30, 7],
      ['input_tokens', 50, null],
    ],
  );
});

test('a page that shows no limits has no tier', () => {
  assert.equal(tierOf([], AT_MS), null);
});

const billed = (family: string, labels: string, value: number): string =>
  `anthropic_bill_${family}_usd{organization="default",${labels}} ${value}`;

test('the bill is of the shortest window that has a day, with the largest causes of its difference first', () => {
  const week = 'window="last_7_days"';
  const lines = [
    billed('billed', `key="web",model="claude-opus-5-5",${week}`, 8),
    billed('billed', `key="web",model="claude-opus-5-5",${week}`, 7), // Another replica, which read it earlier.
    billed('billed', `key="eval",model="claude-opus-5-5",${week}`, 2),
    billed('listed', `key="web",model="claude-opus-5-5",${week}`, 11),
    billed('recorded', `key="web",model="claude-opus-5-5",${week}`, 9),
    billed('difference', `cause="discount",${week}`, -1),
    billed('difference', `cause="unwatched_keys",${week}`, 2),
    billed('difference', `cause="rounding",${week}`, 0.000001),
    billed('billed', 'key="web",model="claude-opus-5-5",window="month"', 90),
  ];
  assert.deepEqual(billOf(samples(...lines)), {
    ...{ window: 'last_7_days', billedUsd: 10, recordedUsd: 9, listedUsd: 11 },
    causes: [
      { cause: 'unwatched_keys', usd: 2 },
      { cause: 'discount', usd: -1 },
    ],
  });
  const yesterday = billed('billed', 'key="web",model="claude-opus-5-5",window="yesterday"', 3);
  assert.deepEqual(billOf(samples(...lines, yesterday)), {
    ...{ window: 'yesterday', billedUsd: 3, recordedUsd: null, listedUsd: null, causes: [] },
  });
  assert.equal(billOf([]), null, 'where nobody reads the report, nothing is shown');
});

test('credit is what is left, what there is at least, and how long it lasts', () => {
  const left = 'anthropic_credit_left_usd{organization="default",bound=';
  const lines = [`${left}"least"} 90`, `${left}"middle"} 100`, `${left}"most"} 105`];
  assert.deepEqual(creditOf(samples(...lines)), { leftUsd: 100, leastUsd: 90, daysLeft: null });
  const lasts = 'anthropic_credit_left_seconds{organization="default",bound="middle"} 864000';
  assert.deepEqual(creditOf(samples(...lines, lasts)), { leftUsd: 100, leastUsd: 90, daysLeft: 10 });
  assert.equal(creditOf([]), null);
});
