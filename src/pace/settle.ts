import type { RateLimitReason } from '../vocabulary.ts';
import {
  MINUTE_MS,
  OUTPUT,
  OVERDRAFT_MS,
  isKnown,
  keepTime,
  paidShare,
  rateOf,
  rollEpoch,
  rollWindow,
  setLimit,
  type Charge,
  type ClassState,
  type LimitState,
} from './pace-state.ts';

/** A limit as the headers of an answer show it. */
export interface SeenLimit {
  readonly limit: number;
  readonly remaining: number;
  readonly resetAtMs: number;
}

/** What a 429 says: which of `PACE_DIMENSIONS` is closed, or that traffic grew too fast, and for how long. */
export interface PaceRefusal {
  readonly by: number | 'acceleration';
  readonly retryAfterMs: number;
}

/** What is known of a call that was charged. */
export interface Settlement {
  readonly charge: Charge;
  /** What it used, for each dimension; `null` where that is not known yet, or stays as it was estimated. */
  readonly actual: readonly [number | null, number | null, number | null];
  /** Nothing more of it is in flight. */
  readonly isOver: boolean;
  /** `null`: no headers, or none of that dimension. */
  readonly seen: readonly [SeenLimit | null, SeenLimit | null, SeenLimit | null] | null;
  readonly refusal: PaceRefusal | null;
  /** The most of the limits that may be used. */
  readonly share: number;
  readonly sentAtMs: number;
  /** When the headers came, or else now. */
  readonly nowMs: number;
}

/** What a settlement brought to light. */
export interface Settled {
  /** A 429 that neither headers nor picture explain: there is a shorter bucket. */
  readonly isSurprise: boolean;
}

/** What each reason of a 429 says to the pace; `null`: nothing, because no wait helps. A closed set: the compiler wants a new reason here. */
export const PACE_OF_REASON: Readonly<Record<RateLimitReason, PaceRefusal['by'] | null>> = {
  requests: 0,
  input_tokens: 1,
  output_tokens: 2,
  tokens: 1,
  fast_mode: 1,
  acceleration: 'acceleration',
  concurrency: 0,
  prompt_too_large: null,
  long_context: null,
  spend_limit: null,
  contract_spend_limit: null,
  client_limit: 0,
  unknown: 0,
};

/** Others are forgotten so fast, and as long after the last sign of them they count. */
const STRANGERS_FADE_MS = 30_000;
const STRANGERS_STAY_MS = 20_000;

/** Corrections above 5% of the refill are signs of others. */
const STRANGERS_SHARE = 0.05;

/** A bucket that is half full neither overflows nor empties within the age of a header. */
const TARGET_MS = 25_000;

/** Learns from what a call used, what headers say, and what was refused. Changes `state`. */
export function settle(state: ClassState, settlement: Settlement): Settled {
  const { charge, seen, refusal, nowMs } = settlement;
  keepTime(state, nowMs);
  const wasKnown = isKnown(state);
  for (const limit of state.limits) rollWindow(limit, nowMs);
  rollEpoch(state, nowMs);
  const isSurprise = refusal !== null && refuse(state, settlement, refusal);
  if (charge.isBlind && settlement.isOver) state.blind = Math.max(0, state.blind - 1);
  giveBack(state, settlement);
  if (seen !== null) {
    for (const [at, limit] of state.limits.entries()) {
      const shown = seen[at];
      if (shown) follow({ state, limit, at, wasKnown }, shown, settlement);
    }
    adjustShare(state, settlement);
  }
  recover(state, nowMs);
  return { isSurprise };
}

