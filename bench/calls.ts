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
import { peerClients } from './peers.ts';
import { answersJson, answersStream, PARAMS, TOKENS_PER_ANSWER } from './messages.ts';

/** How much of it is done: `short` shows that it runs, `full` gives figures. */
export type Length = 'short' | 'full';

/** In each process. */
const ROUNDS: Readonly<Record<Length, number>> = { short: 2, full: 3 };

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

/** A JSON call, or a stream of content events, one to a chunk. */
interface Kind {
  readonly fetch: typeof globalThis.fetch;
  readonly call: (claude: Anthropic) => Promise<unknown>;
  readonly callsPerBlock: Readonly<Record<Length, number>>;
  readonly blocksPerRound: Readonly<Record<Length, number>>;
  /** Blocks before any is counted: the compiler is done with a call after 20,000. */
  readonly warmUps: Readonly<Record<Length, number>>;
}

/** A call whose answer has 2 KiB. */
const JSON_CALL: Kind = {
  fetch: answersJson,
  call: (claude) => claude.messages.create(PARAMS),
  callsPerBlock: { short: 25, full: 200 },
  blocksPerRound: { short: 4, full: 24 },
  warmUps: { short: 20, full: 100 },
};

/** Collections of garbage fall into one block and not the next: a round needs enough of both. */
function streamOf(events: number, bytes: number): Kind {
  return {
    fetch: answersStream(events, 'x'.repeat(bytes)),
    async call(claude) {
      for await (const event of await claude.messages.create({ ...PARAMS, stream: true })) void event;
    },
    callsPerBlock: { short: 4, full: Math.max(4, Math.ceil(3_200 / events)) },
    blocksPerRound: { short: Math.ceil(800 / events), full: 24 },
    warmUps: { short: 20, full: Math.max(30, Math.ceil(12_000 / events)) },
  };
}

const SMALL = streamOf(200, 20);
const LARGE = streamOf(2_000, 440);

interface Watched {
  readonly variants: Readonly<Record<string, Anthropic>>;
  readonly checked: readonly Measured[];
}

async function compareWays(kind: Kind, length: Length, { variants, checked }: Watched): Promise<Compared> {
  const { fetch, call, callsPerBlock, blocksPerRound, warmUps } = kind;
  const raw = new Anthropic({ apiKey: 'bench', fetch });
  const ways = Object.entries(variants).map(([name, claude]) => [name, () => call(claude)] as const);
  const compared = await compare({
    raw: () => call(raw),
    variants: Object.fromEntries(ways),
    callsPerBlock: callsPerBlock[length],
    blocksPerRound: blocksPerRound[length],
    rounds: ROUNDS[length],
    warmUps: warmUps[length],
  });
  for (const { check } of checked) await check();
  return compared;
}

function metricsAlone({ fetch }: Kind): Watched {
  const plain = measured(fetch);
  return { variants: { 'all metrics': plain.claude }, checked: [plain] };
}

function withSpans({ fetch }: Kind): Watched {
  const sdk = new Anthropic({ apiKey: 'bench', fetch, openTelemetry: spansThatGoNowhere() });
  const part = measured(fetch, { openTelemetry: spansThatGoNowhere() });
  const own = measured(fetch, { openTelemetry: { ...spansThatGoNowhere(), traces: false } });
  const variants = {
    "the SDK's own span": sdk,
    'all metrics, and its part of that span': part.claude,
    "all metrics, and plimsoll's own span": own.claude,
  };
  return { variants, checked: [part, own] };
}

async function withBudget(kind: Kind, length: Length, where: 'memory' | 'SQLite'): Promise<Compared> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
  const definitions = [{ name: 'all', period: 'day', usd: 1_000_000, mode: 'block' }] as const;
  const ledger = where === 'memory' ? memoryLedger() : sqliteLedger(join(folder, 'budgets.sqlite'));
  const held = budgets({ definitions, ledger });
  const plain = metricsAlone(kind);
  const guarded = measured(kind.fetch, {}, { budgets: held });
  const compared = await compareWays(kind, length, {
    variants: { ...plain.variants, [`all metrics, and a budget in ${where}`]: guarded.claude },
    checked: [...plain.checked, guarded],
  });
  await held.close();
  rmSync(folder, { recursive: true, force: true });
  return compared;
}

/** Other instrumentations of the SDK, with spans that go nowhere. */
function besidePeers(kind: Kind): Watched {
  const plain = metricsAlone(kind);
  const provider = spansThatGoNowhere().tracerProvider;
  const peers = peerClients({ sdkVersion: VERSION, provider }, { apiKey: 'bench', fetch: kind.fetch });
  const named = Object.entries(peers).map(([name, claude]) => [`${name}: spans`, claude] as const);
  return { variants: { ...plain.variants, ...Object.fromEntries(named) }, checked: plain.checked };
}

/** All comparisons, by name: each in a process that runs nothing else, as a program runs one of the variants. */
export const COMPARISONS = {
  json: (length: Length) => compareWays(JSON_CALL, length, metricsAlone(JSON_CALL)),
  spans: (length: Length) => compareWays(JSON_CALL, length, withSpans(JSON_CALL)),
  memory: (length: Length) => withBudget(JSON_CALL, length, 'memory'),
  sqlite: (length: Length) => withBudget(JSON_CALL, length, 'SQLite'),
  small: (length: Length) => compareWays(SMALL, length, metricsAlone(SMALL)),
  large: (length: Length) => compareWays(LARGE, length, metricsAlone(LARGE)),
  jsonPeers: (length: Length) => compareWays(JSON_CALL, length, besidePeers(JSON_CALL)),
  smallPeers: (length: Length) => compareWays(SMALL, length, besidePeers(SMALL)),
  largePeers: (length: Length) => compareWays(LARGE, length, besidePeers(LARGE)),
} as const;

export type ComparisonName = keyof typeof COMPARISONS;
