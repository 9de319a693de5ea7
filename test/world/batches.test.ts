/**
 * Batches under a budget: the money is spent hours after they were created, by requests that no call shows. Amounts are
 * worked out by hand.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isBudgetExceeded, sqliteLedger, type BudgetDefinition } from 'plimsoll/budget';
import { budgeted, readAll, type BudgetedClient, type BudgetedOptions } from '../../testing/budget/budgeted-client.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-batches-'));
after(() => rmSync(folder, { recursive: true }));

const DOLLAR: BudgetDefinition = { name: 'all', period: { rollingHours: 24 * 30 }, usd: 1, mode: 'block' };

/** Each of 60 requests is expected to write 500 of 1,000 tokens, at $2.50 a million: $0.075, and a little for the prompt. */
const REQUESTS = Array.from({ length: 60 }, (_, number) => ({
  custom_id: `r${number}`,
  params: { model: 'claude-haiku-4-5', max_tokens: 1_000, messages: [{ role: 'user' as const, content: 'Ahoy' }] },
}));

/** 600 tokens each come out: 60 of them cost $0.09, and $0.0003 for 10 tokens in at $0.50 a million. */
const BILLED_NANO_USD = 60n * (600n * 2_500n + 10n * 500n);

function bench(options: BudgetedOptions = {}): BudgetedClient {
  return budgeted([DOLLAR], {
    simulator: {
      scenario: { latency: { batchMs: { kind: 'constant', value: 0 } } },
      respond: () => ({ usage: { input_tokens: 10, output_tokens: 600 } }),
    },
    ...options,
  });
}

const create = ({ claude }: BudgetedClient) => claude.messages.batches.create({ requests: REQUESTS });

async function untilRefused(made: () => Promise<unknown>, most: number): Promise<number> {
  for (let count = 0; count < most; count += 1) {
    try {
      await made();
    } catch (error) {
      assert.ok(isBudgetExceeded(error), String(error));
      return count;
    }
  }
  return most;
}

async function ended({ claude }: BudgetedClient, id: string): Promise<void> {
  while ((await claude.messages.batches.retrieve(id)).processing_status !== 'ended')
    await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a batch under a budget that blocks', () => {
  it('holds what it may cost: of 30 batches of $0.076, thirteen fit into a dollar', async () => {
    const one = bench();
    assert.equal(await untilRefused(() => create(one), 30), 13);
    const { spent, reserved } = await one.balance();
    assert.equal(spent, 0n);
    assert.ok(reserved > 900_000_000n && reserved <= 1_000_000_000n, String(reserved));
  });

  it('spends what it cost when its results are read, and holds nothing more', async () => {
    const one = bench();
    const { id } = await create(one);
    assert.ok((await one.balance()).reserved > 75_000_000n);
    await ended(one, id);
    await readAll(await one.claude.messages.batches.results(id));
    assert.deepEqual(await one.balance(), { spent: BILLED_NANO_USD, reserved: 0n });
    await readAll(await one.claude.messages.batches.results(id));
    assert.deepEqual(await one.balance(), { spent: BILLED_NANO_USD, reserved: 0n });
  });

  it('holds nothing more once it was canceled before any request was done', async () => {
    const one = bench({ simulator: { scenario: { latency: { batchMs: { kind: 'constant', value: 1e9 } } } } });
    const { id } = await create(one);
    await one.claude.messages.batches.cancel(id);
    await ended(one, id);
    assert.deepEqual(await one.balance(), { spent: 0n, reserved: 0n });
  });

  it('is held beyond the end of the process that made it, and released by the one that reads its results', async () => {
    const path = join(folder, 'ledger.db');
    const one = bench({ budgets: { ledger: sqliteLedger(path) } });
    const { id } = await create(one);
    await ended(one, id);
    await one.held.close();
    const two = budgeted([DOLLAR], { budgets: { ledger: sqliteLedger(path) }, client: { fetch: one.sim.fetch } });
    assert.ok((await two.balance()).reserved > 75_000_000n);
    await readAll(await two.claude.messages.batches.results(id));
    assert.deepEqual(await two.balance(), { spent: BILLED_NANO_USD, reserved: 0n });
    await two.held.close();
  });

  it('holds for a day where nobody reads its results, however long its process is silent', async () => {
    const time = new StandingTime(Date.now());
    const one = bench({ budgets: { clock: time, timers: time }, instrument: { clock: time } });
    await create(one);
    time.pass(23 * 3_600_000);
    assert.ok((await one.balance()).reserved > 75_000_000n);
    time.pass(3_600_001);
    assert.deepEqual(await one.balance(), { spent: 0n, reserved: 0n });
  });
});
