/** The limits that a call is paced by, in the order of all lists here. */
export const PACE_DIMENSIONS = ['requests', 'input_tokens', 'output_tokens'] as const;

/** What of a rate limit a call takes a share of. */
export type PaceDimension = (typeof PACE_DIMENSIONS)[number];

/** One number for each of `PACE_DIMENSIONS`. */
export type Amounts = readonly [requests: number, inputTokens: number, outputTokens: number];

/** The lanes, first in line first. */
export const LANES = ['interactive', 'batch'] as const;

/** Who goes first: `interactive` calls before `batch` calls. */
export type Lane = (typeof LANES)[number];

/** What is known of one limit of a class. Times are milliseconds since the Unix epoch; all of it is plain numbers, so that a store keeps it as it is. */
export interface LimitState {
  /** Units per minute; 0 until it is known. */
  limit: number;
  /** When what was sent is paid for at the pace that we keep. Up to `BURST_MS` before now. */
  paidAtMs: number;
  /** When the server's bucket is full again, as far as we know: what its `reset` header says. */
  fullAtMs: number;
  /** The sum of corrections that headers made to `fullAtMs`, so that calls in flight do not make the same one twice. */
  correctedMs: number;
  /** The share of the burst in use: 1, and less once refusals showed a shorter bucket than the headers. */
  burst: number;
  /** The debt that interactive calls may make before they wait. */
  overdraftMs: number;
  /** A margin on the rate: 1, and less where a smaller burst was not enough. */
  margin: number;
  /** Closed until then, by a `retry-after`. */
  closedUntilMs: number;
  /** The end of the server's fixed window; 0 where it refills continuously. */
  windowEndMs: number;
  /** Units used in the window; while the limit is unknown, all that were sent. */
  used: number;
  /** Headers that contradict a continuous bucket, less those that agree; at most 8. */
  misses: number;
  /** The last refusal that headers and picture contradicted. */
  surprisedAtMs: number;
  /** Debt that others made, fading, and when it was last counted. */
  strangersMs: number;
  strangersAtMs: number;
  /** Nothing is concluded about others until then: the limit has changed. */
  quietUntilMs: number;
  /** When the bucket would be full if every call had been sent as it came: the estimate of avoided 429s. */
  unpacedFullAtMs: number;
}

/** What is known of a class of models: its three limits, and what holds for all of them. */
export interface ClassState {
  readonly limits: readonly [LimitState, LimitState, LimitState];
  /** The last moment that anything happened at. */
  lastMs: number;
  bornAtMs: number;
  /** Calls in flight that were sent before any limit was known, and when the last of them was. */
  blind: number;
  blindAtMs: number;
  /** The share of the limits in use, up to the configured one: less while others use them too. */
  share: number;
  /** The share of the input limit in use after an acceleration limit; 1 for none. */
  ramp: number;
  rampedAtMs: number;
  loweredAtMs: number;
  raisedAtMs: number;
  strangersSeenAtMs: number;
  recoveredAtMs: number;
  /** An interactive call waits in some process: batch calls stand back until then. */
  interactiveUntilMs: number;
  /**
   * Output in flight: `held`, as reserved, and `most`, by `max_tokens`. The calls of this epoch and of the one before: what a
   * process that died had in flight is forgotten with its epoch.
   */
  epoch: number;
  held: number;
  most: number;
  heldBefore: number;
  mostBefore: number;
}

/** What the debts of a call were when it was sent: for its settlement. `null` amounts of the store's are none of ours. */
export interface Charge {
  readonly amounts: Amounts;
  readonly maxTokens: number;
  readonly fullAtMs: Amounts;
  readonly correctedMs: Amounts;
  readonly windowEndMs: Amounts;
  readonly epoch: number;
  /** Sent before any limit was known. */
  readonly isBlind: boolean;
}

export const MINUTE_MS = 60_000;

/** Debts that may be made at once, at most. 1 s lost 2% of the throughput with fixed windows; 2 and 4 s are alike. */
export const BURST_MS = 4_000;

/** With the burst and what is kept back, it leaves a quarter of a minute for one large call and for estimates. */
export const OVERDRAFT_MS = 36_000;

/** Longer than any call; what a dead process held is forgotten after two. */
const EPOCH_MS = 10 * MINUTE_MS;

function newLimit(nowMs: number): LimitState {
  return {
    limit: 0,
    paidAtMs: nowMs - BURST_MS,
    fullAtMs: nowMs,
    correctedMs: 0,
    burst: 1,
    overdraftMs: OVERDRAFT_MS,
    margin: 1,
    closedUntilMs: 0,
    windowEndMs: 0,
    used: 0,
    misses: 0,
    surprisedAtMs: nowMs,
    strangersMs: 0,
    strangersAtMs: nowMs,
    quietUntilMs: 0,
    unpacedFullAtMs: 0,
  };
}

