import type { Problem, ValueProblem } from '../../errors.ts';
import type { GatewayConfiguration } from './configuration.ts';

/**
 * Finds what several workers would each keep for themselves, so that a limit would be as many times as large; none for one
 * worker. Budgets without a ledger, and the spend of tokens, are kept by the process that supervises the workers.
 */
export function workerProblems({ workers, clients, ledger, tokens }: GatewayConfiguration): readonly Problem[] {
  if (workers === 1) return [];
  const inMemory = { ledger, tokens };
  return [
    ...Object.entries(inMemory).flatMap(([field, place]): readonly Problem[] =>
      place?.kind === 'sqlite' && place.path === ':memory:' ? [{ field, ...OWN_FILE }] : [],
    ),
    ...[...clients.values()].flatMap(({ name, pace, requestsAtOnce }): readonly Problem[] => [
      ...(pace === undefined || ledger !== null ? [] : [{ field: `clients.${name}.pace`, ...OWN_PACE }]),
      ...(requestsAtOnce === null ? [] : [{ field: `clients.${name}.requestsAtOnce`, ...OWN_COUNT }]),
    ]),
  ];
}

const OWN = { kind: 'conflict', got: 'several workers, each with its own' } as const;

const OWN_FILE: ValueProblem = {
  ...OWN,
  expected: 'a file that workers share',
  advice: 'name a file, or set workers to 1',
};

const OWN_PACE: ValueProblem = {
  ...OWN,
  expected: 'a ledger that workers share',
  advice: 'set ledger to an SQLite file or a Redis, or workers to 1',
};

const OWN_COUNT: ValueProblem = {
  ...OWN,
  expected: 'parallelRequests, which workers share',
  advice: 'use parallelRequests, or set workers to 1',
};
