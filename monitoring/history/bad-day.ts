import { ORDINARY, type HistoryOptions } from './history.ts';

/** Twelve hours. */
const MINUTES = 720;

/** Until noon, when overloads outlast the retries of some calls. */
const OVERLOADED = { from: 290, to: 300 };

/** A day of two services of one organization, in which limits are met and budgets fill: for pictures. */
export function busyMorning(endMs: number): readonly HistoryOptions[] {
  const both = {
    endMs,
    minutes: MINUTES,
    job: 'shop',
    organization: 'shop',
    period: 'day',
    scenario: ORDINARY,
  } as const;
  return [
    {
      ...both,
      name: 'web',
      seed: endMs % 1_000,
      budgetUsd: 40,
      gateway: (step) => ({ unknown: step % 37 < 3 ? 2 : 0 }),
      limits: { requests: 30, inputTokens: 2_000, outputTokens: 1_200 },
      calls: (step) => 30 - 14 * Math.cos((step / 360) * Math.PI),
      faults: (step) =>
        step >= OVERLOADED.from && step < OVERLOADED.to
          ? Array.from({ length: 4 }, () => ({ fault: 'overloaded' as const }))
          : [],
    },
    { ...both, name: 'nightly', seed: 11, budgetUsd: 9, calls: (step) => (step < 140 ? 26 : 2) },
  ];
}
