import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { budgets, sqliteLedger, type BudgetDefinition, type Budgets } from 'plimsoll/budget';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';

/** A budget for the month, under the tier's cap of $500, and one per day for each route. That of research is too small on purpose. */
const DEFINITIONS: readonly BudgetDefinition[] = [
  { name: 'all', period: 'month', usd: 480 },
  { name: 'chat', scope: { label: 'route', value: 'chat' }, period: 'day', usd: 20 },
  { name: 'review', scope: { label: 'route', value: 'review' }, period: 'day', usd: 20 },
  { name: 'research', scope: { label: 'route', value: 'research' }, period: 'day', usd: '0.25' },
];

/** Spend of this month before the demo begins, in US dollars: close to the tier's cap of $500. */
const SPENT_BEFORE_USD = 462;

/** Budgets whose ledger lasts as long as the demo. */
interface DemoBudgets {
  readonly budgets: Budgets;
  /** Path of the ledger, which `plimsoll budgets` can read while the demo runs. */
  readonly ledgerPath: string;
  close(): Promise<void>;
}

/** Opens the demo's budgets in a temporary SQLite file, with spend of the month so far unless the calls are real. */
export async function demoBudgets({ live }: { readonly live: boolean }): Promise<DemoBudgets> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-demo-'));
  const ledgerPath = join(folder, 'budgets.sqlite');
  if (!live) await spendMonthSoFar(ledgerPath);
  const kept = budgets({ definitions: DEFINITIONS, ledger: sqliteLedger(ledgerPath) });
  return {
    budgets: kept,
    ledgerPath,
    async close() {
      await kept.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const DAY_MS = 24 * 60 * 60 * 1_000;
/** Price of claude-opus-5-5. */
const USD_PER_MILLION_OUTPUT_TOKENS = 20;

/** Fills the ledger with one call per day of this month, made through an instrumented client. */
async function spendMonthSoFar(ledgerPath: string): Promise<void> {
  const now = new Date();
  const monthStartMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
  const days = Math.max(1, Math.floor((now.getTime() - monthStartMs) / DAY_MS));
  const output_tokens = Math.round((SPENT_BEFORE_USD / days / USD_PER_MILLION_OUTPUT_TOKENS) * 1_000_000);
  let atMs = monthStartMs;
  const clock = { epochMs: () => atMs, monotonicMs: () => atMs };
  const kept = budgets({ definitions: DEFINITIONS, ledger: sqliteLedger(ledgerPath), clock });
  const api = simulator({
    tier: 'custom',
    respond: () => ({ text: 'Done.', usage: { input_tokens: 0, output_tokens } }),
  });
  const claude = instrument(new Anthropic({ apiKey: 'simulated', baseURL: 'http://simulated', fetch: api.fetch }), {
    registry: new Registry(),
    attribution: { route: [] },
    budgets: kept,
    clock,
  });
  for (let day = 0; day < days; day += 1) {
    atMs = monthStartMs + day * DAY_MS;
    const messages = [{ role: 'user' as const, content: 'What was there to do today?' }];
    await claude.messages.create({ model: 'claude-opus-5-5', max_tokens: 1_024, messages });
  }
  await kept.close();
}
