import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { VERSION } from '@anthropic-ai/sdk/version';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { instrument, type InstrumentOptions } from 'plimsoll';
import { budgets, memoryLedger, sqliteLedger } from 'plimsoll/budget';
import { Registry } from 'prom-client';
import { compare, type Compared } from './compare.ts';
import { installPeers, type PeerClients } from './peers.ts';
import { answersJson, answersStream, PARAMS, TOKENS_PER_ANSWER } from './messages.ts';

/** How much of it is done: `short` shows that it runs, `full` gives figures. */
export type Length = 'short' | 'full';

const ROUNDS: Readonly<Record<Length, number>> = { short: 2, full: 9 };

/** Spans that are recorded and go nowhere: what is measured is making them, not exporting them. */
function spansThatGoNowhere(): { readonly tracerProvider: TracerProvider } {
  const nothing = (): Promise<void> => Promise.resolve();
  const processor = { onStart: () => undefined, onEnd: () => undefined, forceFlush: nothing, shutdown: nothing };
  return { tracerProvider: new TracerProvider({ spanProcessors: [processor] }) };
}

/** A client whose calls are measured, on a registry of its own. */
interface Measured {
  readonly claude: Anthropic;
  /** Throws unless every token of every call since the start was counted: a figure of a broken client is worth nothing. */
  readonly check: () => Promise<void>;
}

export function measured(
  fetch: typeof globalThis.fetch,
  options: ClientOptions = {},
  settings: InstrumentOptions = {},
): Measured {
  const registry = new Registry();
  let calls = 0;
  const counting: typeof globalThis.fetch = (...request) => {
    calls++;
    return fetch(...request);
  };
  const claude = instrument(new Anthropic({ apiKey: 'bench', fetch: counting, ...options }), { registry, ...settings });
  return {
    claude,
    async check() {
      const metrics = await registry.getMetricsAsJSON();
      const values = metrics.find(({ name }) => name === 'anthropic_tokens_total')?.values ?? [];
      const tokens = values.reduce((sum, { value }) => sum + value, 0);
      const expected = calls * TOKENS_PER_ANSWER;
      if (tokens !== expected) throw new Error(`expected ${expected} tokens of ${calls} calls, counted ${tokens}`);
    },
  };
}

/** Other instrumentations of the SDK, with spans that go nowhere. */
export function peers(): PeerClients {
  return installPeers(VERSION, spansThatGoNowhere().tracerProvider);
}

function waysOf(clients: Readonly<Record<string, Anthropic>>, way: (claude: Anthropic) => Promise<unknown>) {
  return Object.fromEntries(Object.entries(clients).map(([name, claude]) => [`${name}: spans`, () => way(claude)]));
}

/** CPU per JSON call of 2 KiB. */
export async function jsonCalls(length: Length, others: PeerClients): Promise<Compared> {
  const raw = new Anthropic({ apiKey: 'bench', fetch: answersJson });
  const rawSpans = new Anthropic({ apiKey: 'bench', fetch: answersJson, openTelemetry: spansThatGoNowhere() });
  const plain = measured(answersJson);
  const spans = measured(answersJson, { openTelemetry: spansThatGoNowhere() });
  const ownSpans = measured(answersJson, { openTelemetry: { ...spansThatGoNowhere(), traces: false } });
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
  const definitions = [{ name: 'all', period: 'day', usd: 1_000_000, mode: 'block' }] as const;
  const memory = budgets({ definitions, ledger: memoryLedger() });
  const sqlite = budgets({ definitions, ledger: sqliteLedger(join(folder, 'budgets.sqlite')) });
  const inMemory = measured(answersJson, {}, { budgets: memory });
  const inSqlite = measured(answersJson, {}, { budgets: sqlite });
  const compared = await compare({
    raw: () => raw.messages.create(PARAMS),
    variants: {
      'all metrics': () => plain.claude.messages.create(PARAMS),
      "the SDK's own span": () => rawSpans.messages.create(PARAMS),
      'all metrics, and its part of that span': () => spans.claude.messages.create(PARAMS),
      "all metrics, and plimsoll's own span": () => ownSpans.claude.messages.create(PARAMS),
      'all metrics, and a budget in memory': () => inMemory.claude.messages.create(PARAMS),
      'all metrics, and a budget in SQLite': () => inSqlite.claude.messages.create(PARAMS),
      ...waysOf(others({ apiKey: 'bench', fetch: answersJson }), (claude) => claude.messages.create(PARAMS)),
    },
    callsPerBlock: length === 'full' ? 100 : 25,
    blocksPerRound: length === 'full' ? 40 : 4,
    rounds: ROUNDS[length],
  });
  await Promise.all([plain, spans, ownSpans, inMemory, inSqlite].map((client) => client.check()));
  await Promise.all([memory.close(), sqlite.close()]);
  rmSync(folder, { recursive: true, force: true });
  return compared;
}

async function drained(claude: Anthropic): Promise<void> {
  for await (const event of await claude.messages.create({ ...PARAMS, stream: true })) void event;
}

/** CPU per stream: of so many content events of so many bytes, one to a chunk. */
export async function streams(
  length: Length,
  { events, bytes, others }: { readonly events: number; readonly bytes: number; readonly others: PeerClients },
): Promise<Compared> {
  const fetch = answersStream(events, 'x'.repeat(bytes));
  const raw = new Anthropic({ apiKey: 'bench', fetch });
  const plain = measured(fetch);
  const compared = await compare({
    raw: () => drained(raw),
    variants: {
      'all metrics': () => drained(plain.claude),
      ...waysOf(others({ apiKey: 'bench', fetch }), drained),
    },
    callsPerBlock: 4,
    // Collections of garbage fall into one block and not the next: a round needs enough of both.
    blocksPerRound: length === 'full' ? Math.max(24, Math.ceil(16_000 / events)) : Math.ceil(800 / events),
    rounds: ROUNDS[length],
  });
  await plain.check();
  return compared;
}
