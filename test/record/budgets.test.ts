import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { budgets, memoryLedger, sqliteLedger, type BudgetDefinition } from 'plimsoll/budget';
import { PARAMS, samples, total, workbench } from '../../testing/client-workbench.ts';
import { budgeted, readAll } from '../../testing/budget/budgeted-client.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';
import { UnreliableLedger } from '../../testing/budget/unreliable-ledger.ts';

const MONTH: BudgetDefinition = { name: 'all', period: 'month', usd: 300 };

test('the gauges of a budget are what its ledger has at the scrape', async () => {
  const time = new StandingTime(Date.UTC(2026, 10, 24, 12));
  const { claude, registry, held, billed } = budgeted([MONTH], {
    budgets: { clock: time, timers: time },
    instrument: { clock: time },
  });
  await claude.messages.create(PARAMS);
  const stream = await claude.messages.create({ ...PARAMS, stream: true });
  const period = 'budget=all,period=month,scope=all';
  const series = `${period},ledger_id=${held.ledger.id}`;
  const gauge = async (name: string) => samples(registry, `anthropic_budget_${name}`);
  assert.deepEqual(await gauge('limit_usd'), { [series]: 300 });
  assert.deepEqual(await gauge('spent_usd'), { [series]: Number(billed()) / 1e9 });
  assert.ok(((await gauge('reserved_usd'))[series] ?? 0) > 0);
  assert.deepEqual(await gauge('period_start_timestamp_seconds'), { [period]: Date.UTC(2026, 10, 1) / 1000 });
  assert.deepEqual(await gauge('period_end_timestamp_seconds'), { [period]: Date.UTC(2026, 11, 1) / 1000 });
  assert.deepEqual(await gauge('ledger_up'), { [`ledger=sqlite,ledger_id=${held.ledger.id}`]: 1 });
  await readAll(stream);
  assert.deepEqual(await gauge('spent_usd'), { [series]: Number(billed()) / 1e9 });
  assert.deepEqual(await gauge('reserved_usd'), {});
  // What was spent in the 8 hours after that of the first call, and the same for each 8 of the 147 that are left.
  time.pass(9 * 3_600_000);
  const forecast = (await gauge('forecast_usd'))[series] ?? 0;
  assert.ok(forecast > (Number(billed()) / 1e9) * 15 && forecast < (Number(billed()) / 1e9) * 25, String(forecast));
});

test('scope and period are labels', async () => {
  const { registry } = budgeted(
    [
      { ...MONTH, name: 'key', scope: { key: 'prod-search-api' }, period: 'day' },
      { ...MONTH, name: 'model', scope: { model: 'claude-haiku-4-5' }, period: { rollingHours: 24 } },
      { ...MONTH, name: 'tenant', scope: { label: 'tenant', value: 'acme' }, period: { rollingMs: 90_000 } },
    ],
    { instrument: { attribution: { tenant: ['acme'] } } },
  );
  assert.deepEqual(Object.keys(await samples(registry, 'anthropic_budget_period_end_timestamp_seconds')), [
    'budget=key,period=day,scope=key=prod-search-api',
    'budget=model,period=rolling_24h,scope=model=claude-haiku-4-5',
    'budget=tenant,period=rolling_90s,scope=tenant=acme',
  ]);
});

test('what the calls of a process cost a budget is counted from zero, and a new period does not take it back', async () => {
  const time = new StandingTime(Date.UTC(2026, 10, 24, 23, 59));
  const { claude, registry, billed } = budgeted([{ ...MONTH, period: 'day' }], {
    budgets: { clock: time, timers: time },
    instrument: { clock: time },
  });
  assert.match(await registry.metrics(), /^anthropic_budget_spend_usd_total\{[^}]*\} 0$/m);
  await claude.messages.create(PARAMS);
  time.pass(120_000);
  await claude.messages.create(PARAMS);
  const both = Number(billed()) / 1e9;
  assert.ok(both > 0);
  assert.deepEqual(await samples(registry, 'anthropic_budget_spend_usd_total'), {
    'budget=all,period=day,scope=all': both,
  });
  const today = Object.values(await samples(registry, 'anthropic_budget_spent_usd'))[0] ?? NaN;
  assert.ok(today > 0 && today < both, String(today));
});

