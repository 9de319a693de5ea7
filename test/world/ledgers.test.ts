/**
 * Ledgers that are slow, locked, full or away, and replicas whose clocks differ: cases in which budgets that block were
 * exceeded many times over. The right amounts are worked out by hand.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { isBudgetExceeded, sqliteLedger, type BudgetDefinition, type Ledger } from 'plimsoll/budget';
import { redisLedger } from 'plimsoll/redis';
import { systemClock, type Clock } from '../../src/clock.ts';
import { budgeted, type BudgetedClient } from '../../testing/budget/budgeted-client.ts';
import { race } from '../../testing/budget/race.ts';
import { PARAMS, samples } from '../../testing/client-workbench.ts';
import { redis, redisServer } from '../../testing/redis-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-world-'));
after(() => rmSync(folder, { recursive: true }));

const MOST = 1e9;
const UNLIMITED = { requests: MOST, inputTokens: MOST, outputTokens: MOST };
/** A call costs $0.001: 1,000 tokens in at $1 a million, none out. */
const CALL_NANO_USD = 1_000_000n;
const simulator = {
  limits: { other: UNLIMITED, 'haiku-4.5': UNLIMITED },
  respond: () => ({ text: '', usage: { input_tokens: 1_000, output_tokens: 0 } }),
};
/** Expected at $0.001 and a little, whatever was learned: a prompt of 2,700 characters. */
const CALL = { ...PARAMS, max_tokens: 1, messages: [{ role: 'user' as const, content: 'x'.repeat(2_620) }] };

/** $1 is a thousand calls. */
const DOLLAR: BudgetDefinition = { name: 'all', period: 'month', usd: 1, mode: 'block' };

/** Calls until a budget refuses, and says how many were answered. */
async function untilRefused({ claude }: BudgetedClient, most: number): Promise<number> {
  for (let answered = 0; answered < most; answered += 1) {
    try {
      await claude.messages.create(CALL);
    } catch (error) {
      assert.ok(isBudgetExceeded(error), String(error));
      return answered;
    }
  }
  return most;
}

/** Each posting fails, as SQLite's do on a full disk, while balances can still be read. */
function full(ledger: Ledger): Ledger & { isFull: boolean } {
  const disk = {
    ...ledger,
    isFull: false,
    post: (posting: Parameters<Ledger['post']>[0]) => {
      if (disk.isFull) throw new Error('database or disk is full');
      return ledger.post(posting);
    },
  };
  return disk;
}

describe('a budget of $1 whose ledger takes no more postings', () => {
  const rules = [
    {
      onLedgerDown: undefined,
      calls: 49,
      says: 'by itself lets 5% through: 49 calls, as each is expected at a little over $0.001',
    },
    { onLedgerDown: 'closed', calls: 0, says: 'that is closed lets nothing through' },
    { onLedgerDown: 'open', calls: 979, says: 'that is open lets all through that the month has left: 979 calls' },
  ] as const;
  for (const { onLedgerDown, calls, says } of rules) {
    it(says, async () => {
      const ledger = full(sqliteLedger(':memory:'));
      const definition = { ...DOLLAR, ...(onLedgerDown !== undefined && { onLedgerDown }) };
      const bench = budgeted([definition], { simulator, budgets: { ledger } });
      for (let before = 0; before < 20; before += 1) await bench.claude.messages.create(CALL);
      await setImmediate();
      ledger.isFull = true;
      // A balance that can be read says nothing of what is left: the postings are not in it.
      const answered = await untilRefused(bench, 3_000);
      await bench.held.refresh();
      const more = await untilRefused(bench, 3_000);
      assert.ok(answered + more <= calls && answered + more >= calls - 3, `${answered} and ${more}`);
      const { 'budget=all,decision=unavailable': unavailable } = await samples(
        bench.registry,
        'anthropic_budget_decisions_total',
      );
      assert.ok(unavailable !== undefined && unavailable >= answered + more);
      ledger.isFull = false;
    });
  }

  it('lets no more through than was left when it last answered', async () => {
    const ledger = full(sqliteLedger(':memory:'));
    const bench = budgeted([{ ...DOLLAR, usd: '0.03' }], { simulator, budgets: { ledger } });
    for (let before = 0; before < 28; before += 1) await bench.claude.messages.create(CALL);
    ledger.isFull = true;
    // $0.002 are left, 5% are $0.0015: one call.
    assert.equal(await untilRefused(bench, 100), 1);
  });

  it('lets nothing through where it has never answered', async () => {
    const ledger = full(sqliteLedger(':memory:'));
    ledger.isFull = true;
    const bench = budgeted([DOLLAR], { simulator, budgets: { ledger } });
    assert.equal(await untilRefused(bench, 100), 0);
  });
});

