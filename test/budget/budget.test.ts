import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { memoryLedger, sqliteLedger, type BudgetDefinition } from 'plimsoll/budget';
import { bucketAt, dueCost, spanAt, type Period } from '../../src/budget/budget.ts';
import { PARAMS } from '../../testing/client-workbench.ts';
import { part, usageOf } from '../../testing/usages.ts';
import { budgeted, readAll } from '../../testing/budget/budgeted-client.ts';
import { aBudget, oneProcess } from '../../testing/budget/one-process.ts';
import { refusal } from '../../testing/budget/refusal.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';

const DAY: Period = { kind: 'day' };
const MONTH: Period = { kind: 'month' };
const HOUR_MS = 3_600_000;

const at = (iso: string): number => Date.parse(iso);

const SPANS: ReadonlyArray<readonly [Period, string, string, string]> = [
  [DAY, '2026-11-24T00:00:00.000Z', '2026-11-24T00:00:00Z', '2026-11-25T00:00:00Z'],
  [DAY, '2026-11-24T23:59:59.999Z', '2026-11-24T00:00:00Z', '2026-11-25T00:00:00Z'],
  [MONTH, '2026-11-30T23:59:59.999Z', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z'],
  [MONTH, '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
  [MONTH, '2027-02-28T23:59:59.999Z', '2027-02-01T00:00:00Z', '2027-03-01T00:00:00Z'],
  [MONTH, '2028-02-29T12:00:00.000Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
  [DAY, '2028-02-29T12:00:00.000Z', '2028-02-29T00:00:00Z', '2028-03-01T00:00:00Z'],
  [MONTH, '2100-02-28T12:00:00.000Z', '2100-02-01T00:00:00Z', '2100-03-01T00:00:00Z'],
];

for (const [period, moment, start, end] of SPANS) {
  test(`the ${period.kind} of ${moment} lasts from ${start} to ${end}, in UTC`, () => {
    assert.deepEqual(spanAt(period, at(moment)), { startMs: at(start), endMs: at(end) });
  });
}

describe('a month that ends', () => {
  const usedUp: BudgetDefinition = { name: 'all', period: 'month', usd: '0.0004', mode: 'block' };

  test('ends the refusals: the new month has the whole amount, and the old one keeps its spend', async () => {
    const time = new StandingTime(at('2028-02-29T23:59:59.000Z'));
    const { claude, sim, balance, billed } = budgeted([usedUp], {
      budgets: { clock: time, timers: time },
      instrument: { clock: time },
    });
    const error = await refusal(async () => {
      for (let calls = 0; calls < 10; calls += 1) await claude.messages.create(PARAMS);
    });
    assert.deepEqual(error.resetsAt, new Date('2028-03-01T00:00:00Z'));
    const february = billed();
    assert.equal((await balance()).spent, february);
    time.pass(1_000);
    assert.deepEqual(await balance(), { spent: 0n, reserved: 0n });
    const before = sim.truth.requests.length;
    await claude.messages.create(PARAMS);
    assert.equal(sim.truth.requests.length, before + 1);
    assert.equal((await balance()).spent, billed() - february);
    time.set(at('2028-02-29T23:00:00Z'));
    assert.equal((await balance()).spent, february);
  });

  test('keeps its calls: what began in a month is spent in that month', async () => {
    const time = new StandingTime(at('2026-11-30T23:59:59.000Z'));
    const { claude, balance, billed } = budgeted([{ ...usedUp, usd: 1 }], {
      budgets: { clock: time, timers: time },
      instrument: { clock: time },
    });
    const stream = await claude.messages.create({ ...PARAMS, stream: true });
    assert.ok((await balance()).reserved > 0n);
    time.pass(2_000);
    assert.deepEqual(await balance(), { spent: 0n, reserved: 0n });
    await readAll(stream);
    assert.deepEqual(await balance(), { spent: 0n, reserved: 0n });
    time.set(at('2026-11-30T23:00:00Z'));
    assert.deepEqual(await balance(), { spent: billed(), reserved: 0n });
  });
});

for (const ledgerOf of [memoryLedger, () => sqliteLedger(':memory:')]) {
  const { kind } = ledgerOf();

  test(`a clock that jumps back over midnight and forward again loses no spend and counts none twice (${kind})`, async () => {
    const time = new StandingTime(at('2026-11-24T00:00:01Z'));
    const { account } = oneProcess(ledgerOf(), time, aBudget({ period: DAY }));
    const call = async (nanoUsd: bigint): Promise<void> => {
      const atMs = time.epochMs();
      assert.notEqual((await account.reserve(10n, atMs)).kind, 'unavailable');
      account.settle(atMs, 10n, nanoUsd);
    };
    await call(100n);
    time.set(at('2026-11-23T23:59:59Z'));
    await call(7n);
    assert.deepEqual((await account.refresh()).balance?.spentNanoUsd, 7n);
    await call(3n);
    time.set(at('2026-11-24T00:00:02Z'));
    await call(1n);
    assert.deepEqual((await account.refresh()).balance, { spentNanoUsd: 101n, reservedNanoUsd: 0n });
    time.set(at('2026-11-23T12:00:00Z'));
    assert.deepEqual((await account.refresh()).balance, { spentNanoUsd: 10n, reservedNanoUsd: 0n });
  });

  test(`spend leaves a rolling window within a sixtieth of its length after its time, and never before (${kind})`, async () => {
    const time = new StandingTime(at('2026-11-24T10:00:30Z'));
    const period: Period = { kind: 'rolling', lengthMs: HOUR_MS };
    const { account } = oneProcess(ledgerOf(), time, aBudget({ period, limitNanoUsd: 100n }));
    account.settle(time.epochMs(), 0n, 100n);
    assert.equal((await account.reserve(1n, time.epochMs())).kind, 'refused');
    time.pass(HOUR_MS);
    assert.equal((await account.reserve(1n, time.epochMs())).kind, 'refused');
    time.pass(HOUR_MS / 60);
    assert.equal((await account.reserve(1n, time.epochMs())).kind, 'granted');
  });

  test(`a rolling window still counts what was spent before its clock was set back (${kind})`, async () => {
    const time = new StandingTime(at('2026-11-24T10:00:00Z'));
    const period: Period = { kind: 'rolling', lengthMs: HOUR_MS };
    const { account } = oneProcess(ledgerOf(), time, aBudget({ period, limitNanoUsd: 100n }));
    account.settle(time.epochMs(), 0n, 100n);
    time.set(at('2026-11-24T09:30:00Z'));
    assert.equal((await account.reserve(1n, time.epochMs())).kind, 'refused');
  });
}

test('a bucket is an hour of a calendar period and a sixtieth of a rolling window', () => {
  const moment = at('2026-11-24T10:59:59Z');
  assert.equal(bucketAt(MONTH, moment), at('2026-11-24T10:00:00Z'));
  assert.equal(bucketAt({ kind: 'rolling', lengthMs: HOUR_MS }, moment), at('2026-11-24T10:59:00Z'));
});

test('what is due of a call leaves out the attempts that were left and charged with what they held', () => {
  const of = (input: number, input_estimated: number) => ({ ...NO_COST, input, input_estimated });
  const parts = [of(5, 0), of(0, 100), of(0, 20)].map((cost) => ({ model: PARAMS.model, cost }));
  const cost = { parts, totalNanoUsd: 125, priced: true, doubts: [] };
  const usage = usageOf([{ role: 'answer' }, { role: 'left' }, { role: 'left' }]);
  assert.deepEqual(
    [0, 1, 2].map((covered) => dueCost({ cost, usage }, covered)?.totalNanoUsd),
    [125, 25, 5],
  );
  assert.deepEqual(dueCost({ cost, usage }, 1)?.parts, [parts[0], parts[2]]);
  assert.equal(dueCost({ cost: null, usage: null }, 1), null);
});

const NO_COST = { ...part({}).tokens, server_tools: 0 };
