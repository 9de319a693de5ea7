/**
 * Calls that are left before an answer: the API has read their prompts and bills them, and never says so. Amounts are
 * worked out by hand.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { BudgetDefinition } from 'plimsoll/budget';
import { budgeted, type BudgetedClient } from '../../testing/budget/budgeted-client.ts';
import { PARAMS } from '../../testing/client-workbench.ts';

const ROOMY: BudgetDefinition = { name: 'all', period: 'month', usd: 100, mode: 'block' };

const SILENT = { scenario: { latency: { firstByteMs: { kind: 'constant', value: 60_000 } } } } as const;

/** 96 KB: 35,600 tokens at 2.7 characters each, or $0.0356 at $1 a million. */
const LONG = { ...PARAMS, messages: [{ role: 'user' as const, content: 'x'.repeat(96_000) }] };
const LEAST_NANO_USD = 35_555_000n;
const MOST_NANO_USD = 35_700_000n;

async function leave({ claude, sim }: BudgetedClient): Promise<void> {
  const leaving = new AbortController();
  const before = sim.truth.requests.length;
  const call = claude.messages.create(LONG, { signal: leaving.signal });
  call.catch(() => undefined);
  while (sim.truth.requests.length === before) await new Promise((resolve) => setImmediate(resolve));
  leaving.abort();
  await assert.rejects(call);
}

function isBetween(spent: bigint, calls: bigint): void {
  assert.ok(spent >= calls * LEAST_NANO_USD && spent <= calls * MOST_NANO_USD, `${spent} for ${calls} calls`);
}

describe('a call that is left before an answer', () => {
  it('costs its prompt, as estimated: 20 calls of 96 KB cost $0.71, and hold nothing more', async () => {
    const bench = budgeted([ROOMY], { simulator: SILENT });
    for (let calls = 0; calls < 20; calls += 1) await leave(bench);
    const { spent, reserved } = await bench.balance();
    isBetween(spent, 20n);
    assert.equal(reserved, 0n);
  });

  it('costs its prompt for each attempt that timed out', async () => {
    const bench = budgeted([ROOMY], { simulator: SILENT, client: { maxRetries: 1 } });
    await assert.rejects(bench.claude.messages.create(LONG, { timeout: 50 }));
    assert.equal(bench.sim.truth.requests.length, 2);
    isBetween((await bench.balance()).spent, 2n);
  });

  it('costs nothing where it was given up before it was sent, or while it waited to be sent again', async () => {
    const bench = budgeted([ROOMY]);
    const gone = AbortSignal.abort();
    await assert.rejects(bench.claude.messages.create(LONG, { signal: gone }));
    bench.sim.script([{ fault: 'overloaded', headers: { 'retry-after': '600' } }]);
    const leaving = new AbortController();
    const waiting = bench.claude.messages.create(LONG, { signal: leaving.signal });
    waiting.catch(() => undefined);
    while (bench.sim.truth.statuses.get(529) !== 1) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await assert.rejects(waiting);
    assert.deepEqual(await bench.balance(), { spent: 0n, reserved: 0n });
  });

  it('costs nothing where nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    server.close();
    await once(server, 'close');
    const bench = budgeted([ROOMY], { client: { baseURL: `http://127.0.0.1:${port}`, fetch, maxRetries: 0 } });
    await assert.rejects(bench.claude.messages.create(LONG));
    assert.deepEqual(await bench.balance(), { spent: 0n, reserved: 0n });
  });
});
