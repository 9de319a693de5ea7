import assert from 'node:assert/strict';
import test from 'node:test';
import type Anthropic from '@anthropic-ai/sdk';
import { BudgetExceededError, isBudgetExceeded, memoryLedger, type BudgetDefinition } from 'plimsoll/budget';
import { Account } from '../../src/budget/account.ts';
import { BudgetGuard } from '../../src/budget/budget-guard.ts';
import { Estimator } from '../../src/budget/estimate.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { budgeted } from '../../testing/budget/budgeted-client.ts';
import { NOW_MS } from '../../testing/budget/ledgers.ts';
import { aBudget, oneProcess } from '../../testing/budget/one-process.ts';
import { refusal } from '../../testing/budget/refusal.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';
import { UnreliableLedger } from '../../testing/budget/unreliable-ledger.ts';
import { aCall } from '../../testing/calls.ts';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';

/** The smallest budget there is: no call fits. */
const EMPTY: BudgetDefinition = { name: 'timeout', period: 'month', usd: '0.000000001', mode: 'block' };

test('a call that does not fit is refused once: not sent, not retried, counted as blocked', async () => {
  let runs = 0;
  const { claude, sim, registry, log } = budgeted([EMPTY], {
    client: {
      maxRetries: 5,
      middleware: [
        (request, next) => {
          runs += 1;
          return next(request);
        },
      ],
    },
  });
  const error = await refusal(() => claude.messages.create(PARAMS));
  assert.equal(runs, 1);
  assert.equal(sim.truth.requests.length, 0);
  assert.deepEqual(log.events, ['started', 'finished blocked']);
  assert.deepEqual(await samples(registry, 'anthropic_requests_total'), {
    'model=claude-haiku-4-5,operation=messages.create,key=default,outcome=blocked': 1,
  });
  assert.deepEqual(await samples(registry, 'anthropic_budget_decisions_total'), {
    'budget=timeout,decision=blocked': 1,
  });
  assert.doesNotMatch(String(error), /timed? ?out/i);
});

test('the refusal says which budget, its limit, what is spent and held, and when it resets', async () => {
  const { claude, billed } = budgeted([{ ...EMPTY, usd: '0.0004' }]);
  await claude.messages.create(PARAMS);
  const error = await refusal(async () => {
    for (let tries = 0; tries < 10; tries += 1) await claude.messages.create(PARAMS);
  });
  assert.equal(error.budget, 'timeout');
  assert.equal(error.limitUsd, 0.0004);
  assert.equal(error.spentUsd, Number(billed()) / 1e9);
  assert.equal(error.reservedUsd, 0);
  assert.equal(error.reason, 'exceeded');
  assert.equal(error.code, 'PLIMSOLL_BUDGET_EXCEEDED');
  const now = new Date();
  assert.equal(error.resetsAt.getTime(), Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
});

const tool = {
  type: 'custom' as const,
  name: 'tide',
  description: 'When high water is.',
  input_schema: { type: 'object' as const, properties: {} },
  parse: (input: unknown) => input,
  run: async () => 'at noon',
};

const WAYS: Readonly<Record<string, (claude: Anthropic) => Promise<unknown>>> = {
  'messages.create': (claude) => claude.messages.create(PARAMS),
  'create({ stream: true })': (claude) => claude.messages.create({ ...PARAMS, stream: true }),
  'messages.stream().finalMessage()': (claude) => claude.messages.stream(PARAMS).finalMessage(),
  'beta.messages.stream().finalText()': (claude) => claude.beta.messages.stream(PARAMS).finalText(),
  'beta.messages.toolRunner': async (claude) => claude.beta.messages.toolRunner({ ...PARAMS, tools: [tool] }),
  'messages.batches.create': (claude) =>
    claude.messages.batches.create({ requests: [{ custom_id: 'first', params: PARAMS }] }),
  'withOptions().messages.create': (claude) => claude.withOptions({ maxRetries: 3 }).messages.create(PARAMS),
};

for (const [way, call] of Object.entries(WAYS)) {
  test(`a refusal reaches the caller by ${way}, before anything is sent`, async () => {
    const { claude, sim, log } = budgeted([EMPTY]);
    await refusal(() => call(claude));
    assert.equal(sim.truth.requests.length, 0);
    assert.deepEqual(log.events, ['started', 'finished blocked']);
  });
}

test('a call that costs nothing is let through when a budget is used up', async () => {
  const { claude, sim, registry } = budgeted([EMPTY]);
  await claude.models.list();
  await claude.messages.countTokens({ model: PARAMS.model, messages: PARAMS.messages });
  await claude.messages.batches.list();
  assert.equal(sim.truth.requests.length, 3);
  assert.equal(await total(registry, 'anthropic_budget_decisions_total'), 0);
});

test('a call that one of its budgets refused holds nothing in the others', async () => {
  const roomy: BudgetDefinition = { name: 'roomy', period: 'day', usd: 100, mode: 'block' };
  const { claude, balance, registry } = budgeted([roomy, EMPTY]);
  const error = await refusal(() => claude.messages.create(PARAMS));
  assert.equal(error.budget, 'timeout');
  assert.deepEqual(await balance('roomy'), { spent: 0n, reserved: 0n });
  assert.deepEqual(await samples(registry, 'anthropic_budget_decisions_total'), {
    'budget=roomy,decision=allowed': 1,
    'budget=timeout,decision=blocked': 1,
  });
});

test('a call that ends while one of its budgets still waits for the ledger releases each amount once', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account: blocking, link } = oneProcess(ledger, time, aBudget({ limitNanoUsd: 10n ** 12n }));
  const observing = new Account(aBudget({ name: 'seen', mode: 'observe' }), link, () => {});
  observing.settle(NOW_MS, 0n, 1n);
  const other = await observing.reserve(7n, NOW_MS);
  assert.equal(other.kind, 'granted');
  const guard = new BudgetGuard({
    accounts: [observing, blocking],
    estimator: new Estimator(defaultPrices()),
    onLedgerDown: 'open',
  });
  const call = aCall({ requestedModel: PARAMS.model, maxTokens: 1_000, startedAtMs: NOW_MS, cost: null });
  ledger.usually = 'hangs';
  const spend = guard.started(call);
  const patience = { signal: null, timeoutMs: null };
  const admission = spend.admit({ body: { ...PARAMS }, bodyLength: 100 }, patience);
  assert.ok(admission instanceof Promise);
  spend.finished?.();
  ledger.usually = 'arrives';
  ledger.release();
  await admission;
  assert.equal(await link.drain(1_000), true);
  assert.equal((await observing.refresh()).balance?.reservedNanoUsd, 7n);
  assert.equal((await blocking.refresh()).balance?.reservedNanoUsd, 0n);
});

