import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, withAttribution } from 'plimsoll';
import { budgets, sqliteLedger, type BudgetDefinition, type Budgets } from 'plimsoll/budget';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';

/** A budget for the month, under the tier's cap of $500, and one per day for each route. That of research is almost spent when the demo begins. */
const DEFINITIONS: readonly BudgetDefinition[] = [
  { name: 'all', period: 'month', usd: 480 },
  { name: 'chat', scope: { label: 'route', value: 'chat' }, period: 'day', usd: 10 },
  { name: 'review', scope: { label: 'route', value: 'review' }, period: 'day', usd: 6 },
  { name: 'research', scope: { label: 'route', value: 'research' }, period: 'day', usd: 8 },
];

/** What the service spends in a month at its pace, in US dollars: more than its budget, and than the tier's cap of $500. */
const MONTH_USD = 525;

/** What the routes have spent today at the end of a day like the others; research has spent its part already. */
const DAY_USD = { chat: 6, review: 3.5 } as const;

const RESEARCH_USD = 7.97;

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

interface Spend {
  readonly atMs: number;
  readonly usd: number;
  readonly route?: string;
}

/** The spend of each day of the month before today, and of today by route. */
function* spendSoFar(now: Date): Generator<Spend> {
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  const today = Date.UTC(year, month, now.getUTCDate());
  const daysOfMonth = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  for (let atMs = Date.UTC(year, month); atMs < today; atMs += DAY_MS) yield { atMs, usd: MONTH_USD / daysOfMonth };
  const passed = (now.getTime() - today) / DAY_MS;
  for (const [route, usd] of Object.entries(DAY_USD)) yield { atMs: today, usd: usd * passed, route };
  yield { atMs: today, usd: RESEARCH_USD, route: 'research' };
}

/** Fills the ledger with calls that cost what was spent, made through an instrumented client. */
async function spendMonthSoFar(ledgerPath: string): Promise<void> {
  let atMs = 0;
  let output_tokens = 0;
  const clock = { epochMs: () => atMs, monotonicMs: () => atMs };
  const kept = budgets({ definitions: DEFINITIONS, ledger: sqliteLedger(ledgerPath), clock });
  const api = simulator({
    tier: 'custom',
    respond: () => ({ text: 'Done.', usage: { input_tokens: 0, output_tokens } }),
  });
  const claude = instrument(new Anthropic({ apiKey: 'simulated', baseURL: 'http://simulated', fetch: api.fetch }), {
    registry: new Registry(),
    attribution: { route: ['chat', 'review', 'research'] },
    budgets: kept,
    clock,
  });
  const messages = [{ role: 'user' as const, content: 'What was there to do today?' }];
  for (const { usd, route, ...when } of spendSoFar(new Date())) {
    atMs = when.atMs;
    output_tokens = Math.round((usd / USD_PER_MILLION_OUTPUT_TOKENS) * 1_000_000);
    await withAttribution(route === undefined ? {} : { route }, () =>
      claude.messages.create({ model: 'claude-opus-5-5', max_tokens: 1_024, messages }),
    );
  }
  await kept.close();
}
