import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { redis, redisServer } from '../../testing/redis-server.ts';
import { finish, race, racer, scrapedSpentUsd } from '../../testing/budget/race.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-race-'));
after(() => rmSync(folder, { recursive: true }));

/** Short of what `scripts/budget-race.ts` runs, and so patient with the ledger that a busy machine changes nothing. */
const LEG = { limitUsd: '0.375', dearness: 1, calls: 150, atOnce: 1, answerMs: [2, 10], deadlineMs: 60_000 } as const;
const PROCESSES = 4;

/** Three budgets decide about each call. */
async function spendsTheLimit(ledger: string): Promise<void> {
  const leg = { ...LEG, ledger, others: ['second', 'third'] };
  const { billedNanoUsd, answered, refused, unavailable } = await race(PROCESSES, leg);
  assert.equal(unavailable, 0);
  assert.equal(answered + refused, PROCESSES * LEG.calls);
  const part = Number(billedNanoUsd) / 1e9 / Number(LEG.limitUsd);
  assert.ok(part > 0.95 && part < 1.02, `${part} of the limit is spent`);
}

test('processes that share an SQLite file spend what three budgets of a call have, and hardly more', () =>
  spendsTheLimit(join(folder, 'race.db')));

test(
  'processes that share a Redis spend what three budgets of a call have, and hardly more',
  { skip: redis.skip },
  async () => {
    const server = await redisServer();
    try {
      await spendsTheLimit(server.url);
    } finally {
      await server.end();
    }
  },
);

test('the gauges of replicas with ledgers of their own add up to the truth, a replaced replica included', async () => {
  const leg = { ...LEG, ledger: 'memory', calls: 20 };
  const first = await race(3, leg);
  const replacement = await race(1, leg);
  const scrapes = [...first.results, ...replacement.results].map(({ metrics }) => metrics);
  // A shared scrape of a replica counts once, however often it is scraped.
  const scraped = scrapedSpentUsd([...scrapes, ...scrapes]);
  const billed = Number(first.billedNanoUsd + replacement.billedNanoUsd) / 1e9;
  assert.ok(Math.abs(scraped - billed) < 1e-9, `${scraped} of ${billed}`);
});

test('a process killed in the middle of a thousand calls leaves all that it settled in its SQLite file', async () => {
  const path = join(folder, 'killed.db');
  const sim = simulator({
    keepRequests: 0,
    scenario: { latency: { firstByteMs: { kind: 'constant', value: 3 } } },
    limits: { other: {}, 'haiku-4.5': { requests: 1e9, inputTokens: 1e9, outputTokens: 1e9 } },
    respond: () => ({ text: 'Aye.', usage: { input_tokens: 1_000, output_tokens: 100 } }),
  });
  const callNanoUsd = 1_500_000n;
  const server = await serve(sim.handle, { port: 0 });
  const atOnce = 4;
  const leg = { ...LEG, ledger: path, limitUsd: '100', calls: 1_000, atOnce, seed: 1, others: ['second'] };
  const child = racer({ ...leg, baseUrl: server.url });
  const gone = once(child, 'exit');
  while (requests(sim) < 500) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGKILL');
  assert.deepEqual(await gone, [null, 'SIGKILL']);
  await server.close(0);
  assert.ok(requests(sim) < 1_000);

  const time = new StandingTime(Date.now());
  const ledger = sqliteLedger(path);
  const definitions = ['race', 'second'].map((name) => ({ name, period: 'month', usd: 100, mode: 'block' }) as const);
  const held = budgets({ definitions, ledger, clock: time, timers: time });
  const balance = async () => {
    const [first, second] = (await held.refresh()).budgets;
    // One transaction has written both.
    assert.deepEqual(second?.balance, first?.balance);
    return first?.balance;
  };
  const billed = [...sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + BigInt(totalNanoUsd), 0n);
  const spent = (await balance())?.spentNanoUsd ?? 0n;
  assert.equal(spent % callNanoUsd, 0n);
  assert.ok(spent <= billed && spent >= billed - BigInt(atOnce) * callNanoUsd, `${spent} of ${billed}`);
  assert.ok(((await balance())?.reservedNanoUsd ?? 0n) > 0n);
  time.pass(60_001);
  assert.deepEqual(await balance(), { spentNanoUsd: spent, reservedNanoUsd: 0n });
  await held.close();
});

function requests({ truth }: ReturnType<typeof simulator>): number {
  return [...truth.statuses.values()].reduce((sum, count) => sum + count, 0);
}

test('a process that ends normally has settled everything when its budgets are closed', async () => {
  const path = join(folder, 'ended.db');
  const { billedNanoUsd } = await finish(
    racer({ ...LEG, ledger: path, limitUsd: '100', calls: 50, atOnce: 5, seed: 3 }),
  );
  const held = budgets({ definitions: [{ name: 'race', period: 'month', usd: 100 }], ledger: sqliteLedger(path) });
  assert.deepEqual((await held.refresh()).budgets[0]?.balance, {
    spentNanoUsd: BigInt(billedNanoUsd),
    reservedNanoUsd: 0n,
  });
  await held.close();
});

const LEAVING = `
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
const held = budgets({ definitions: [{ name: 'race', period: 'month', usd: 100 }], ledger: sqliteLedger(process.argv[1]) });
const fetch = simulator({ respond: () => ({ text: 'Aye.', usage: { input_tokens: 1_000, output_tokens: 100 } }) }).fetch;
const claude = instrument(new Anthropic({ apiKey: 'none', fetch }), { registry: new Registry(), budgets: held });
await claude.messages.create({ model: 'claude-haiku-4-5', max_tokens: 200, messages: [{ role: 'user', content: 'Ahoy' }] });
process.exit();
`;

test('a process that exits as soon as it has its answer has settled the call', async () => {
  const path = join(folder, 'left.db');
  const run = ['--no-warnings', '--conditions=plimsoll-source', '--input-type=module', '-e', LEAVING, path];
  execFileSync(process.execPath, run, { cwd: import.meta.dirname });
  const held = budgets({ definitions: [{ name: 'race', period: 'month', usd: 100 }], ledger: sqliteLedger(path) });
  const balance = (await held.refresh()).budgets[0]?.balance;
  assert.deepEqual(balance, { spentNanoUsd: 1_500_000n, reservedNanoUsd: 0n });
  await held.close();
});
