import type { SimulatorClock } from './clock.ts';
import type { AcceptedKey } from './credentials.ts';
import { TIER_NAMES, type ClassLimits, type TierName } from './limits.ts';
import type { MessagesRequest, Reply } from './reply.ts';
import type { Scenario } from './scenario.ts';

/** How a simulator behaves; nothing is needed. */
export interface SimulatorOptions {
  /** Where chance begins: the same seed and the same requests give the same run. Default 1. */
  readonly seed?: number;
  /** The usage tier, which sets limits and the monthly cap. Default `scale`. */
  readonly tier?: TierName;
  /**
   * Limits by model class (`sonnet-5-5`, `opus-4`, …), `batch`, `count_tokens`, `fast`, or `other` for all that are not
   * named, in place of the tier's.
   */
  readonly limits?: Readonly<Record<string, ClassLimits>>;
  /** Keys that are accepted; others get a 401. Default: any key. */
  readonly keys?: readonly AcceptedKey[];
  /** What is drawn: faults, latencies, lengths. Default: no faults, no waiting. */
  readonly scenario?: Scenario;
  /** Chooses the answer to a Messages request; `undefined` leaves it to chance. What it throws, `fetch` throws. */
  readonly respond?: (request: MessagesRequest) => Reply | undefined;
  /** `refuse` (the default): a model that is not listed is a 404, as it is at the API. `serve`: it is answered, unpriced. */
  readonly unknownModels?: 'refuse' | 'serve';
  /** `uploaded`: files can be downloaded again. The default `none` refuses, as the API does for what a user uploaded. */
  readonly downloadableFiles?: 'uploaded' | 'none';
  /** Spent this month before the first request, in USD, towards the tier's cap. Default 0. */
  readonly spentThisMonthUsd?: number;
  /** How many requests truth keeps in detail; totals are kept for all. Default: all. */
  readonly keepRequests?: number;
  /** Default: the computer's. */
  readonly clock?: SimulatorClock;
}

/** Options that cannot be meant; all of them in one message. */
export class SimulatorOptionsError extends Error {
  readonly code = 'PLIMSOLL_SIMULATOR_OPTIONS';

  constructor(problems: readonly string[]) {
    super(`The simulator's options are not valid: ${problems.join('; ')}.`);
    this.name = 'SimulatorOptionsError';
  }
}

/** Throws one `SimulatorOptionsError` that names every problem. */
export function checkOptions(options: SimulatorOptions): void {
  const { seed, tier, keys = [], scenario = {}, spentThisMonthUsd = 0, keepRequests = 0 } = options;
  const names = keys.map((key) => key.name);
  const problems = [
    seed !== undefined && !Number.isSafeInteger(seed) && `seed: expected a whole number, got ${seed}`,
    tier !== undefined && !TIER_NAMES.includes(tier) && `tier: expected one of ${TIER_NAMES.join(', ')}, got ${tier}`,
    keys.some((key) => key.key === '') && 'keys: expected keys that are not empty, got an empty one',
    new Set(names).size < names.length && 'keys: expected a different name for each, got one twice',
    !(spentThisMonthUsd >= 0) && `spentThisMonthUsd: expected 0 or more, got ${spentThisMonthUsd}`,
    !(keepRequests >= 0) && `keepRequests: expected 0 or more, got ${keepRequests}`,
    ...(scenario.faults ?? []).map(
      ({ probability, fault }) =>
        !(probability >= 0 && probability <= 1) &&
        `scenario.faults: expected a probability from 0 to 1 for ${fault.fault}, got ${probability}`,
    ),
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new SimulatorOptionsError(problems);
}