/** Puts what was used in place of what was estimated. A refund is not capped: the next header corrects. */
function giveBack(state: ClassState, { charge, actual, isOver }: Settlement): void {
  for (const [at, limit] of state.limits.entries()) {
    const used = actual[at] ?? null;
    if (used === null) continue;
    const difference = used - (charge.amounts[at] ?? 0);
    if (limit.limit === 0) {
      limit.used += difference;
      continue;
    }
    const differenceMs = difference / rateOf(limit);
    limit.paidAtMs += differenceMs / paidShare(state, limit, at);
    limit.fullAtMs += differenceMs;
    if (limit.windowEndMs === 0 || limit.windowEndMs === charge.windowEndMs[at] || difference > 0)
      limit.used += difference;
  }
  if (!isOver) return;
  if (charge.epoch === state.epoch) {
    state.held = Math.max(0, state.held - charge.amounts[OUTPUT]);
    state.most = Math.max(0, state.most - charge.maxTokens);
  } else if (charge.epoch === state.epoch - 1) {
    state.heldBefore = Math.max(0, state.heldBefore - charge.amounts[OUTPUT]);
    state.mostBefore = Math.max(0, state.mostBefore - charge.maxTokens);
  }
}

interface Followed {
  readonly state: ClassState;
  readonly limit: LimitState;
  readonly at: number;
  /** The limits were known before this answer. */
  readonly wasKnown: boolean;
}

/** Half of a second by which a reset, a whole second, is later than it was on the mean. */
const RESET_ROUNDING_MS = 500;

/** A reset outside of these is of another clock, and says nothing of windows: full buckets show one that has just passed. */
const RESET_PASSED_MS = 2_000;
const RESET_AHEAD_MS = MINUTE_MS + 2_000;

/** An overdrawn bucket shows less than it owes; and a long call's own length explains almost any date. */
function isTelling(
  { remaining, resetAtMs }: SeenLimit,
  { fits, debtMs, sentAtMs, nowMs }: Readonly<Record<'debtMs' | 'sentAtMs' | 'nowMs', number> & { fits: boolean }>,
): boolean {
  const isNear = resetAtMs > nowMs - RESET_PASSED_MS && resetAtMs < nowMs + RESET_AHEAD_MS;
  return isNear && (remaining > 0 || debtMs < MINUTE_MS - 1_000) && (!fits || nowMs - sentAtMs < 10_000);
}

/**
 * Compares a limit with its headers, which date themselves: a continuous bucket showed so much left at the reset less the
 * time to fill it. A date outside of the call is none of a continuous bucket.
 */
function follow({ state, limit, at, wasKnown }: Followed, shown: SeenLimit, settlement: Settlement): void {
  const { sentAtMs, nowMs } = settlement;
  setLimit(limit, shown.limit, nowMs);
  if (limit.limit === 0) return;
  const rate = rateOf(limit);
  const debtMs = (limit.limit - shown.remaining) / rate;
  const bornMs = shown.resetAtMs - RESET_ROUNDING_MS - debtMs;
  const toleranceMs = 2_000 + (at === 0 ? 1.5 : 1_000) / rate;
  const fits = bornMs > sentAtMs - toleranceMs && bornMs < nowMs + toleranceMs;
  if (isTelling(shown, { fits, debtMs, sentAtMs, nowMs }))
    limit.misses = fits ? Math.max(0, limit.misses - 1) : Math.min(8, limit.misses + 1);
  if (limit.windowEndMs === 0 && limit.misses >= 5) {
    Object.assign(limit, { windowEndMs: shown.resetAtMs, used: limit.limit - shown.remaining, strangersMs: 0 });
    Object.assign(state, { strangersSeenAtMs: 0, share: settlement.share });
  } else if (limit.windowEndMs > 0 && limit.misses === 0) limit.windowEndMs = 0;
  if (limit.windowEndMs > 0) followWindow(limit, shown, { ofCall: settlement.charge.windowEndMs[at] ?? 0, nowMs });
  else correct({ state, limit, at, wasKnown }, { debtMs, bornMs }, settlement);
}

/** Two resets this near are of one window. */
const SAME_WINDOW_MS = 1_500;

