import {
  BURST_MS,
  MINUTE_MS,
  PACE_DIMENSIONS,
  isKnown,
  keepTime,
  paidShare,
  rateOf,
  rollEpoch,
  rollWindow,
  setLimit,
  type Amounts,
  type Charge,
  type ClassState,
  type Lane,
  type LimitState,
  type PaceDimension,
} from './pace-state.ts';

/** A call that stands first in its lane, or behind others that ask with it. */
export interface Asked {
  readonly lane: Lane;
  /** What it is expected to use. */
  readonly amounts: Amounts;
  readonly maxTokens: number;
  /** How long it has waited. */
  readonly ageMs: number;
  /** It has not asked before. */
  readonly isFirst: boolean;
  /** It never fits if its input is more than this times the limit: the more, the less its estimate is worth. */
  readonly leeway: number;
  /** The configured limits; 0 where headers are to tell. */
  readonly limits: Amounts;
  /** The most of the limits that may be used, above 0 up to 1. */
  readonly share: number;
  readonly nowMs: number;
}

/** What a call waits for: a limit, the first answer that shows the limits, or interactive calls of other processes. */
export type PaceCause = PaceDimension | 'start' | 'priority';

/** `go`: it is charged and may be sent. `wait`: worth asking again after `waitMs`. `never`: it does not fit into a minute. */
export type Answer = (
  | { readonly kind: 'go'; readonly charge: Charge }
  | { readonly kind: 'wait'; readonly waitMs: number; readonly cause: PaceCause }
  | { readonly kind: 'never'; readonly limit: number }
) & {
  /** It would have been refused had every call been sent when it came: an estimate, told at its first question. */
  readonly isAvoided: boolean;
};

/** Batch calls stand back as long as interactive ones wait, unless they have waited for so long themselves. */
export const BATCH_PATIENCE_MS = 60_000;

/** Calls in flight before anything is known; one more goes after each such wait (1.2 s cost 20 processes without a store a tenth of the limit for minutes). */
const MOST_BLIND = 2;
const BLIND_WAIT_MS = 3_000;
const BLIND_PAUSE_MS = 250;

/** What an interactive call that waits holds back the batch calls of other processes for. */
const PRIORITY_MS = 2_000;

/** Refill that is kept back: of interactive calls as much as a header's whole seconds hide, of batch calls as long as a header may be late. */
const KEEP_MS = 1_000;
const BATCH_KEEP_MS = 15_000;

/** However large a call, the bucket need not be fuller than this. */
const NEARLY_FULL_MS = 1_800;

/** Half of what the API rounds its token counts to. */
const ROUNDING_TOKENS = 500;

/** Asks for calls of one lane in order, up to the first that has to wait. Changes `state`. */
export function askAll(state: ClassState, asked: readonly Asked[]): readonly Answer[] {
  const answers: Answer[] = [];
  for (const each of asked) {
    const answer = ask(state, each);
    answers.push(answer);
    if (answer.kind === 'wait') break;
  }
  return answers;
}

/** Decides whether a call may be sent now, and charges it if so. Changes `state`. */
export function ask(state: ClassState, asked: Asked): Answer {
  const { nowMs, amounts, lane, ageMs } = asked;
  keepTime(state, nowMs);
  for (const [at, limit] of state.limits.entries()) {
    // What headers have shown wins over what is configured.
    if (limit.limit === 0) setLimit(limit, asked.limits[at] ?? 0, nowMs);
    rollWindow(limit, nowMs);
  }
  rollEpoch(state, nowMs);
  state.share = Math.min(state.share, asked.share);
  if (!isKnown(state)) return askBlind(state, asked);
  const isAvoided = asked.isFirst && wouldBeRefused(state, amounts, nowMs - ageMs);
  const { limit: inputLimit } = state.limits[1];
  if (inputLimit > 0 && amounts[1] > inputLimit * asked.leeway) return { kind: 'never', limit: inputLimit, isAvoided };
  const { waitMs, cause } = longestWait(state, asked);
  if (waitMs > 0) {
    if (lane === 'interactive') state.interactiveUntilMs = nowMs + PRIORITY_MS;
    return { kind: 'wait', waitMs, cause, isAvoided };
  }
  const standsBack = lane === 'batch' && ageMs < BATCH_PATIENCE_MS && nowMs < state.interactiveUntilMs;
  if (standsBack) return { kind: 'wait', waitMs: state.interactiveUntilMs - nowMs, cause: 'priority', isAvoided };
  return { kind: 'go', charge: charge(state, asked), isAvoided };
}