it('8 processes on one healthy SQLite file decide nothing without it, and spend no more than the limit', async () => {
  const outcome = await race(8, {
    ledger: join(folder, 'race.db'),
    limitUsd: '0.15',
    calls: 30,
    dearness: 1,
    atOnce: 4,
    answerMs: [1, 5],
  });
  assert.equal(outcome.unavailable, 0);
  assert.ok(Number(outcome.billedNanoUsd) / 1e9 < 0.15 * 1.1, String(outcome.billedNanoUsd));
});

describe('two replicas whose clocks are 90 s apart, with one Redis', { skip: redis.skip }, () => {
  const behind: Clock = { ...systemClock, epochMs: () => Date.now() - 90_000 };

  it('know what the other holds, and spend the limit once', async () => {
    const server = await redisServer();
    const ledgers = [redisLedger(server.url), redisLedger(server.url)] as const;
    const holding = {
      ...simulator,
      scenario: { latency: { firstByteMs: { kind: 'constant', value: 60_000 } } },
    } as const;
    const rolling: BudgetDefinition = { ...DOLLAR, period: { rollingMs: 60_000 }, usd: '0.0019' };
    const leaving = new AbortController();
    try {
      const slow = budgeted([rolling], { simulator: holding, budgets: { ledger: ledgers[0], clock: behind } });
      const underWay = slow.claude.messages.create(CALL, { signal: leaving.signal });
      underWay.catch(() => undefined);
      while (slow.sim.truth.open === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      const fast = budgeted([rolling], { simulator, budgets: { ledger: ledgers[1] } });
      assert.equal(await untilRefused(fast, 10), 0);
      leaving.abort();
      await underWay.catch(() => undefined);
    } finally {
      for (const ledger of ledgers) await ledger.close();
      await server.end();
    }
  });

  it('count what the one behind has spent in a window of a minute', async () => {
    const server = await redisServer();
    const ledgers = [redisLedger(server.url), redisLedger(server.url)] as const;
    const rolling: BudgetDefinition = { ...DOLLAR, period: { rollingMs: 60_000 }, usd: '0.01' };
    try {
      const slow = budgeted([rolling], {
        simulator,
        budgets: { ledger: ledgers[0], clock: behind },
        instrument: { clock: behind },
      });
      const fast = budgeted([rolling], { simulator, budgets: { ledger: ledgers[1] } });
      const first = await untilRefused(slow, 100);
      // What it has posted last has arrived.
      await slow.held.refresh();
      const second = await untilRefused(fast, 100);
      assert.ok(first === 9 && second === 0, `${first} and ${second} calls of $0.001`);
      assert.equal(slow.billed() + fast.billed(), 9n * CALL_NANO_USD);
    } finally {
      for (const ledger of ledgers) await ledger.close();
      await server.end();
    }
  });
});

it(
  'calls that a used-up budget refuses take no room of another, however many there are',
  { skip: redis.skip },
  async () => {
    const server = await redisServer();
    const ledgers = [redisLedger(server.url), redisLedger(server.url)] as const;
    const definitions: readonly BudgetDefinition[] = [
      { ...DOLLAR, name: 'tenant', scope: { label: 'tenant', value: 'a' }, usd: '0.0021' },
      { ...DOLLAR, usd: '0.0301' },
    ];
    const of = (tenant: string, ledger: Ledger): BudgetedClient =>
      budgeted(definitions, {
        simulator,
        budgets: { ledger },
        instrument: { attribution: { tenant: ['a', 'b'] }, labels: { tenant } },
      });
    const refused = of('a', ledgers[0]);
    const fits = of('b', ledgers[1]);
    let goesOn = true;
    const hammer = async (): Promise<void> => {
      for (; goesOn; await setImmediate()) assert.equal(await untilRefused(refused, 1), 0);
    };
    try {
      assert.equal(await untilRefused(refused, 10), 2);
      await refused.held.flush();
      const hammers = Array.from({ length: 40 }, hammer);
      const answered = await untilRefused(fits, 100);
      goesOn = false;
      await Promise.all(hammers);
      // $0.0281 are left of the month.
      assert.ok(answered === 27 || answered === 28, String(answered));
      assert.equal(fits.billed(), BigInt(answered) * CALL_NANO_USD);
    } finally {
      goesOn = false;
      for (const ledger of ledgers) await ledger.close();
      await server.end();
    }
  },
);

describe('a month whose Redis loses all that it had', { skip: redis.skip }, () => {
  for (const isLate of [false, true])
    it(`is one ledger on a dashboard, ${isLate ? 'also if a process that knew nothing' : 'if one that knew its id'} comes first`, async () => {
      const server = await redisServer();
      const admin = new Redis(server.url);
      const ledgers = [redisLedger(server.url), redisLedger(server.url)] as const;
      const [one, two] = ledgers.map((ledger) => budgeted([DOLLAR], { simulator, budgets: { ledger } }));
      try {
        assert.ok(one !== undefined && two !== undefined);
        await one.claude.messages.create(CALL);
        await one.held.flush();
        const id = ledgers[0].id();
        for (let calls = 0; calls < 3; calls += 1) await two.claude.messages.create(CALL);
        await two.held.flush();
        await admin.flushall();
        if (isLate) await admin.set('plimsoll:ledger_id', 'the id of another');
        for (const bench of [one, two]) {
          await bench.claude.messages.create(CALL);
          await bench.held.flush();
          await bench.held.refresh();
        }
        assert.equal(ledgers[0].id() === id, !isLate);
        assert.equal(ledgers[1].id(), ledgers[0].id());
        const gauges = [
          await samples(one.registry, 'anthropic_budget_spent_usd'),
          await samples(two.registry, 'anthropic_budget_spent_usd'),
        ];
        for (const gauge of gauges)
          assert.deepEqual(Object.keys(gauge), [`budget=all,period=month,scope=all,ledger_id=${ledgers[0].id()}`]);
      } finally {
        admin.disconnect();
        for (const ledger of ledgers) await ledger.close();
        await server.end();
      }
    });

  it('is spent once by the processes that go on: $0.03 of 30 calls, whoever of them noticed first', async () => {
    const server = await redisServer();
    const admin = new Redis(server.url);
    const ledgers = [redisLedger(server.url), redisLedger(server.url)] as const;
    const month: BudgetDefinition = { ...DOLLAR, usd: '0.0301' };
    const [one, two] = ledgers.map((ledger) => budgeted([month], { simulator, budgets: { ledger } }));
    try {
      assert.ok(one !== undefined && two !== undefined);
      for (const bench of [one, two])
        for (let before = 0; before < 10; before += 1) await bench.claude.messages.create(CALL);
      await Promise.all([one, two].map(({ held }) => held.flush()));
      await one.claude.messages.create(CALL);
      await one.held.flush();
      await admin.flushall();
      const answered = (await untilRefused(one, 100)) + (await untilRefused(two, 100));
      assert.equal(one.billed() + two.billed(), BigInt(21 + answered) * CALL_NANO_USD);
      assert.ok(answered === 8 || answered === 9, `${answered} more calls of $0.001`);
      const fresh = await one.balance();
      assert.equal(fresh.spent, one.billed() + two.billed());
      const errors = await samples(one.registry, 'plimsoll_errors_total');
      assert.equal(errors['stage=ledger'], 1);
    } finally {
      admin.disconnect();
      for (const ledger of ledgers) await ledger.close();
      await server.end();
    }
  });
});

it('an SQLite file that another process has locked for three seconds lets no more through than its rule', async () => {
  const path = join(folder, 'locked.db');
  const ledger = sqliteLedger(path, { lockWaitMs: 30 });
  const bench = budgeted([DOLLAR], { simulator, budgets: { ledger } });
  for (let before = 0; before < 20; before += 1) await bench.claude.messages.create(CALL);
  const { DatabaseSync } = await import('node:sqlite');
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const answered = await untilRefused(bench, 3_000);
  other.exec('COMMIT');
  other.close();
  assert.ok(answered >= 46 && answered <= 49, String(answered));
});
