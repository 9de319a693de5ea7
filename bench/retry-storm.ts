/**
 * Many clients against an API that refuses: how many calls are answered, how many requests that takes, and how much
 * time is lost, by what the clients do after a refusal. A simulation in virtual time; the same figures each run.
 * `--write` puts them into docs/resilience.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  exponentialBackoff,
  plimsoll,
  sdkDefault,
  type Refusal,
  type Strategy,
  type Surroundings,
} from '../testing/retry-strategies.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { VirtualTime } from '../testing/virtual-time.ts';

const CLIENTS = 200;
const RUN_MS = 10 * 60_000;
const SEED = 1;

/** Answers a request with `null`, or refuses it. */
type Api = (nowMs: number) => Refusal | null;

interface Scenario {
  readonly title: string;
  /** Between the end of a call and the next: exponential, of this mean. */
  readonly thinkMs: number;
  readonly api: () => Api;
}

const SCENARIOS: readonly Scenario[] = [
  {
    title: 'A limit of 500 requests a minute, and clients that want 1,000',
    thinkMs: 10_000,
    api: () => rateLimited(500),
  },
  {
    title: 'Overloaded (529) from the fourth minute to the sixth, quiet before and after',
    thinkMs: 30_000,
    api: () => (nowMs) =>
      nowMs >= 180_000 && nowMs < 360_000 ? { status: 529, retryAfterSeconds: null, errorCode: null } : null,
  },
  {
    title: 'One request in twenty is answered with 529, at random',
    thinkMs: 30_000,
    api: () => {
      const random = seededRandom(SEED + 2);
      return () => (random() < 0.05 ? { status: 529, retryAfterSeconds: null, errorCode: null } : null);
    },
  },
  {
    title: "The month's spend cap of the tier is reached",
    thinkMs: 30_000,
    api: () => () => ({ status: 429, retryAfterSeconds: null, errorCode: 'enforced_spend_limit_reached' }),
  },
];

/** A bucket that refills continuously; a refusal takes nothing and says in whole seconds when one request fits. */
function rateLimited(perMinute: number): Api {
  let level = 0;
  let seenMs = 0;
  return (nowMs) => {
    level = Math.min(perMinute, level + ((nowMs - seenMs) * perMinute) / 60_000);
    seenMs = nowMs;
    if (level < 1)
      return {
        status: 429,
        retryAfterSeconds: Math.max(1, Math.ceil(((1 - level) * 60) / perMinute)),
        errorCode: null,
      };
    level -= 1;
    return null;
  };
}

/** What came of a run. */
export interface Figures {
  readonly strategy: string;
  readonly answered: number;
  readonly failed: number;
  /** Of the calls that are over. */
  readonly requests: number;
  /** From the first refusal of a call to its answer or its failure. */
  readonly lostSeconds: number;
  /** Of the calls that were answered after a refusal: how long it took, 95 of 100. */
  readonly p95LostSeconds: number | null;
}

function figures({ thinkMs, api }: Scenario, makeStrategy: (surroundings: Surroundings) => Strategy): Figures {
  const time = new VirtualTime();
  const load = seededRandom(SEED);
  const strategy = makeStrategy({ nowMs: () => time.nowMs, random: seededRandom(SEED + 1) });
  const refuses = api();
  const lost: number[] = [];
  const count = { answered: 0, failed: 0, requests: 0, lostMs: 0 };

  const think = (): void => time.after(-Math.log(1 - load()) * thinkMs, begin);
  const begin = (): void => {
    strategy.began();
    attempt(1, time.nowMs);
  };
  const attempt = (attempts: number, startedMs: number): void => {
    const refusal = refuses(time.nowMs);
    const elapsedMs = time.nowMs - startedMs;
    const waitMs = refusal === null ? null : strategy.waitMs(refusal, attempts, elapsedMs);
    if (waitMs !== null) return time.after(waitMs, () => attempt(attempts + 1, startedMs));
    count.requests += attempts;
    count.lostMs += elapsedMs;
    if (refusal !== null) {
      count.failed += 1;
      return think();
    }
    count.answered += 1;
    if (attempts > 1) lost.push(elapsedMs);
    time.after(1_000 + load() * 2_000, think);
  };

  for (let client = 0; client < CLIENTS; client++) think();
  time.run(RUN_MS);
  lost.sort((a, b) => a - b);
  const p95 = lost[Math.ceil(lost.length * 0.95) - 1];
  const { lostMs, ...counts } = count;
  return {
    strategy: strategy.name,
    ...counts,
    lostSeconds: lostMs / 1_000,
    p95LostSeconds: p95 === undefined ? null : p95 / 1_000,
  };
}

const STRATEGIES: readonly ((surroundings: Surroundings) => Strategy)[] = [
  sdkDefault,
  exponentialBackoff,
  (surroundings) => plimsoll(surroundings, true),
  (surroundings) => plimsoll(surroundings, false),
];

/** The figures of every scenario and strategy. */
export function retryStorm(): readonly { readonly title: string; readonly figures: readonly Figures[] }[] {
  return SCENARIOS.map((scenario) => ({
    title: scenario.title,
    figures: STRATEGIES.map((strategy) => figures(scenario, strategy)),
  }));
}

/** The same as tables of Markdown. */
export function retryStormTables(): string {
  return retryStorm()
    .map(({ title, figures }) => `**${title}**\n\n${table(figures)}`)
    .join('\n\n');
}

function table(rows: readonly Figures[]): string {
  return [
    '| strategy | responses/min | failed calls | requests | requests per call | time lost per call | p95 wait |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...rows.map(({ strategy, answered, failed, requests, lostSeconds, p95LostSeconds }) => {
      const calls = answered + failed;
      const waited = p95LostSeconds === null ? '–' : `${p95LostSeconds.toFixed(1)} s`;
      return `| ${strategy} | ${Math.round((answered * 60_000) / RUN_MS)} | ${((failed * 100) / calls).toFixed(1)}% | ${requests} | ${(requests / calls).toFixed(2)} | ${(lostSeconds / calls).toFixed(2)} s | ${waited} |`;
    }),
  ].join('\n');
}

/** Where the tables stand in docs/resilience.md. */
export const BLOCK = /(?<=<!-- retry-storm: .* -->\n\n)[^]*?(?=<!-- \/retry-storm -->)/;

if (import.meta.main) {
  const tables = retryStormTables();
  const page = join(import.meta.dirname, '../docs/resilience.md');
  if (process.argv.includes('--write'))
    writeFileSync(
      page,
      readFileSync(page, 'utf8').replace(BLOCK, () => `${tables}\n\n`),
    );
  console.log(tables);
}
