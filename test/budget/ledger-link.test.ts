import assert from 'node:assert/strict';
import test from 'node:test';
import { memoryLedger, type BudgetDefinition, type Ledger } from 'plimsoll/budget';
import { Account } from '../../src/budget/account.ts';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';
import { budgeted } from '../../testing/budget/budgeted-client.ts';
import { refusal } from '../../testing/budget/refusal.ts';
import { NOW_MS } from '../../testing/budget/ledgers.ts';
import { aBudget, DEADLINE_MS, HOLD_MS, oneProcess } from '../../testing/budget/one-process.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';
import { UnreliableLedger } from '../../testing/budget/unreliable-ledger.ts';

const ROOMY: BudgetDefinition = { name: 'all', period: 'day', usd: 100, mode: 'block' };

function away() {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  ledger.usually = 'is lost';
  return { ledger, time, budgets: { ledger, timers: time, clock: time, random: () => 0.5 } };
}

for (const mode of ['observe', 'warn', 'block'] as const) {
  test(`a call goes on while the ledger of a budget in mode ${mode} is down, and what it spent is settled later`, async () => {
    const { ledger, time, budgets } = away();
    const { claude, registry, balance, billed } = budgeted([{ ...ROOMY, mode, onLedgerDown: 'open' }], {
      budgets,
      instrument: { clock: time },
    });
    for (let calls = 0; calls < 3; calls += 1) await claude.messages.create(PARAMS);
    assert.deepEqual(await samples(registry, 'anthropic_budget_decisions_total'), {
      'budget=all,decision=unavailable': 3,
    });
    assert.equal(await total(registry, 'anthropic_budget_ledger_up'), 0);
    assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=ledger': 1 });
    ledger.usually = 'arrives';
    time.pass(10_000);
    assert.deepEqual(await balance(), { spent: billed(), reserved: 0n });
    assert.equal(await total(registry, 'anthropic_budget_ledger_up'), 1);
  });
}

test('a budget that is closed refuses while its ledger is down, and opens when it is back', async () => {
  const { ledger, time, budgets } = away();
  const closed: BudgetDefinition = { ...ROOMY, onLedgerDown: 'closed' };
  const { claude, sim, registry, balance, billed } = budgeted([closed], { budgets, instrument: { clock: time } });
  const error = await refusal(() => claude.messages.create(PARAMS));
  assert.equal(error.reason, 'ledger_unavailable');
  assert.equal(error.spentUsd, null);
  assert.equal(sim.truth.requests.length, 0);
  assert.deepEqual(await samples(registry, 'anthropic_budget_decisions_total'), {
    'budget=all,decision=unavailable': 1,
  });
  ledger.usually = 'arrives';
  time.pass(10_000);
  await claude.messages.create(PARAMS);
  assert.deepEqual(await balance(), { spent: billed(), reserved: 0n });
});

test('what the ledger has said is spent of a month stays spent while it is down: a call that cannot fit is refused', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account } = oneProcess(ledger, time, aBudget({ limitNanoUsd: 100n }));
  account.settle(NOW_MS, 0n, 90n);
  ledger.usually = 'is lost';
  assert.equal((await account.reserve(5n, NOW_MS)).kind, 'unavailable');
  assert.equal((await account.reserve(11n, NOW_MS)).kind, 'refused');
  account.settle(NOW_MS, 5n, 8n);
  assert.equal((await account.reserve(3n, NOW_MS)).kind, 'refused');
  assert.equal((await account.reserve(2n, NOW_MS)).kind, 'unavailable');
  // What is on its way in vain all this time is spent too.
  time.pass(60_000);
  assert.equal((await account.reserve(3n, NOW_MS)).kind, 'refused');
  assert.equal((await account.reserve(2n, NOW_MS)).kind, 'unavailable');
});

test('what a ledger may have taken already is not held against a call a second time while it is down', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account } = oneProcess(ledger, time, aBudget({ limitNanoUsd: 100n }));
  await account.refresh();
  ledger.script('answer is lost', 'arrives');
  ledger.usually = 'is lost';
  account.settle(NOW_MS, 0n, 40n);
  assert.equal((await account.refresh()).balance?.spentNanoUsd, 40n);
  assert.equal((await account.reserve(60n, NOW_MS)).kind, 'unavailable');
});

test('calls wait for a silent ledger until the deadline, and then no longer', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account, link, errors } = oneProcess(ledger, time);
  ledger.usually = 'hangs';
  const first = account.reserve(10n, NOW_MS);
  assert.ok(first instanceof Promise);
  const behind = account.reserve(10n, NOW_MS);
  time.pass(DEADLINE_MS - 1);
  assert.equal(link.up, true);
  time.pass(1);
  assert.equal((await first).kind, 'unavailable');
  assert.equal((await behind).kind, 'unavailable');
  assert.equal(link.up, false);
  const next = account.reserve(10n, NOW_MS);
  assert.ok(!(next instanceof Promise));
  assert.equal(next.kind, 'unavailable');
  assert.equal(errors.length, 1);
});