test('of two budgets that refuse, the one that resets later is named', async () => {
  const day: BudgetDefinition = { ...EMPTY, name: 'day', period: 'day' };
  const year: BudgetDefinition = { ...EMPTY, name: 'year', period: { rollingHours: 24 * 365 } };
  for (const definitions of [
    [day, year],
    [year, day],
  ]) {
    const { claude } = budgeted(definitions);
    assert.equal((await refusal(() => claude.messages.create(PARAMS))).budget, 'year');
  }
});

test('a guard before the budgets refuses without holding anything', async () => {
  const { claude, balance } = budgeted([{ ...EMPTY, usd: 1 }], {
    instrument: {
      guards: [
        {
          admit() {
            throw new BudgetExceededError({
              reason: 'exceeded',
              budget: 'own',
              limitUsd: 1,
              spentUsd: 1,
              reservedUsd: 0,
              resetsAt: new Date(0),
            });
          },
        },
      ],
    },
  });
  assert.equal((await refusal(() => claude.messages.create(PARAMS))).budget, 'own');
  assert.deepEqual(await balance(), { spent: 0n, reserved: 0n });
});

test('a budget that blocks refuses a model without a price, unless it is set to allow it', async () => {
  const unknown = { ...PARAMS, model: 'claude-unheard-of' };
  const serve = { simulator: { unknownModels: 'serve' } } as const;
  const blocking = budgeted([{ ...EMPTY, usd: 100 }], serve);
  const error = await refusal(() => blocking.claude.messages.create(unknown));
  assert.equal(error.reason, 'unknown_price');
  assert.equal(blocking.sim.truth.requests.length, 0);

  const allowing = budgeted([{ ...EMPTY, usd: 100, onUnknownPrice: 'allow' }], serve);
  await allowing.claude.messages.create(unknown);
  assert.equal(await total(allowing.registry, 'anthropic_unpriced_requests_total'), 1);
  assert.deepEqual(await allowing.balance(), { spent: 0n, reserved: 0n });

  for (const mode of ['observe', 'warn'] as const) {
    const { claude, sim } = budgeted([{ ...EMPTY, mode }], serve);
    await claude.messages.create(unknown);
    assert.equal(sim.truth.requests.length, 1);
  }
});

test('a budget that warns lets calls through and counts those over the limit; one that observes counts none', async () => {
  const { claude, sim, registry } = budgeted([
    { ...EMPTY, name: 'warns', mode: 'warn' },
    { ...EMPTY, name: 'observes', mode: 'observe' },
  ]);
  await claude.messages.create(PARAMS);
  assert.equal(sim.truth.requests.length, 1);
  assert.deepEqual(await samples(registry, 'anthropic_budget_decisions_total'), {
    'budget=warns,decision=warned': 1,
    'budget=observes,decision=allowed': 1,
  });
});

test('a first call with a huge max_tokens fits into a budget that has spent nothing, though its worst case does not', async () => {
  const { claude, sim } = budgeted([{ ...EMPTY, usd: '0.2' }]);
  // 64,000 tokens at $5 a million are $0.32.
  await claude.messages.stream({ ...PARAMS, max_tokens: 64_000 }).finalMessage();
  assert.equal(sim.truth.requests.length, 1);
});

test('isBudgetExceeded follows causes, and stops where they form a circle', () => {
  const details = { reason: 'exceeded', budget: 'all', limitUsd: 1, spentUsd: 1, reservedUsd: 0 } as const;
  const refused = new BudgetExceededError({ ...details, resetsAt: new Date(0) });
  assert.equal(isBudgetExceeded(new Error('outer', { cause: new Error('inner', { cause: refused }) })), true);
  const circle = new Error('circle');
  circle.cause = circle;
  for (const other of [circle, new Error('plain'), null, undefined, 'text'])
    assert.equal(isBudgetExceeded(other), false);
});