/** Another end begins another window. In one, what is told only raises what is used, but for calls that left before others came. */
function followWindow(
  limit: LimitState,
  { remaining, resetAtMs }: SeenLimit,
  { ofCall, nowMs }: { readonly ofCall: number; readonly nowMs: number },
): void {
  if (resetAtMs <= nowMs || resetAtMs - nowMs > MINUTE_MS + 1_000) return;
  const told = Math.max(0, limit.limit - remaining);
  if (Math.abs(resetAtMs - limit.windowEndMs) > SAME_WINDOW_MS) {
    limit.windowEndMs = resetAtMs;
    limit.used = told;
    return;
  }
  limit.windowEndMs = Math.max(limit.windowEndMs, resetAtMs);
  const isOfWindow = ofCall > 0 && Math.abs(ofCall - resetAtMs) < SAME_WINDOW_MS;
  limit.used = Math.max(limit.used - (isOfWindow ? limit.limit * 0.02 : 0), told);
}

/** Moves the picture of a continuous bucket to what its headers say: up in full, down by half. */
function correct(
  { state, limit, at, wasKnown }: Followed,
  { debtMs, bornMs }: { readonly debtMs: number; readonly bornMs: number },
  { charge, sentAtMs, nowMs }: Settlement,
): void {
  const rate = rateOf(limit);
  const atMs = Math.min(Math.max(bornMs, sentAtMs), nowMs);
  const isOfSending = !charge.isBlind && atMs - sentAtMs < nowMs - atMs;
  const pictureMs = isOfSending
    ? (charge.fullAtMs[at] ?? 0) + limit.correctedMs - (charge.correctedMs[at] ?? 0)
    : Math.max(limit.fullAtMs, nowMs);
  let driftMs = atMs + debtMs - pictureMs;
  let isOurs = false;
  // Output that is reserved and not produced yet explains a lower debt, and `max_tokens` in flight a higher one.
  if (at === OUTPUT && driftMs < 0) driftMs = Math.min(0, driftMs + (state.held + state.heldBefore) / rate);
  else if (at === OUTPUT) isOurs = driftMs < (state.most + state.mostBefore) / rate;
  const ignoredMs = 1_000 + (at === 0 ? 0 : 500) / rate;
  if (Math.abs(driftMs) <= ignoredMs) return;
  const byMs = driftMs > 0 ? driftMs - ignoredMs : Math.max((driftMs + ignoredMs) / 2, nowMs - limit.fullAtMs);
  limit.fullAtMs += byMs;
  limit.correctedMs += byMs;
  if (isOurs) limit.strangersMs = strangers(limit, nowMs);
  else limit.strangersMs = nowMs < limit.quietUntilMs || limit.misses > 0 ? 0 : strangers(limit, nowMs) + byMs;
  limit.strangersAtMs = nowMs;
  if (!wasKnown) limit.paidAtMs = Math.max(limit.paidAtMs, limit.fullAtMs - 20_000);
}

function strangers({ strangersMs, strangersAtMs }: LimitState, nowMs: number): number {
  return strangersMs * Math.exp((strangersAtMs - nowMs) / STRANGERS_FADE_MS);
}

/** Leaves room for others as long as there are signs of them, and takes it back when they are gone. */
function adjustShare(state: ClassState, { nowMs, share: most }: Settlement): void {
  let debtMs = 0;
  let othersMs = 0;
  for (const limit of state.limits) {
    if (limit.limit === 0) continue;
    if (limit.windowEndMs === 0) debtMs = Math.max(debtMs, limit.fullAtMs - nowMs);
    othersMs = Math.max(othersMs, strangers(limit, nowMs));
  }
  if (othersMs / STRANGERS_FADE_MS > STRANGERS_SHARE) state.strangersSeenAtMs = nowMs;
  const hasStrangers = nowMs - state.strangersSeenAtMs < STRANGERS_STAY_MS;
  const sinceMs = Math.min(5_000, nowMs - state.raisedAtMs);
  state.raisedAtMs = nowMs;
  if (debtMs > TARGET_MS + 3_000) {
    if (!hasStrangers || nowMs - state.loweredAtMs <= 3_000) return;
    const isFar = debtMs > 45_000 || nowMs - state.bornAtMs < MINUTE_MS;
    const factor = isFar ? 0.5 : 0.7 + 0.3 * Math.min(1, Math.max(0, (40_000 - debtMs) / 20_000));
    setShare(state, Math.min(most, state.share * factor), nowMs);
    state.loweredAtMs = nowMs;
  } else if (debtMs < TARGET_MS) {
    const speed = hasStrangers ? (debtMs < 10_000 ? 3 : 1) : 10;
    setShare(state, Math.min(most, state.share + (0.0015 * sinceMs * speed) / 1_000), nowMs);
  }
}