test('a reading that no call waits for may take a second', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account, link } = oneProcess(ledger, time);
  ledger.script('hangs');
  const reading = account.refresh();
  time.pass(999);
  assert.equal(link.up, true);
  ledger.release();
  assert.deepEqual((await reading).balance, { spentNanoUsd: 0n, reservedNanoUsd: 0n });
  ledger.script('hangs');
  const late = account.refresh();
  time.pass(1_000);
  await late;
  assert.equal(link.up, false);
});

test('an answer that comes after its deadline still counts, and counts once', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account, link } = oneProcess(ledger, time);
  account.settle(NOW_MS, 0n, 5n);
  ledger.script('hangs');
  account.settle(NOW_MS, 0n, 7n);
  const late = account.reserve(10n, NOW_MS);
  time.pass(DEADLINE_MS);
  assert.equal((await late).kind, 'unavailable');
  time.pass(10_000);
  assert.equal(link.up, true);
  ledger.release();
  await ledger.caughtUp();
  const { balance } = await account.refresh();
  assert.equal(balance?.spentNanoUsd, 12n);
  assert.equal(balance?.reservedNanoUsd, 10n);
});

test('a posting that arrives after a later one does not undo what the later one said is held', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account, link } = oneProcess(ledger, time);
  await account.reserve(10n, NOW_MS);
  ledger.script('hangs');
  account.settle(NOW_MS, 0n, 5n);
  const late = account.reserve(1n, NOW_MS);
  time.pass(DEADLINE_MS);
  await late;
  account.settle(NOW_MS, 11n, 0n);
  time.pass(10_000);
  assert.equal(link.up, true);
  assert.equal((await account.refresh()).balance?.reservedNanoUsd, 0n);
  ledger.release();
  await ledger.caughtUp();
  assert.deepEqual((await account.refresh()).balance, { spentNanoUsd: 5n, reservedNanoUsd: 0n });
});

test('a call that is over before the ledger has answered never makes the held amount negative', async () => {
  const shared = memoryLedger();
  const ledger = new UnreliableLedger(shared);
  const time = new StandingTime(NOW_MS);
  const { account: first, link } = oneProcess(ledger, time);
  const budget = aBudget({ name: 'second' });
  const second = new Account(budget, link, () => {});
  ledger.script('hangs', 'hangs');
  const given = [first.reserve(10n, NOW_MS)];
  time.pass(DEADLINE_MS - 10);
  given.push(second.reserve(10n, NOW_MS));
  second.settle(NOW_MS, 10n, 0n);
  const seen = oneProcess(shared, time, budget).account;
  // The first is given up, and the ledger is back before the second is: what it had asked is still on its way.
  for (let waitedMs = 0; waitedMs < 100; waitedMs += 1) {
    time.pass(1);
    assert.equal((await seen.refresh()).balance?.reservedNanoUsd, 0n);
  }
  ledger.release();
  await ledger.caughtUp();
  for (const verdict of given) await verdict;
  assert.equal((await seen.refresh()).balance?.reservedNanoUsd, 0n);
});

for (const when of ['at once', 'later'] as const) {
  test(`a user's own ledger that answers nonsense ${when} counts as down, and ends no process`, async () => {
    const nonsense = (): never => (when === 'at once' ? undefined : Promise.resolve()) as never;
    const ledger = { ...memoryLedger(), post: nonsense, balance: nonsense, history: nonsense };
    const { account, link, errors } = oneProcess(ledger, new StandingTime(NOW_MS));
    assert.equal((await account.reserve(10n, NOW_MS)).kind, 'unavailable');
    assert.equal(link.up, false);
    assert.equal(errors.length, 1);
  });
}

test('closing asks a ledger that was down once more at once, so that what was spent is not left behind', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account, link } = oneProcess(ledger, time);
  ledger.usually = 'is lost';
  account.settle(NOW_MS, 0n, 5n);
  time.pass(60_000);
  const asked = ledger.posts;
  while (ledger.posts === asked) time.pass(100);
  ledger.usually = 'arrives';
  // The next try would be later than anybody waits for at the end.
  const drained = link.drain(2_000);
  time.pass(2_000);
  assert.equal(await drained, true);
  assert.equal((await account.refresh()).balance?.spentNanoUsd, 5n);
});

test('while the ledger is down it is asked less and less often, down to once every five seconds', () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account } = oneProcess(ledger, time);
  ledger.usually = 'is lost';
  account.settle(NOW_MS, 0n, 5n);
  time.pass(60_000);
  const inAMinute = ledger.posts;
  time.pass(60_000);
  assert.ok(inAMinute < 30, String(inAMinute));
  // 5 s, half of which chance may take off: here it takes a quarter.
  assert.equal(ledger.posts - inAMinute, 16);
});

