/**
 * What happens to files of SQLite in use: deleted, replaced by a copy, full. With real files and limits. Amounts are worked
 * out by hand.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isBudgetExceeded, sqliteLedger, type BudgetDefinition } from 'plimsoll/budget';
import { sqliteTokens } from '../../src/gateway/access/sqlite-tokens.ts';
import { aRecord } from '../../testing/gateway/token-records.ts';
import { budgeted, type BudgetedClient } from '../../testing/budget/budgeted-client.ts';
import { aPosting } from '../../testing/budget/ledgers.ts';
import { PARAMS, samples } from '../../testing/client-workbench.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-files-'));
after(() => rmSync(folder, { recursive: true }));

it('a file of tokens that is deleted in use is refused what it knew, and the one in its place is as private', async () => {
  const path = join(folder, 'private.db');
  const store = sqliteTokens(path);
  const record = aRecord();
  await store.put(record);
  assert.notEqual(await store.find(record.id), null);
  const before = store.version?.();
  rmSync(path);
  await assert.rejects(
    async () => {
      for (const untilMs = performance.now() + 120_000; performance.now() < untilMs;) {
        await store.find(record.id);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    { name: 'TokenStoreError' },
  );
  assert.equal(await store.find(record.id), null);
  assert.notEqual(store.version?.(), before);
  assert.equal(statSync(path).mode & 0o077, 0);
  await store.close();
});

const MOST = 1e9;
const UNLIMITED = { requests: MOST, inputTokens: MOST, outputTokens: MOST };
/** A call costs $0.001: 1,000 tokens in at $1 a million, none out. */
const simulator = {
  limits: { other: UNLIMITED, 'haiku-4.5': UNLIMITED },
  respond: () => ({ text: '', usage: { input_tokens: 1_000, output_tokens: 0 } }),
};
/** Expected at $0.001 and a little: a prompt of 2,700 characters. */
const CALL = { ...PARAMS, max_tokens: 1, messages: [{ role: 'user' as const, content: 'x'.repeat(2_620) }] };
const CALL_NANO_USD = 1_000_000n;
const MONTH: BudgetDefinition = { name: 'all', period: 'month', usd: '0.0301', mode: 'block' };

async function call({ claude }: BudgetedClient): Promise<boolean> {
  try {
    await claude.messages.create(CALL);
    return true;
  } catch (error) {
    assert.ok(isBudgetExceeded(error), String(error));
    return false;
  }
}

async function untilRefused(client: BudgetedClient): Promise<number> {
  let answered = 0;
  while (await call(client)) answered += 1;
  return answered;
}