const LEAST_SHARE = 0.005;

/** A higher share shortens the debts. */
function setShare(state: ClassState, wanted: number, nowMs: number): void {
  const share = Math.max(LEAST_SHARE, wanted);
  const scale = Math.min(1, state.share / share);
  for (const limit of state.limits)
    if (limit.paidAtMs > nowMs) limit.paidAtMs = nowMs + (limit.paidAtMs - nowMs) * scale;
  state.share = share;
}

/** Returns whether the refusal is a surprise. A `retry-after` closes its limit for everybody, whole. */
function refuse(state: ClassState, settlement: Settlement, { by, retryAfterMs }: PaceRefusal): boolean {
  const { sentAtMs, nowMs } = settlement;
  const at = by === 'acceleration' ? 1 : by;
  const limit = state.limits[at];
  if (limit === undefined) return false;
  limit.closedUntilMs = Math.max(limit.closedUntilMs, nowMs + retryAfterMs);
  if (by === 'acceleration') {
    // Once for all that were sent before we learned of it.
    if (sentAtMs < state.rampedAtMs) return false;
    state.rampedAtMs = nowMs;
    state.ramp = Math.max(0.05, state.ramp * RAMP_DOWN);
    return false;
  }
  if (!hadRoom(limit, at, settlement)) return false;
  // Those that were sent before we learned of it say the same again.
  if (sentAtMs < limit.surprisedAtMs) return true;
  if (limit.burst <= LEAST_BURST + 0.01) limit.margin = Math.max(0.92, limit.margin - 0.02);
  limit.burst = Math.max(LEAST_BURST, limit.burst * SHRINK);
  limit.overdraftMs = Math.max(0, limit.overdraftMs * SHRINK - 200);
  limit.surprisedAtMs = nowMs;
  return true;
}

/** Both headers and picture say that the refused call fits; the picture holds it already. */
function hadRoom(limit: LimitState, at: number, { charge, seen, nowMs }: Settlement): boolean {
  const shown = seen?.[at] ?? null;
  if (limit.windowEndMs > 0 || limit.limit === 0 || shown === null || charge.isBlind) return false;
  const amount = charge.amounts[at] ?? 0;
  const left = limit.limit - (limit.fullAtMs - nowMs) * rateOf(limit);
  return left > amount + (at === 0 ? 0 : 500) && shown.remaining > (at === 0 ? 2 : amount + 1_500);
}

/**
 * After an acceleration limit the input slows to this share, rests, and grows by so much a second. Its `retry-after` has closed it
 * besides: one that slows it much more begins the next growth from so little that the limit is met again.
 */
const RAMP_DOWN = 0.9;
const RAMP_REST_MS = 5_000;
const RAMP_UP = 0.02;

const LEAST_BURST = 0.02;
const SHRINK = 0.35;

/** After so long without a surprise, the next larger burst is tried: an estimate may have been wrong in its time. */
const PROBE_MS = 10 * MINUTE_MS;

/** Takes back slowly what refusals have taken. */
function recover(state: ClassState, nowMs: number): void {
  const sinceMs = Math.max(0, nowMs - state.recoveredAtMs);
  state.recoveredAtMs = nowMs;
  for (const limit of state.limits) {
    limit.margin = Math.min(1, limit.margin + (0.01 * sinceMs) / MINUTE_MS);
    if (limit.burst === 1 || nowMs - limit.surprisedAtMs < PROBE_MS) continue;
    limit.burst = Math.min(1, limit.burst / SHRINK);
    limit.overdraftMs = Math.min(OVERDRAFT_MS, (limit.overdraftMs + 200) / SHRINK);
    limit.surprisedAtMs = nowMs;
  }
  if (state.ramp < 1 && nowMs - state.rampedAtMs > RAMP_REST_MS)
    state.ramp = Math.min(1, state.ramp * (1 + (RAMP_UP * sinceMs) / 1_000));
}
