/** A gateway as `plimsoll gateway` makes it: tokens in SQLite, all metrics, and what else is asked for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { gateway } from 'plimsoll/gateway';
import { Registry } from 'prom-client';
import { authenticator } from '../../src/gateway/access/authenticator.ts';
import { unboundClient, type ClientRules } from '../../src/gateway/access/client.ts';
import { sqliteTokens } from '../../src/gateway/access/sqlite-tokens.ts';
import { TokenSpend } from '../../src/gateway/access/token-spend.ts';
import { newToken, secretHash, tokenText } from '../../src/gateway/access/tokens.ts';
import { listen } from '../../src/http/listen.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { answering } from './child.ts';
import type { Target } from './load-process.ts';

/** How much the gateway has of what can make it slower. */
export interface Held {
  /** Each with a token; one by default. */
  readonly clients?: number;
  /** Of each client, at most six; none by default. */
  readonly rules?: number;
  /** In SQLite, each counting for every call; none by default. */
  readonly budgets?: number;
}

/** None of them refuses what the load sends. */
const RULES: Partial<ClientRules> = {
  models: ['haiku'],
  maxTokens: { tokens: 4_096, above: 'reject' },
  bodyBytes: 1 << 20,
  requestsAtOnce: 10_000,
  requestsPerMinute: 1e9,
  inputTokensPerMinute: 1e12,
};

const [baseUrl = '', holding = '{}'] = process.argv.slice(2);
const { clients: clientCount = 1, rules = 0, budgets: budgetCount = 0 } = JSON.parse(holding) as Held;
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const errors: string[] = [];
const registry = new Registry();
const store = sqliteTokens(join(folder, 'tokens.db'));
const bounds = Object.fromEntries(Object.entries(RULES).slice(0, rules));
const names = Array.from({ length: clientCount }, (_, index) => `bench-${index}`);
const clients = new Map(names.map((name) => [name, { ...unboundClient(name, 'prod-api-key'), ...bounds }]));
const definitions = Array.from(
  { length: budgetCount },
  (_, index) => ({ name: `all-${index}`, period: 'day', usd: 1_000_000, mode: 'block' }) as const,
);
const held = gateway({
  authenticate: authenticator({
    store,
    clients,
    spend: new TokenSpend({ prices: defaultPrices() }),
  }),
  keys: new Map([['prod-api-key', () => 'sk-ant-bench']]),
  baseUrl,
  registry,
  onError: (error) => errors.push(String(error)),
  ...(budgetCount > 0 && {
    budgets: budgets({ definitions, ledger: sqliteLedger(join(folder, 'budgets.sqlite')) }),
  }),
});
const serving = await listen(held.listener, { port: 0 });
const tokens: string[] = [];
for (const name of names) {
  const parts = newToken();
  await store.put({
    ...{ id: parts.id, hash: secretHash(parts.secret), client: name, createdAtMs: Date.now(), expiresAtMs: null },
    ...{ revokedAtMs: null, note: '', minted: null, member: null },
  });
  tokens.push(tokenText(parts));
}

async function sumOf(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const metrics = await registry.getMetricsAsJSON();
  const values = metrics.find((metric) => metric.name === name)?.values ?? [];
  const matches = (own: Readonly<Record<string, unknown>>): boolean =>
    Object.entries(labels).every(([label, value]) => own[label] === value);
  return values.reduce((sum, { labels: own, value }) => (matches(own) ? sum + value : sum), 0);
}

answering({
  target: (): Target => ({ url: serving.url, token: tokens[0] ?? '', tokens }),
  errors: () => errors,
  counted: async () => ({
    calls: await sumOf('anthropic_requests_total', { outcome: 'ok' }),
    inputTokens: await sumOf('anthropic_tokens_total', { kind: 'input' }),
    outputTokens: await sumOf('anthropic_tokens_total', { kind: 'output' }),
  }),
});
