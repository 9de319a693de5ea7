import type { MessagesRequest, Reply } from './answer.ts';
import type { SimulatorClock } from './clock.ts';
import type { OrganizationOptions } from './admin/organization-options.ts';
import type { AcceptedKey } from './credentials.ts';
import type { LimiterOptions } from './bucket.ts';
import { MODEL_CLASSES, TIER_NAMES, type ClassLimits, type TierName } from './limits.ts';
import { faultProblems, type Fault, type Scenario } from './scenario.ts';

/** Options of a simulator; all are optional. */
export interface SimulatorOptions {
  /** Seed of the random numbers: the same seed and the same requests give the same run. Default 1. */
  readonly seed?: number;
  /** The usage tier, which sets rate limits and the monthly cap. Default `scale`. */
  readonly tier?: TierName;
  /**
   * Limits by model class (`sonnet-5.5`, `opus-4.x`, …), `batch`, `count_tokens`, `fast`, or `other` for all that are not
   * named, in place of the tier's.
   */
  readonly limits?: Readonly<Record<string, ClassLimits>>;
  /** How the limits refill. Default: as the API describes it. */
  readonly limiter?: Pick<LimiterOptions, 'refill' | 'hiddenSeconds'>;
  /** Accepted keys; others get a 401. Default: any key. */
  readonly keys?: readonly AcceptedKey[];
  /** Random faults, latencies and lengths. Default: no faults, no latency. */
  readonly scenario?: Scenario;
  /** Chooses the reply to a Messages request; `undefined` makes one up. If it throws, `fetch` throws the same. */
  readonly respond?: (request: MessagesRequest) => Reply | undefined;
  /** `refuse` (default): an unlisted model is a 404, as in the API. `serve`: it is answered, without a price. */
  readonly unknownModels?: 'refuse' | 'serve';
  /** `uploaded`: uploaded files can be downloaded. `none` (default): they cannot, as in the API. */
  readonly downloadableFiles?: 'uploaded' | 'none';
  /** US dollars spent this month before the first request, towards the tier's cap. Default 0. */
  readonly spentThisMonthUsd?: number;
  /** Requests kept in detail in `truth`; totals are kept for all. Default: all. */
  readonly keepRequests?: number;
  /** The organization, and what its Admin API shows of it. */
  readonly organization?: OrganizationOptions;
  /** Default: the system's clock. */
  readonly clock?: SimulatorClock;
}

/** The options are not valid; the message lists all problems. */
export class SimulatorOptionsError extends Error {
  readonly code = 'PLIMSOLL_SIMULATOR_OPTIONS';

  constructor(problems: readonly string[]) {
    super(`The simulator's options are not valid: ${problems.join('; ')}.`);
    this.name = 'SimulatorOptionsError';
  }
}

/** Throws a `SimulatorOptionsError` that lists every problem. */
export function checkOptions(options: SimulatorOptions): void {
  refuse([...plainProblems(options), ...limitProblems(options), ...scenarioProblems(options.scenario ?? {})]);
}

/** Throws a `SimulatorOptionsError` for unknown fault names. */
export function checkFaults(faults: readonly Fault[]): void {
  refuse(faultProblems(faults));
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new SimulatorOptionsError(problems);
}

function plainProblems(options: SimulatorOptions): readonly string[] {
  const { seed = 0, tier = 'scale', keys = [], spentThisMonthUsd = 0, keepRequests = 0 } = options;
  const names = keys.map((key) => key.name);
  return [
    !Number.isSafeInteger(seed) && `seed: expected a whole number, got ${seed}`,
    !TIER_NAMES.includes(tier) && `tier: expected one of ${TIER_NAMES.join(', ')}, got ${tier}`,
    keys.some((key) => key.key === '') && 'keys: expected keys that are not empty, got an empty one',
    new Set(names).size < names.length && 'keys: expected a different name for each, got one twice',
    !(spentThisMonthUsd >= 0) && `spentThisMonthUsd: expected 0 or more, got ${spentThisMonthUsd}`,
    !(keepRequests >= 0) && `keepRequests: expected 0 or more, got ${keepRequests}`,
  ].filter((problem) => problem !== false);
}

/** Problems of the limits. An unknown model that is served has a class of its own name. */
function limitProblems({ limits = {}, unknownModels }: SimulatorOptions): readonly string[] {
  const classes = [...MODEL_CLASSES, 'batch', 'count_tokens', 'fast', 'other'];
  return Object.entries(limits).flatMap(([name, given]) => [
    ...(classes.includes(name) || unknownModels === 'serve'
      ? []
      : [`limits: expected one of ${classes.join(', ')}, got ${name}`]),
    ...Object.entries(given)
      .filter(([, perMinute]) => !(perMinute > 0))
      .map(([limit, perMinute]) => `limits.${name}.${limit}: expected more than 0, got ${perMinute}`),
  ]);
}

function scenarioProblems({ faults = [], latency = {}, outputTokens }: Scenario): readonly string[] {
  const spreads = { ...latency, ...(outputTokens && { outputTokens }) };
  return [
    ...faultProblems(faults.map(({ fault }) => fault)),
    ...faults
      .filter(({ probability }) => !(probability >= 0 && probability <= 1))
      .map(({ fault, probability }) => `scenario.faults: expected 0 to 1 for ${fault.fault}, got ${probability}`),
    ...Object.entries(spreads).flatMap(([name, { kind: _kind, ...figures }]) =>
      Object.entries(figures)
        .filter(([, figure]) => !(Number(figure) >= 0 && Number(figure) < Infinity))
        .map(([field, figure]) => `scenario ${name}.${field}: expected 0 or more, got ${figure}`),
    ),
  ];
}
