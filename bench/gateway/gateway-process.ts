/** A gateway as `plimsoll gateway` makes it: a token in SQLite, all metrics, and budgets where they are asked for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { gateway } from 'plimsoll/gateway';
import { Registry } from 'prom-client';
import { authenticator } from '../../src/gateway/access/authenticator.ts';
import { unboundClient } from '../../src/gateway/access/client.ts';
import { sqliteTokens } from '../../src/gateway/access/sqlite-tokens.ts';
import { TokenSpend } from '../../src/gateway/access/token-spend.ts';
import { newToken, secretHash, tokenText } from '../../src/gateway/access/tokens.ts';
import { listen } from '../../src/http/listen.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { answering } from './child.ts';
import type { Target } from './load-process.ts';

const [baseUrl = '', variant = 'plain'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const errors: string[] = [];
const registry = new Registry();
const store = sqliteTokens(join(folder, 'tokens.db'));
const client = unboundClient('bench', 'prod-api-key');
const definitions = [{ name: 'all', period: 'day', usd: 1_000_000, mode: 'block' }] as const;
const held = gateway({
  authenticate: authenticator({
    store,
    clients: new Map([['bench', client]]),
    spend: new TokenSpend({ prices: defaultPrices() }),
  }),
  keys: new Map([['prod-api-key', () => 'sk-ant-bench']]),
  baseUrl,
  registry,
  onError: (error) => errors.push(String(error)),
  ...(variant === 'budget' && {
    budgets: budgets({ definitions, ledger: sqliteLedger(join(folder, 'budgets.sqlite')) }),
  }),
});
const serving = await listen(held.listener, { port: 0 });
const parts = newToken();
await store.put({
  id: parts.id,
  hash: secretHash(parts.secret),
  client: 'bench',
  createdAtMs: Date.now(),
  expiresAtMs: null,
  revokedAtMs: null,
  note: '',
  minted: null,
  member: null,
});

async function sumOf(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const metrics = await registry.getMetricsAsJSON();
  const values = metrics.find((metric) => metric.name === name)?.values ?? [];
  const matches = (own: Readonly<Record<string, unknown>>): boolean =>
    Object.entries(labels).every(([label, value]) => own[label] === value);
  return values.reduce((sum, { labels: own, value }) => (matches(own) ? sum + value : sum), 0);
}

answering({
  target: (): Target => ({ url: serving.url, token: tokenText(parts) }),
  errors: () => errors,
  counted: async () => ({
    calls: await sumOf('anthropic_requests_total', { outcome: 'ok' }),
    inputTokens: await sumOf('anthropic_tokens_total', { kind: 'input' }),
    outputTokens: await sumOf('anthropic_tokens_total', { kind: 'output' }),
  }),
});
