import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backfilled } from '../history/backfill.ts';
import { badDay, PATIENT } from '../history/bad-day.ts';
import { CAUSES } from '../history/causes.ts';
import { SCRAPE_SECONDS, written, type HistoryOptions, type HistoryTruth } from '../history/history.ts';
import type { Running } from '../run/servers.ts';
import type { Range } from './answers.ts';

/** Noon of a day on which the prices, tiers and months of the tests hold. */
const END_MS = Date.UTC(2026, 10, 26, 12);
const HOUR_SECONDS = 3_600;
const WEEK_MS = 7 * 24 * HOUR_SECONDS * 1_000;

interface ProofOptions {
  readonly prometheus: string;
  readonly promtool: string;
  /** Hours of an ordinary day to simulate: 8 to 24. */
  readonly hours: number;
  /** In place of all that a proof is made of: histories that end then, and a week before. */
  readonly only?: (endMs: number) => readonly HistoryOptions[];
  /** Whether alerts are evaluated too. Default: `false`. */
  readonly alerts?: boolean;
}

/** A real Prometheus with histories that plimsoll itself has recorded, and what was true in them. */
export interface Proof {
  readonly prometheus: Running;
  readonly truths: ReadonlyMap<string, HistoryTruth>;
  /** The ordinary hours. */
  readonly range: Range;
}

/** The job whose hours are ordinary; it is the one that must be there. */
export const ORDINARY_JOB = 'plimsoll';
/** The job that nobody calls in its last hour. */
export const QUIET_JOB = 'quiet';

/** The fleets: their number of replicas, and whether they share a ledger. */
export const FLEETS = [
  { name: 'one', replicas: 1, ledger: 'own' },
  { name: 'two-shared', replicas: 2, ledger: 'shared' },
  { name: 'two-own', replicas: 2, ledger: 'own' },
  { name: 'twenty-shared', replicas: 20, ledger: 'shared' },
  { name: 'twenty-own', replicas: 20, ledger: 'own' },
] as const;

/** Now and then a call fails for good, or a token does not hold, as on any day. */
const ordinary = (name: string, minutes: number): Omit<HistoryOptions, 'endMs'> => ({
  name,
  minutes,
  calls: (step) => 6 + 3 * Math.sin(step / 40),
  faults: (step) => {
    if (step % 61 === 60) return Array.from({ length: 3 }, () => ({ fault: 'overloaded' as const }));
    return step % 61 === 30 ? [{ fault: 'concurrency_limit', headers: { 'retry-after': '2' } }] : [];
  },
  gateway: (step) => ({ unknown: step % 10 === 0 ? 1 : 0 }),
  seed: 7,
});

const QUIET_AFTER = 30;

/** From before its deployment. */
const BAD_MINUTES = 200;

function histories(hours: number): readonly HistoryOptions[] {
  const own = { ...ordinary(ORDINARY_JOB, hours * 60), hasBill: true, pace: PATIENT } as const;
  const quiet = { ...ordinary(QUIET_JOB, 140), calls: (step: number) => (step < QUIET_AFTER ? 5 : 0) };
  const fleets = FLEETS.map((fleet) => ({
    ...ordinary(fleet.name, fleet.replicas > 2 ? 12 : 30),
    replicas: fleet.replicas,
    ledger: fleet.ledger,
    calls: () => 30,
  }));
  const all = [own, quiet, ...fleets, ...CAUSES.map(({ history }) => history)];
  return [...all.map((each) => ({ ...each, endMs: END_MS })), ...badDay(END_MS, BAD_MINUTES)];
}

/** Drives all histories and brings them into a Prometheus; `stop` it when done. */
export async function proof(options: ProofOptions): Promise<Proof> {
  const { hours, only, alerts = false, ...programs } = options;
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-proof-'));
  try {
    const now = join(folder, 'now.txt');
    const lastWeek = join(folder, 'last-week.txt');
    const truths = await written(now, only?.(END_MS) ?? histories(hours));
    const before = { ...ordinary(ORDINARY_JOB, 30), endMs: END_MS - WEEK_MS };
    await written(lastWeek, only?.(before.endMs) ?? [before]);
    const to = END_MS / 1_000;
    const range = { from: to - hours * HOUR_SECONDS, to, step: SCRAPE_SECONDS };
    const weekAgo = to - WEEK_MS / 1_000;
    // Rules see the last scrape in the evaluation after it.
    const recorded = [
      { from: weekAgo - 4 * SCRAPE_SECONDS, to: weekAgo + SCRAPE_SECONDS },
      { from: range.from, to: to + SCRAPE_SECONDS },
    ];
    const prometheus = await backfilled({ ...programs, files: [lastWeek, now], recorded, alerts });
    return { prometheus, truths: new Map(truths.map((truth) => [truth.name, truth])), range };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
