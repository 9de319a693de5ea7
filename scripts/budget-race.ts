/**
 * Races processes for one budget of 5 dollars in mode `block`, on the real SDK and real ledgers, and prints how much of
 * it was spent: at the end every call that still fits has been made, and little more. Needs `redis-server`.
 *
 *     node --conditions=plimsoll-source scripts/budget-race.ts    16 processes on Redis, 4 on SQLite, 500 calls each
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { race, scrapedSpentUsd, type RaceOutcome } from '../testing/budget/race.ts';
import { redisServer } from '../testing/redis-server.ts';

const CALLS = 500;
const LIMIT_USD = 5;
const REPLICAS = 20;
const LEAST = 0.95;
const MOST = 1.02;

interface Race {
  readonly name: string;
  readonly processes: number;
  readonly dearness: number;
  readonly ledger: string;
}

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-race-'));
const redis = await redisServer();
// All calls together would cost twice the limit.
const races: readonly Race[] = [
  { name: 'Redis', processes: 16, dearness: 1, ledger: redis.url },
  { name: 'SQLite', processes: 4, dearness: 4, ledger: join(folder, 'ledger.db') },
];

try {
  console.log('ledger   processes    calls   limit USD   spent USD   of limit   refused  unasked   seconds');
  for (const one of races) {
    const startMs = performance.now();
    const outcome = await race(one.processes, {
      ...one,
      limitUsd: String(LIMIT_USD),
      calls: CALLS,
      atOnce: 4,
      answerMs: [100, 500],
    });
    console.log(line(one, outcome, (performance.now() - startMs) / 1000));
    const part = spentPart(outcome);
    if (part < LEAST || part > MOST) process.exitCode = 1;
  }
  await replicas();
} finally {
  await redis.end();
  rmSync(folder, { recursive: true });
}

/** Replicas with a ledger in memory each, and two more in place of two that ended: the gauges add up to the truth. */
async function replicas(): Promise<void> {
  const leg = {
    ledger: 'memory',
    limitUsd: String(LIMIT_USD),
    dearness: 1,
    calls: 25,
    atOnce: 5,
    answerMs: [5, 30],
  } as const;
  const first = await race(REPLICAS, leg);
  const later = await race(2, leg);
  const scraped = scrapedSpentUsd([...first.results, ...later.results].map(({ metrics }) => metrics));
  const billed = Number(first.billedNanoUsd + later.billedNanoUsd) / 1e9;
  console.log(
    `\n${REPLICAS} replicas with memory ledgers, 2 of them replaced: gauges say $${scraped.toFixed(9)}, billed $${billed.toFixed(9)}`,
  );
  if (Math.abs(scraped - billed) > 1e-8) process.exitCode = 1;
}

function spentPart({ billedNanoUsd }: RaceOutcome): number {
  return Number(billedNanoUsd) / 1e9 / LIMIT_USD;
}

function line(one: Race, outcome: RaceOutcome, seconds: number): string {
  const { billedNanoUsd, refused, unavailable } = outcome;
  return [
    one.name.padEnd(6),
    String(one.processes).padStart(12),
    String(one.processes * CALLS).padStart(9),
    String(LIMIT_USD).padStart(12),
    (Number(billedNanoUsd) / 1e9).toFixed(6).padStart(12),
    `${(spentPart(outcome) * 100).toFixed(2)}%`.padStart(11),
    String(refused).padStart(10),
    String(unavailable).padStart(9),
    seconds.toFixed(1).padStart(10),
  ].join('');
}