/** The limit that has room for the call last, and when. */
function longestWait(
  { limits }: ClassState,
  { amounts, lane, ageMs, nowMs }: Asked,
): { waitMs: number; cause: PaceDimension } {
  let [waitMs, last] = [0, 0];
  for (const [at, limit] of limits.entries()) {
    if (limit.limit === 0) continue;
    const ownMs = waitFor(limit, { amount: amounts[at] ?? 0, lane, ageMs, isTokens: at > 0 }, nowMs);
    if (ownMs > waitMs) [waitMs, last] = [ownMs, at];
  }
  return { waitMs, cause: PACE_DIMENSIONS[last] ?? 'requests' };
}

function askBlind(state: ClassState, { amounts, maxTokens, nowMs }: Asked): Answer {
  const waitMs = state.blind < MOST_BLIND ? 0 : state.blindAtMs + BLIND_WAIT_MS - nowMs;
  if (waitMs > 0) return { kind: 'wait', waitMs: Math.min(waitMs, BLIND_PAUSE_MS), cause: 'start', isAvoided: false };
  state.blind += 1;
  state.blindAtMs = nowMs;
  for (const [at, limit] of state.limits.entries()) limit.used += amounts[at] ?? 0;
  state.held += amounts[2];
  state.most += maxTokens;
  const none: Amounts = [0, 0, 0];
  const before = { fullAtMs: none, correctedMs: none, windowEndMs: none };
  return {
    kind: 'go',
    charge: { amounts, maxTokens, ...before, epoch: state.epoch, isBlind: true },
    isAvoided: false,
  };
}

/** A picture of the buckets without pacing, by estimates: every call takes what it needs when it comes, or is refused. */
function wouldBeRefused({ limits }: ClassState, amounts: Amounts, cameAtMs: number): boolean {
  const fits = limits.every((limit, at) => {
    if (limit.limit === 0) return true;
    return Math.max(0, limit.unpacedFullAtMs - cameAtMs) + (amounts[at] ?? 0) / rateOf(limit) <= MINUTE_MS;
  });
  if (!fits) return true;
  for (const [at, limit] of limits.entries()) {
    if (limit.limit > 0)
      limit.unpacedFullAtMs = Math.max(limit.unpacedFullAtMs, cameAtMs) + (amounts[at] ?? 0) / rateOf(limit);
  }
  return false;
}

interface Need {
  readonly amount: number;
  readonly lane: Lane;
  readonly ageMs: number;
  readonly isTokens: boolean;
}

/**
 * The longest of three waits: until our own debt is paid, but for the call's size, so that large calls do not starve behind
 * small ones; until the server has room for it; and until its `retry-after` is over.
 */
function waitFor(state: LimitState, { amount, lane, ageMs, isTokens }: Need, nowMs: number): number {
  const debtMs = lane === 'interactive' ? state.overdraftMs * state.burst : 0;
  const slack = isTokens ? ROUNDING_TOKENS : 0;
  const waitMs = Math.max(state.paidAtMs - debtMs - nowMs, state.closedUntilMs - nowMs, 0);
  if (state.windowEndMs > 0) {
    const fits = state.used + amount <= state.limit - slack || state.used === 0;
    return fits ? waitMs : Math.max(waitMs, state.windowEndMs - nowMs + 20);
  }
  const keepMs = lane === 'interactive' ? KEEP_MS : Math.max(KEEP_MS, BATCH_KEEP_MS * (1 - ageMs / MINUTE_MS));
  const mostMs = Math.max(MINUTE_MS - keepMs - (slack + amount) / rateOf(state), NEARLY_FULL_MS);
  return Math.max(waitMs, state.fullAtMs - mostMs - nowMs);
}

function charge(state: ClassState, { amounts, maxTokens, nowMs }: Asked): Charge {
  for (const [at, limit] of state.limits.entries()) {
    limit.used += amounts[at] ?? 0;
    if (limit.limit === 0) continue;
    const unitsMs = (amounts[at] ?? 0) / rateOf(limit);
    limit.paidAtMs = Math.max(limit.paidAtMs, nowMs - BURST_MS * limit.burst) + unitsMs / paidShare(state, limit, at);
    limit.fullAtMs = Math.max(limit.fullAtMs, nowMs) + unitsMs;
  }
  state.held += amounts[2];
  state.most += maxTokens;
  const [requests, input, output] = state.limits;
  const each = (field: 'fullAtMs' | 'correctedMs' | 'windowEndMs'): Amounts => [
    requests[field],
    input[field],
    output[field],
  ];
  return {
    amounts,
    maxTokens,
    fullAtMs: each('fullAtMs'),
    correctedMs: each('correctedMs'),
    windowEndMs: each('windowEndMs'),
    epoch: state.epoch,
    isBlind: false,
  };
}