test('a million calls while the ledger is down leave one number for each hour', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account } = oneProcess(ledger, time);
  ledger.usually = 'is lost';
  for (let calls = 0; calls < 1_000_000; calls += 1) account.settle(NOW_MS + (calls % 3) * 3_600_000, 0n, 1n);
  ledger.usually = 'arrives';
  const before = ledger.posts;
  time.pass(10_000);
  // What was sent when it went down comes again, and then the rest.
  assert.equal(ledger.posts - before, 2);
  assert.equal((await account.refresh()).balance?.spentNanoUsd, 1_000_000n);
});

test('a reservation is repeated for as long as it is held, so that a long call keeps it', async () => {
  const shared = memoryLedger();
  const time = new StandingTime(NOW_MS);
  const { account } = oneProcess(shared, time);
  const other = oneProcess(shared, time);
  await account.reserve(900n, NOW_MS);
  time.pass(HOLD_MS * 10);
  assert.equal((await other.account.reserve(200n, NOW_MS)).kind, 'refused');
  account.settle(NOW_MS, 900n, 0n);
  assert.equal((await other.account.reserve(200n, NOW_MS)).kind, 'granted');
});

test('calls that ask at the same moment go to the ledger together', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const time = new StandingTime(NOW_MS);
  const { account } = oneProcess(ledger, time, aBudget({ limitNanoUsd: 500n }));
  ledger.script('hangs');
  const asked = Array.from({ length: 100 }, async () => account.reserve(10n, NOW_MS));
  ledger.release();
  const verdicts = await Promise.all(asked);
  assert.equal(verdicts.filter(({ kind }) => kind === 'granted').length, 50);
  assert.equal(ledger.posts, 2);
});

test('what a call has settled goes with the next reservation in one posting, or by itself before the process waits', async () => {
  const due: (() => void)[] = [];
  const time = Object.assign(new StandingTime(NOW_MS), { soon: (task: () => void) => void due.push(task) });
  const ledger = new UnreliableLedger(memoryLedger());
  const { account, link } = oneProcess(ledger, time);
  const turn = (): void => {
    for (const task of due.splice(0)) task();
  };
  await account.reserve(100n, NOW_MS);
  account.settle(NOW_MS, 100n, 70n);
  assert.equal(ledger.posts, 1);
  await account.reserve(200n, NOW_MS);
  assert.deepEqual([ledger.posts, account.known(NOW_MS)?.spentNanoUsd], [2, 70n]);
  turn();
  assert.equal(ledger.posts, 2, 'there is nothing left to post');
  account.settle(NOW_MS, 200n, 20n);
  turn();
  assert.equal(ledger.posts, 3);
  await account.reserve(300n, NOW_MS);
  account.settle(NOW_MS, 300n, 5n);
  const { balance } = await account.refresh();
  assert.deepEqual(
    [balance?.spentNanoUsd, balance?.reservedNanoUsd],
    [95n, 0n],
    'who reads the ledger reads all of it',
  );
  await account.reserve(400n, NOW_MS);
  account.settle(NOW_MS, 400n, 5n);
  assert.equal(await link.drain(0), true);
  assert.equal(
    (await ledger.balance({ account: 'all/month', periodMs: Date.UTC(2026, 10), window: { kind: 'calendar' } }, NOW_MS))
      .spentNanoUsd,
    100n,
  );
});

/** Time that stands, but for the end of the turn. */
function turningTime(): StandingTime {
  return Object.assign(new StandingTime(NOW_MS), { soon: (task: () => void) => void setImmediate(task) });
}

test('reservations that are gathered are one posting a turn, which grants what fits and no more', async () => {
  const stored = memoryLedger();
  const asked: number[] = [];
  const ledger: Ledger = {
    ...stored,
    post(posting) {
      asked.push(posting.requests.length);
      return stored.post(posting);
    },
  };
  const { account, link } = oneProcess(ledger, turningTime(), aBudget({ limitNanoUsd: 100n }));
  link.gathers = true;
  const verdicts = await Promise.all([40n, 40n, 40n].map(async (nanoUsd) => account.reserve(nanoUsd, NOW_MS, true)));
  assert.deepEqual(
    verdicts.map(({ kind }) => kind),
    ['granted', 'granted', 'refused'],
  );
  assert.deepEqual(asked, [3]);
  account.settle(NOW_MS, 40n, 10n);
  assert.equal((await account.reserve(50n, NOW_MS, true)).kind, 'granted');
  assert.deepEqual(asked, [3, 1]);
  const { balance } = await account.refresh();
  assert.deepEqual([balance?.spentNanoUsd, balance?.reservedNanoUsd], [10n, 90n]);
});

test('a gathered reservation does not wait for a ledger that has failed since it was asked for', async () => {
  const ledger = new UnreliableLedger(memoryLedger());
  const { account, link } = oneProcess(ledger, turningTime(), aBudget());
  link.gathers = true;
  ledger.usually = 'is lost';
  const asked = account.reserve(1n, NOW_MS, true);
  link.noteFailure(new Error('another posting was lost'));
  assert.equal((await asked).kind, 'unavailable');
});