/** A class of which nothing is known. */
export function newClass(nowMs: number): ClassState {
  return {
    limits: [newLimit(nowMs), newLimit(nowMs), newLimit(nowMs)],
    lastMs: nowMs,
    bornAtMs: nowMs,
    blind: 0,
    blindAtMs: 0,
    share: 1,
    ramp: 1,
    rampedAtMs: 0,
    loweredAtMs: 0,
    raisedAtMs: nowMs,
    strangersSeenAtMs: 0,
    recoveredAtMs: nowMs,
    interactiveUntilMs: 0,
    epoch: Math.floor(nowMs / EPOCH_MS),
    held: 0,
    most: 0,
    heldBefore: 0,
    mostBefore: 0,
  };
}

/** Units per millisecond. */
export function rateOf({ limit }: LimitState): number {
  return limit / MINUTE_MS;
}

/** The share of a limit's rate at which its debts are paid. */
export function paidShare({ share, ramp }: ClassState, { margin }: LimitState, at: number): number {
  return margin * (at === INPUT ? Math.min(share, ramp) : share);
}

const INPUT = 1;

export const OUTPUT = 2;

export function isKnown({ limits }: ClassState): boolean {
  return limits.some(({ limit }) => limit > 0);
}

/**
 * A limit as configured or shown. A debt keeps its units when the limit changes, also that of calls sent before it was known, but
 * for those that a minute of the new limit does not hold: a bucket is not emptier than empty.
 */
export function setLimit(state: LimitState, limit: number, nowMs: number): void {
  if (state.limit === limit || !(limit > 0)) return;
  if (state.limit === 0) {
    const sentMs = (state.used * MINUTE_MS) / limit;
    state.fullAtMs = Math.min(state.fullAtMs + sentMs, nowMs + MINUTE_MS);
    state.paidAtMs = Math.min(state.paidAtMs + sentMs, nowMs + MINUTE_MS);
  } else {
    const scale = state.limit / limit;
    state.fullAtMs = nowMs + Math.min(MINUTE_MS, Math.max(0, state.fullAtMs - nowMs) * scale);
    state.paidAtMs = nowMs + Math.min(MINUTE_MS, (state.paidAtMs - nowMs) * scale);
    state.unpacedFullAtMs = nowMs + Math.max(0, state.unpacedFullAtMs - nowMs) * scale;
    state.quietUntilMs = nowMs + 90_000;
  }
  state.limit = limit;
}

/** All times of a limit, and of a class. */
const LIMIT_TIMES = [
  'paidAtMs',
  'fullAtMs',
  'closedUntilMs',
  'surprisedAtMs',
  'strangersAtMs',
  'quietUntilMs',
  'unpacedFullAtMs',
] as const satisfies readonly (keyof LimitState)[];
const CLASS_TIMES = [
  'bornAtMs',
  'blindAtMs',
  'rampedAtMs',
  'loweredAtMs',
  'raisedAtMs',
  'strangersSeenAtMs',
  'recoveredAtMs',
  'interactiveUntilMs',
] as const satisfies readonly (keyof ClassState)[];

/** Settlements and questions of several processes overtake each other by less. */
const LEAST_STEP_MS = 2_000;

/** Takes all times along where the clock was set back: a debt stays as long as it was, instead of longer by the step. */
export function keepTime(state: ClassState, nowMs: number): void {
  const byMs = nowMs - state.lastMs;
  state.lastMs = byMs < -LEAST_STEP_MS ? nowMs : Math.max(state.lastMs, nowMs);
  if (byMs >= -LEAST_STEP_MS) return;
  for (const field of CLASS_TIMES) state[field] += byMs;
  state.epoch = Math.floor(nowMs / EPOCH_MS);
  for (const limit of state.limits) {
    for (const field of LIMIT_TIMES) limit[field] += byMs;
    if (limit.windowEndMs > 0) limit.windowEndMs += byMs;
  }
}

/** Goes on to the window that `nowMs` is in. */
export function rollWindow(state: LimitState, nowMs: number): void {
  if (state.windowEndMs === 0 || nowMs < state.windowEndMs) return;
  state.windowEndMs += MINUTE_MS * (Math.floor((nowMs - state.windowEndMs) / MINUTE_MS) + 1);
  state.used = 0;
}

/** Goes on to the epoch of now. */
export function rollEpoch(state: ClassState, nowMs: number): void {
  const epoch = Math.floor(nowMs / EPOCH_MS);
  if (epoch <= state.epoch) return;
  const isNext = epoch === state.epoch + 1;
  state.heldBefore = isNext ? state.held : 0;
  state.mostBefore = isNext ? state.most : 0;
  state.held = 0;
  state.most = 0;
  state.epoch = epoch;
}