for (const [period, passMs] of [
  ['day', 60_000],
  [{ rollingHours: 1 }, 3_700_000],
] as const) {
  test(`what a budget of ${JSON.stringify(period)} refused is forgotten with its period, and its counter is not`, async () => {
    const time = new StandingTime(Date.UTC(2026, 10, 24, 23, 59));
    const { claude, registry } = budgeted([{ ...MONTH, period, mode: 'block', usd: 0.000001 }], {
      budgets: { clock: time, timers: time },
      instrument: { clock: time },
    });
    const blocked = async () => total(registry, 'anthropic_budget_blocked_in_period');
    const refused = async (): Promise<number> => {
      await assert.rejects(claude.messages.create(PARAMS));
      return blocked();
    };
    assert.deepEqual([await refused(), await refused()], [1, 2]);
    time.pass(passMs / 4);
    assert.equal(await refused(), 3);
    time.pass(passMs - passMs / 4);
    assert.equal(await blocked(), period === 'day' ? 0 : 1);
    time.pass(passMs / 4);
    assert.deepEqual([await blocked(), await refused()], [0, 1]);
    assert.equal((await samples(registry, 'anthropic_budget_decisions_total'))['budget=all,decision=blocked'], 4);
  });
}

test('every decision and threshold of a budget starts at zero', async () => {
  const { registry } = budgeted([MONTH]);
  const text = await registry.metrics();
  for (const decision of ['allowed', 'warned', 'blocked', 'unavailable']) {
    assert.ok(text.includes(`anthropic_budget_decisions_total{budget="all",decision="${decision}"} 0\n`), decision);
  }
  for (const threshold of ['0.5', '0.8', '1']) {
    assert.ok(text.includes(`anthropic_budget_thresholds_reached_total{budget="all",threshold="${threshold}"} 0\n`));
  }
});

test('clients that share budgets and a registry show them once, and each counts its own decisions', async () => {
  const { claude, registry, held } = budgeted([MONTH]);
  const { instrument } = await import('plimsoll');
  const again = instrument(claude, { registry, budgets: held });
  await claude.messages.create(PARAMS);
  await again.messages.create(PARAMS);
  assert.equal(Object.keys(await samples(registry, 'anthropic_budget_limit_usd')).length, 1);
  assert.equal(await total(registry, 'anthropic_budget_decisions_total'), 2);
});

test('a scrape does not wait for a ledger that hangs, and shows what it answered last', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const { claude, registry, billed } = budgeted([{ ...MONTH, period: 'day' }], { budgets: { ledger, deadlineMs: 5 } });
  await claude.messages.create(PARAMS);
  await new Promise((resolve) => setImmediate(resolve)); // what the call settled is posted by then
  ledger.usually = 'hangs';
  assert.equal(await total(registry, 'anthropic_budget_spent_usd'), Number(billed()) / 1e9);
});

test('a budget that blocks or lasts a month warns of a ledger in memory, at the start and in a metric', async () => {
  const definitions: readonly BudgetDefinition[] = [
    MONTH,
    { ...MONTH, name: 'day', period: 'day' },
    { ...MONTH, name: 'blocks', period: 'day', mode: 'block' },
  ];
  const warned = once(process, 'warning') as Promise<[Error & { code: string }]>;
  const { registry, held } = budgeted(definitions, { budgets: { ledger: memoryLedger() } });
  const [{ name, code, message }] = await warned;
  assert.equal(name, 'PlimsollWarning');
  assert.equal(code, 'PLIMSOLL_VOLATILE_LEDGER');
  assert.match(message, /each replica enforces separately; lost on restart \(all, blocks\)/);
  assert.equal((await samples(registry, 'anthropic_budget_info'))['budget=blocks,mode=block'], 1);
  assert.deepEqual(await samples(registry, 'anthropic_budget_volatile_ledger'), {
    [`budget=all,ledger_id=${held.ledger.id}`]: 1,
    [`budget=blocks,ledger_id=${held.ledger.id}`]: 1,
  });
});

test('a budget of a model that the price table does not know warns of itself when a client is given it, once', async () => {
  const warnings: (Error & { code?: string })[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  const ledger = sqliteLedger(':memory:');
  const misspelt = { ...MONTH, name: 'misspelt', scope: { model: 'claude-haiku-45' } };
  const held = budgets({
    ledger,
    definitions: [misspelt, { ...MONTH, scope: { model: 'claude-haiku-4-5-20251001' } }],
  });
  for (const key of ['one', 'two']) workbench({ instrument: { budgets: held, key } });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['PLIMSOLL_BUDGET_MODEL_UNKNOWN'],
  );
  assert.match(warnings[0]?.message ?? '', /\(misspelt\)/);
});

test('a daily budget that only warns may be kept in memory without a warning', async () => {
  let warnings = 0;
  const count = (): void => void (warnings += 1);
  process.on('warning', count);
  budgets({ definitions: [{ ...MONTH, period: 'day' }] });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', count);
  assert.equal(warnings, 0);
});
