import type { Fault } from 'plimsoll/simulator';
import { ORDINARY, SCRAPE_SECONDS, type HistoryOptions } from './history.ts';

/** The job of both services. */
export const BAD_JOB = 'shop';

/** What goes wrong, from so many minutes before the end until so many. */
const BAD = {
  /** Processes are replaced by those of another version. */
  deployment: [186, 186],
  /** Right after it, every kind of limit refuses. */
  limits: [180, 130],
  overload: [110, 96],
  /** Prometheus does not reach one of three replicas. */
  unscraped: [70, -1],
  /** The account of the nightly jobs has no credit left. */
  noCredit: [44, -1],
} as const;

const REFUSALS: readonly Fault['fault'][] = [
  'input_tokens_limit',
  'input_tokens_limit',
  'output_tokens_limit',
  'requests_limit',
  'acceleration_limit',
  'concurrency_limit',
];

const OVERLOADED: readonly Fault[] = Array.from({ length: 14 }, () => ({ fault: 'overloaded' }));

/** Batch calls wait some seconds now and then. */
export const PATIENT = { share: 0.2, maxWaitMs: 300_000 } as const;

/** A service and its nightly jobs, of two organizations, on a day that goes wrong: for pictures, and for queries. */
export function badDay(endMs: number, minutes: number, job = BAD_JOB): readonly HistoryOptions[] {
  const steps = (minutes * 60) / SCRAPE_SECONDS;
  const within = (name: keyof typeof BAD, step: number): boolean => {
    const left = ((steps - step) * SCRAPE_SECONDS) / 60;
    return left <= BAD[name][0] && left > BAD[name][1];
  };
  const both = { endMs, minutes, job, period: 'day', scenario: ORDINARY, pace: PATIENT } as const;
  const [deployedBefore] = BAD.deployment;
  return [
    {
      ...both,
      name: 'web',
      organization: 'shop',
      hasBill: true,
      seed: endMs % 1_000,
      replicas: 3,
      ledger: 'shared',
      budgetUsd: 14,
      monthUsd: 400,
      versions: { 0: '2.14.0', [steps - (deployedBefore * 60) / SCRAPE_SECONDS]: '2.15.0' },
      gateway: (step) => ({ unknown: step % 37 < 3 ? 2 : 0 }),
      limits: { requests: 40, inputTokens: 6_000, outputTokens: 3_000 },
      calls: (step) => (within('limits', step) ? 34 : 24 - 8 * Math.cos((step / steps) * Math.PI)),
      faults: (step) => [
        ...(within('limits', step) ? refusals(step) : []),
        ...(within('overload', step) ? OVERLOADED : []),
      ],
      isScraped: (step, replica) => replica !== 2 || !within('unscraped', step),
    },
    {
      ...both,
      name: 'nightly',
      organization: 'jobs',
      seed: 11,
      budgetUsd: 9,
      calls: (step) => (step < steps / 3 ? 24 : 3),
      faults: (step) => (within('noCredit', step) ? [{ fault: 'no_credit' }, { fault: 'no_credit' }] : []),
    },
  ];
}

/** Retries absorb most of them: two calls in a step are refused at each attempt. */
function refusals(step: number): readonly Fault[] {
  const fault = (index: number): Fault => {
    const refused = REFUSALS[(step + index) % REFUSALS.length] ?? 'requests_limit';
    return { fault: refused, headers: { 'retry-after': '2' } } as Fault;
  };
  const absorbed = Array.from({ length: 8 }, (_, index) => [fault(index), { fault: 'none' } as const]).flat();
  return [...absorbed, ...Array.from({ length: 6 }, (_, index) => fault(Math.floor(index / 3)))];
}