/** Reads the ledger until it has failed, and answers again: a file is compared with its path once a second. */
async function noticed({ held, registry }: BudgetedClient): Promise<void> {
  for (const untilMs = performance.now() + 120_000; performance.now() < untilMs;) {
    await held.refresh();
    const { 'stage=ledger': failed = 0 } = await samples(registry, 'plimsoll_errors_total');
    if (failed > 0 && held.ledger.up) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('nobody noticed');
}

describe('the file of a ledger in use', { concurrency: true }, () => {
  const cases = {
    'is deleted': (path: string) => rmSync(path),
    'is deleted with the files beside it': (path: string) => {
      for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`);
    },
    'is moved away': (path: string) => renameSync(path, `${path}.old`),
    'gives way to an older copy': (path: string) => {
      for (const end of ['-wal', '-shm']) rmSync(`${path}${end}`);
      renameSync(`${path}.copy`, path);
    },
  };
  for (const [how, remove] of Object.entries(cases)) {
    it(`${how}: the month is spent once by those who go on, and by those who come`, async () => {
      const path = join(folder, `${how.replaceAll(' ', '-')}.db`);
      const first = sqliteLedger(path);
      await first.post(aPosting());
      await first.close();
      writeFileSync(`${path}.copy`, readFileSync(path));
      const ledger = sqliteLedger(path);
      const client = budgeted([MONTH], { simulator, budgets: { ledger } });
      for (let calls = 0; calls < 10; calls += 1) assert.ok(await call(client));
      await client.held.flush();
      remove(path);
      await noticed(client);
      const more = await untilRefused(client);
      await client.held.flush();
      const late = sqliteLedger(path);
      const next = budgeted([MONTH], { simulator, budgets: { ledger: late } });
      assert.equal(await untilRefused(next), 0);
      assert.ok(more === 19 || more === 20, String(more));
      const spent = BigInt(10 + more) * CALL_NANO_USD;
      assert.deepEqual([client.billed(), (await next.balance()).spent], [spent, spent]);
      assert.equal(late.id(), ledger.id());
      for (const one of [ledger, late]) await one.close();
    });
  }
});

/** Makes calls on a ledger in a process of its own, and prints what came of them. */
const CALLING = `
import { appendFileSync, rmSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { isBudgetExceeded, sqliteLedger } from 'plimsoll/budget';
import { budgeted } from ${JSON.stringify(join(import.meta.dirname, '../../testing/budget/budgeted-client.ts'))};
import { samples } from ${JSON.stringify(join(import.meta.dirname, '../../testing/client-workbench.ts'))};
const { path, call, usd, most, onLedgerDown } = JSON.parse(process.argv[1]);
const unlimited = { requests: 1e9, inputTokens: 1e9, outputTokens: 1e9 };
const simulator = {
  limits: { other: unlimited, 'haiku-4.5': unlimited },
  respond: () => ({ text: '', usage: { input_tokens: 1_000, output_tokens: 0 } }),
};
const ledger = sqliteLedger(path);
const client = budgeted([{ name: 'all', period: 'month', usd, mode: 'block', onLedgerDown }], { simulator, budgets: { ledger } });
let [answered, refused, reason] = [0, 0, null];
while (answered + refused < most) {
  try {
    await client.claude.messages.create(call);
    answered += 1;
    await setImmediate();
  } catch (error) {
    if (!isBudgetExceeded(error)) throw error;
    refused += 1;
    reason = error.reason;
    if (refused === 3) break;
  }
}
const { 'stage=ledger': errors = 0 } = await samples(client.registry, 'plimsoll_errors_total');
const stored = await client.held.close();
console.log(JSON.stringify({ answered, refused, reason, errors, stored, billed: Number(client.billed()) }));
process.exit();
`;

interface Came {
  readonly answered: number;
  readonly reason: string | null;
  readonly errors: number;
  readonly stored: boolean;
  readonly billed: number;
}

function calling(asked: object, limit = ''): Came {
  const run = ['--no-warnings', '--conditions=plimsoll-source', '--input-type=module', '-e', CALLING, '--'];
  const command = `${limit} exec "$0" "$@"`;
  const args = ['-c', command, process.execPath, ...run, JSON.stringify({ call: CALL, ...asked })];
  return JSON.parse(execFileSync('bash', args, { cwd: import.meta.dirname, encoding: 'utf8' })) as Came;
}

describe('a ledger whose file may not grow any further', () => {
  it('lets a budget that is closed refuse, loses nothing that it took, and says that not all was stored', async () => {
    const path = join(folder, 'full.db');
    // 160 KiB: the file and its log have a little room.
    const came = calling({ path, usd: 100, most: 3_000, onLedgerDown: 'closed' }, 'ulimit -f 160;');
    assert.ok(came.answered > 10 && came.answered < 3_000, JSON.stringify(came));
    assert.deepEqual([came.reason, came.stored], ['ledger_unavailable', false]);
    assert.ok(came.errors >= 1);
    const ledger = sqliteLedger(path);
    const spent = (await budgeted([{ ...MONTH, usd: 100 }], { budgets: { ledger } }).balance()).spent;
    // The last call was under way when the file was full.
    assert.ok(
      spent >= BigInt(came.billed) - 2n * CALL_NANO_USD && spent <= BigInt(came.billed),
      `${spent} of ${came.billed}`,
    );
    await ledger.close();
  });
});
