import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { RaceLeg, RaceResult } from './race-worker.ts';

/** Starts one process; the caller ends it, or it ends by itself. */
export function racer(leg: RaceLeg): ChildProcess {
  return fork(join(import.meta.dirname, 'race-worker.ts'), [JSON.stringify(leg)], {
    execArgv: ['--conditions=plimsoll-source', '--disable-warning=PlimsollWarning'],
  });
}

/** What one process came to. Rejects where it ends without a word. */
export async function finish(child: ChildProcess): Promise<RaceResult> {
  const told = once(child, 'message') as Promise<[RaceResult]>;
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a racer ended with ${code}`);
  });
  const [result] = await Promise.race([told, ended]);
  return result;
}

/** What all processes of a race came to. Money is in nano-dollars. */
export interface RaceOutcome {
  readonly billedNanoUsd: bigint;
  readonly answered: number;
  readonly refused: number;
  readonly unavailable: number;
  readonly results: readonly RaceResult[];
}

/**
 * Spend in US dollars as dashboards add it up from scrapes: the highest value of each ledger, and then the sum over
 * ledgers, `sum by (budget) (max by (budget, ledger_id) (anthropic_budget_spent_usd))`.
 */
export function scrapedSpentUsd(scrapes: readonly string[]): number {
  const highest = new Map<string, number>();
  for (const scrape of scrapes) {
    for (const [, id = '', value] of scrape.matchAll(/^anthropic_budget_spent_usd\{.*ledger_id="([^"]+)"\} (\S+)$/gm)) {
      highest.set(id, Math.max(highest.get(id) ?? 0, Number(value)));
    }
  }
  return [...highest.values()].reduce((sum, value) => sum + value, 0);
}

/** So many processes make so many calls each, all of them held to one budget. */
export async function race(processes: number, leg: Omit<RaceLeg, 'seed'>): Promise<RaceOutcome> {
  const racers = Array.from({ length: processes }, (_, number) => racer({ ...leg, seed: number + 1 }));
  const results = await Promise.all(racers.map(finish));
  const sum = (count: (result: RaceResult) => number): number => results.reduce((all, one) => all + count(one), 0);
  return {
    billedNanoUsd: results.reduce((all, { billedNanoUsd }) => all + BigInt(billedNanoUsd), 0n),
    answered: sum(({ answered }) => answered),
    refused: sum(({ refused }) => refused),
    unavailable: sum(({ unavailable }) => unavailable),
    results,
  };
}
