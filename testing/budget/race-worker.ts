/**
 * One process of a race: makes calls through the real SDK, held to one budget or several, and says what they came to. Its API is a
 * simulator in this process, or the one at `baseUrl`.
 */
import { parseArgs } from 'node:util';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { budgets, isBudgetExceeded, memoryLedger, sqliteLedger, type Ledger } from 'plimsoll/budget';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';

/** What a worker is told. */
export interface RaceLeg {
  /** `memory`, a Redis URL, or the path of an SQLite file. */
  readonly ledger: string;
  readonly limitUsd: string;
  readonly calls: number;
  /** What a call costs on average, in units of $0.00125. */
  readonly dearness: number;
  /** Calls under way at the same time. */
  readonly atOnce: number;
  readonly seed: number;
  /** How long the API takes to answer, at least and at most. */
  readonly answerMs: readonly [number, number];
  /** How long a call waits for the ledger; as long as it always does, unless it is given. */
  readonly deadlineMs?: number;
  readonly baseUrl?: string;
  /** More budgets of all calls, with the same limit. */
  readonly others?: readonly string[];
}

/** What a worker answers. Money is in nano-dollars, as text. */
export interface RaceResult {
  readonly billedNanoUsd: string;
  readonly answered: number;
  readonly refused: number;
  readonly unavailable: number;
  /** The registry as Prometheus scrapes it. */
  readonly metrics: string;
}

async function ledgerOf({ ledger, deadlineMs }: RaceLeg): Promise<Ledger> {
  if (ledger === 'memory') return memoryLedger();
  if (!ledger.startsWith('redis://'))
    return sqliteLedger(ledger, deadlineMs === undefined ? {} : { lockWaitMs: deadlineMs });
  const { redisLedger } = await import('plimsoll/redis');
  return redisLedger(ledger, deadlineMs === undefined ? {} : { deadlineMs });
}

async function run(leg: RaceLeg): Promise<RaceResult> {
  // At Claude Haiku 4.5 a call costs a quarter to seven quarters of the average, and only the average can be held.
  let draw = leg.seed * 7_919;
  const random = (): number => (draw = (draw * 48_271) % 2_147_483_647) / 2_147_483_647;
  const sim = simulator({
    seed: leg.seed,
    keepRequests: 0,
    // Without any waiting the process would never look at its sockets: a real API is always a network away.
    scenario: { latency: { firstByteMs: { kind: 'uniform', min: leg.answerMs[0], max: leg.answerMs[1] } } },
    limits: { other: UNLIMITED, 'haiku-4.5': UNLIMITED },
    respond: () => ({ text: 'Aye.', usage: usageOf(leg.dearness, random()) }),
  });
  const held = budgets({
    definitions: ['race', ...(leg.others ?? [])].map(
      (name) => ({ name, period: 'month', usd: leg.limitUsd, mode: 'block' }) as const,
    ),
    ledger: await ledgerOf(leg),
    ...(leg.deadlineMs !== undefined && { deadlineMs: leg.deadlineMs }),
  });
  const registry = new Registry();
  const client =
    leg.baseUrl === undefined
      ? new Anthropic({ apiKey: 'race', fetch: sim.fetch })
      : new Anthropic({ apiKey: 'race', baseURL: leg.baseUrl });
  const claude = instrument(client, { registry, budgets: held });
  let [left, answered, refused] = [leg.calls, 0, 0];
  const runner = async (): Promise<void> => {
    for (; left > 0;) {
      left -= 1;
      try {
        await claude.messages.create({
          model: 'claude-haiku-4-5',
          max_tokens: 1_000 * leg.dearness,
          messages: [{ role: 'user', content: 'How far is it to the harbor? '.repeat(10) }],
        });
        answered += 1;
      } catch (error) {
        if (!isBudgetExceeded(error)) throw error;
        refused += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: leg.atOnce }, runner));
  const metrics = await registry.metrics();
  if (!(await held.close())) throw new Error('the ledger has not taken all');
  const billed = [...sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  const unavailable = Number(/decision="unavailable"\} (\d+)/.exec(metrics)?.[1]);
  return { billedNanoUsd: String(billed), answered, refused, unavailable, metrics };
}

function usageOf(dearness: number, drawn: number) {
  return { input_tokens: 100 * dearness, output_tokens: (40 + Math.floor(drawn * 380)) * dearness };
}

const MOST = 1e9;
const UNLIMITED = { requests: MOST, inputTokens: MOST, outputTokens: MOST };

const { positionals } = parseArgs({ allowPositionals: true });
process.send?.(await run(JSON.parse(positionals[0] ?? '{}') as RaceLeg));
process.disconnect();
