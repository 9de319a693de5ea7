import type { MessagesRequest, Reply } from './answer.ts';
import type { SimulatorClock } from './clock.ts';
import type { AcceptedKey } from './credentials.ts';
import { MODEL_CLASSES, TIER_NAMES, type ClassLimits, type TierName } from './limits.ts';
import { faultProblems, type Fault, type Scenario } from './scenario.ts';

/** How a simulator behaves; nothing is needed. */
export interface SimulatorOptions {
  /** Where chance begins: the same seed and the same requests give the same run. Default 1. */
  readonly seed?: number;
  /** The usage tier, which sets limits and the monthly cap. Default `scale`. */
  readonly tier?: TierName;
  /**
   * Limits by model class (`sonnet-5.5`, `opus-4.x`, …), `batch`, `count_tokens`, `fast`, or `other` for all that are not
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
  refuse([...plainProblems(options), ...limitProblems(options), ...scenarioProblems(options.scenario ?? {})]);
}

/** Throws where one of the faults has a name that none has. */
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

/** Served under its own name, an unknown model is a class of its own. */
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
