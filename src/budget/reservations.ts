import type { Cancel } from '../clock.ts';
import { accountName, bucketMs, horizonAt, thresholdsNanoUsd, type Budget } from './budget.ts';
import type { LedgerLink, Sender } from './ledger-link.ts';
import { LedgerUnavailableError, amountOf, atLeast, sumOf } from './ledger.ts';
import type { Balance, Eventually, Posted, Posting, Spend, Verdict } from './ledger.ts';

/** While the ledger does not answer, a process may spend this part of the limit, one in so many. */
const ALONE_PART = 20n;

interface ReservationsOptions {
  readonly link: LedgerLink;
  readonly budget: Budget;
  /** The start of the period; 0 for a rolling window, which has only one. */
  readonly periodMs: number;
  /** The name that it holds under, and until when, if these are not those of the process. */
  readonly holder?: { readonly writer: string; readonly untilMs: number };
  /** Called with the indexes of thresholds that spend has newly reached. */
  readonly onReached: (positions: readonly number[], spentNanoUsd: bigint) => void;
}

/** A request for an amount. */
export interface HoldRequest {
  readonly nanoUsd: bigint;
  verdict: Verdict | null;
  onVerdict: ((verdict: Verdict) => void) | null;
  cancelDeadline: Cancel | null;
}

interface UnsentSpend {
  readonly startMs: number;
  nanoUsd: bigint;
}

/** Never added to: an array of its own takes the first item, as most have but one. */
const NONE: HoldRequest[] = [];
const NO_SPENDS: UnsentSpend[] = [];

/** Unsent or unconfirmed spend, under one number until the ledger has stored it. */
interface SpendBatch {
  readonly sequence: number;
  readonly spends: readonly Spend[];
  /** The ledger has reported a balance since the batch was first sent: the batch may be in it. */
  mayBeKnown: boolean;
}

/** A posting in progress. */
interface Sending {
  readonly requests: readonly HoldRequest[];
  readonly batch: SpendBatch | null;
  /** Held when it was sent, the requests not included. */
  readonly heldNanoUsd: bigint;
}

/**
 * Reserves and settles for one period of one budget: this process's reservations and spend, and the part that the
 * ledger has not stored yet. One posting is in progress at a time, and requests that arrive meanwhile go together in
 * the next. Spend is numbered, so a repeated posting counts once; reservations are stated in full, so the next posting
 * makes up for a lost one. While the ledger is down, nothing is lost and nothing piles up: there is one number per
 * hour.
 */
export class Reservations implements Sender {
  readonly #link: LedgerLink;
  readonly #budget: Budget;
  readonly periodMs: number;
  readonly #account: string;
  readonly #bucketMs: number;
  readonly #limitNanoUsd: bigint | null;
  readonly #thresholdsNanoUsd: readonly bigint[];
  readonly #onReached: ReservationsOptions['onReached'];
  readonly #holder: ReservationsOptions['holder'];
  /** One for each bucket: rarely more than one. */
  #unsentSpends: UnsentSpend[] = NO_SPENDS;
  #heldNanoUsd = 0n;
  #heldIsUnsent = false;
  #batch: SpendBatch | null = null;
  #waiting = NONE;
  #sending: Sending | null = null;
  #known: Balance | null = null;
  /** The most spend that the ledger has reported of a calendar period, where it cannot shrink. */
  #mostSpentNanoUsd = 0n;
  /** The last posting that the ledger took, and its answer; `null` before the first. */
  #taken: { readonly sending: Sending; readonly posted: Posted } | null = null;
  /** Held since then without the ledger, and what calls have cost beyond what they held. */
  #aloneNanoUsd = 0n;

  constructor({ link, budget, periodMs, holder, onReached }: ReservationsOptions) {
    this.#link = link;
    this.#budget = budget;
    this.periodMs = periodMs;
    this.#account = accountName(budget);
    this.#bucketMs = bucketMs(budget.period);
    this.#limitNanoUsd = budget.mode === 'block' ? budget.limitNanoUsd : null;
    this.#thresholdsNanoUsd = thresholdsNanoUsd(budget);
    this.#onReached = onReached;
    this.#holder = holder;
    link.join(this);
  }

  get hasUnsent(): boolean {
    return this.#waiting.length > 0 || this.#heldIsUnsent || this.#batch !== null || this.#unsentSpends.length > 0;
  }

  get isAsking(): boolean {
    return this.#waiting.length > 0;
  }

  get isHolding(): boolean {
    return this.#heldNanoUsd > 0n;
  }

  get isSettled(): boolean {
    return !this.hasUnsent && this.#sending === null;
  }

  /** Tells whether nothing is reserved and nothing is unconfirmed. */
  get isIdle(): boolean {
    return !this.isHolding && this.isSettled;
  }

  /** The balance that the ledger last reported; `null` until it reports one. */
  get known(): Balance | null {
    return this.#known;
  }

  /** Records a balance that was read from the ledger. */
  learn(balance: Balance): void {
    this.#known = balance;
    if (this.#batch !== null) this.#batch.mayBeKnown = true;
    if (this.#budget.period.kind === 'rolling') return;
    if (balance.spentNanoUsd >= this.#mostSpentNanoUsd) this.#mostSpentNanoUsd = balance.spentNanoUsd;
    else this.#heldIsUnsent = true;
  }

  /**
   * Asks the ledger to reserve an amount, `soon` with the others of this turn where they are gathered. While the ledger is
   * down, nobody waits for it, and the amount is reserved only here.
   */
  request(nanoUsd: bigint, soon: boolean): HoldRequest {
    const request: HoldRequest = { nanoUsd, verdict: null, onVerdict: null, cancelDeadline: null };
    if (this.#link.up) {
      if (this.#waiting === NONE) this.#waiting = [request];
      else this.#waiting.push(request);
      if (soon && this.#link.gathers) this.#link.sendSoon(this);
      else this.send();
    } else {
      this.#decideAlone(request);
    }
    return request;
  }

  answer(request: HoldRequest): Eventually<Verdict> {
    if (request.verdict !== null) return request.verdict;
    return new Promise((resolve) => {
      request.onVerdict = resolve;
      request.cancelDeadline = this.#link.timers.whileWaiting(this.#link.deadlineMs, () => this.#giveUp(request));
    });
  }

  /** Releases the reservation of a call, and counts its spend in the bucket of `atMs`. Never waits. */
  settle(atMs: number, heldNanoUsd: bigint, spentNanoUsd: bigint): void {
    if (heldNanoUsd !== 0n) {
      this.#heldNanoUsd -= heldNanoUsd;
      this.#heldIsUnsent = true;
    }
    if (spentNanoUsd > heldNanoUsd) this.#aloneNanoUsd += spentNanoUsd - heldNanoUsd;
    if (spentNanoUsd !== 0n) {
      const startMs = Math.floor(atMs / this.#bucketMs) * this.#bucketMs;
      let bucket: UnsentSpend | undefined = this.#unsentSpends[0];
      if (bucket !== undefined && bucket.startMs !== startMs)
        bucket = this.#unsentSpends.find((unsent) => unsent.startMs === startMs);
      if (bucket !== undefined) bucket.nanoUsd += spentNanoUsd;
      else if (this.#unsentSpends.length > 0) this.#unsentSpends.push({ startMs, nanoUsd: spentNanoUsd });
      else this.#unsentSpends = [{ startMs, nanoUsd: spentNanoUsd }];
    }
    if (this.#link.up) this.#link.sendSoon(this);
  }

  /** Holds an amount that was granted already, in place of what was held. */
  hold(nanoUsd: bigint): void {
    this.#heldNanoUsd = nanoUsd;
    this.#heldIsUnsent = true;
    if (this.#link.up) this.send();
  }

  renew(): void {
    this.#heldIsUnsent = true;
    if (this.#link.up) this.send();
  }

  restate(): void {
    if (this.#taken !== null) this.#heldIsUnsent = true;
    this.send();
  }

  resend(): void {
    this.#sending = null;
    this.send();
  }

  send(): void {
    if (this.#sending !== null || !this.hasUnsent) return;
    if (this.#batch === null && this.#unsentSpends.length > 0) {
      this.#batch = { sequence: this.#link.nextSequence(), spends: this.#unsentSpends, mayBeKnown: false };
      this.#unsentSpends = NO_SPENDS;
    }
    const sending: Sending = { requests: this.#waiting, batch: this.#batch, heldNanoUsd: this.#heldNanoUsd };
    this.#sending = sending;
    this.#waiting = NONE;
    this.#heldIsUnsent = false;
    const posting = this.#posting(sending);
    const { group } = this.#link;
    if (group !== null) {
      const lose = (error: unknown): void => this.#lose(sending, error);
      return void group.push({ posting, take: (posted) => this.#take(sending, posted), lose });
    }
    try {
      const answer = this.#link.ledger.post(posting);
      if (answer instanceof Promise) {
        answer.then((posted) => this.#take(sending, posted)).catch((error: unknown) => this.#lose(sending, error));
      } else this.#take(sending, answer);
    } catch (error) {
      this.#lose(sending, error);
    }
  }

  #posting({ requests, batch }: Sending): Posting {
    const nowMs = this.#link.nowMs();
    const { window, keepFromMs } = horizonAt(this.#budget.period, nowMs);
    return {
      account: this.#account,
      periodMs: this.periodMs,
      window,
      writer: this.#holder?.writer ?? this.#link.writer,
      sequence: batch?.sequence ?? 0,
      spends: batch?.spends ?? NO_SPENDS,
      leastSpentNanoUsd: this.#mostSpentNanoUsd,
      // A call that ended before its request was answered is settled already. The request makes up for that, but only
      // if it is sent along. A ledger never gets a negative amount.
      heldNanoUsd: this.#heldNanoUsd < 0n ? atLeast(-sumOf(requests), this.#heldNanoUsd) : this.#heldNanoUsd,
      requests: requests.map(amountOf),
      limitNanoUsd: this.#limitNanoUsd,
      thresholdsNanoUsd: this.#thresholdsNanoUsd,
      nowMs,
      holdMs: this.#holder === undefined ? this.#link.holdMs : Math.max(0, this.#holder.untilMs - nowMs),
      keepFromMs,
    };
  }

  /** Takes the answer to a posting, even if it was abandoned: the ledger has stored its spend. */
  #take(sending: Sending, posted: Posted): void {
    const { granted, level, levelBefore, spentNanoUsd } = posted;
    if (this.#batch === sending.batch) this.#batch = null;
    this.#link.learnTime(posted.ledgerMs);
    this.learn(posted);
    let position = 0;
    for (const request of sending.requests) {
      // The call did not wait, so its reservation may differ from the one that the ledger has just stored.
      if (request.verdict !== null) this.#heldIsUnsent = true;
      else this.#decide(request, this.#answerOf(granted[position] === true, posted));
      position += 1;
    }
    this.#taken = { sending, posted };
    this.#aloneNanoUsd = 0n;
    if (this.#sending === sending) this.#sending = null;
    // A later posting may have replaced the reservations of this one.
    else this.#heldIsUnsent = true;
    this.#link.noteAnswer();
    if (posted.lostNanoUsd !== undefined && posted.lostNanoUsd > 0n) this.#link.onLoss(posted.lostNanoUsd);
    this.send();
    if (level > levelBefore) {
      const reached = Array.from({ length: level - levelBefore }, (_, step) => levelBefore + step);
      this.#onReached(reached, spentNanoUsd);
    }
  }

  #answerOf(isGranted: boolean, balance: Balance): Verdict {
    return { kind: isGranted ? 'granted' : 'refused', balance, isCovered: true };
  }

  /**
   * Returns what was left of a limit when the ledger last took a posting, less what this process has held and spent since; 0
   * before the first. Needed only when the ledger fails.
   */
  #leftOf(limitNanoUsd: bigint): bigint {
    if (this.#taken === null) return 0n;
    const { posted } = this.#taken;
    const unsent = sumOf(this.#unsentSpends) + sumOf(this.#batch?.spends ?? []);
    const known = posted.spentNanoUsd + posted.reservedNanoUsd;
    return limitNanoUsd - known - this.#heldSince() - unsent;
  }

  /** What is held beyond what the last posting that the ledger took says. */
  #heldSince(): bigint {
    if (this.#taken === null) return this.#heldNanoUsd;
    const { sending, posted } = this.#taken;
    const granted = sending.requests.filter((_, at) => posted.granted[at] === true);
    return this.#heldNanoUsd - sending.heldNanoUsd - sumOf(granted);
  }

  #lose(sending: Sending, error: unknown): void {
    if (this.#sending === sending) this.#sending = null;
    this.#heldIsUnsent = true;
    for (const request of sending.requests) if (request.verdict === null) this.#decideAlone(request);
    this.#fail(error);
  }

  #giveUp(request: HoldRequest): void {
    this.#decideAlone(request);
    this.#fail(new LedgerUnavailableError(`no answer within ${this.#link.deadlineMs} ms`));
  }

  /** Requests that wait behind a failed posting would wait in vain, so they fail too. */
  #fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = NONE;
    for (const request of waiting) if (request.verdict === null) this.#decideAlone(request);
    this.#link.noteFailure(error);
  }

  #decideAlone(request: HoldRequest): void {
    this.#heldIsUnsent = true;
    const { nanoUsd } = request;
    const kind = this.usedUp(nanoUsd) === null ? 'unavailable' : 'refused';
    this.#decide(request, { kind, balance: this.#known, isCovered: this.#isCovered(nanoUsd) });
    if (kind !== 'refused') this.#aloneNanoUsd += nanoUsd;
  }

  #isCovered(requestNanoUsd: bigint): boolean {
    if (this.#limitNanoUsd === null) return true;
    const isWithin = (this.#aloneNanoUsd + requestNanoUsd) * ALONE_PART <= this.#limitNanoUsd;
    return isWithin && requestNanoUsd <= this.#leftOf(this.#limitNanoUsd);
  }

  /** Returns the balance where the known spend of a calendar period, which cannot shrink, leaves no room; else `null`. */
  usedUp(requestNanoUsd: bigint): Balance | null {
    if (this.#limitNanoUsd === null || this.#known === null || this.#budget.period.kind === 'rolling') return null;
    let spentNanoUsd = this.#mostSpentNanoUsd + sumOf(this.#unsentSpends);
    if (this.#batch?.mayBeKnown === false) spentNanoUsd += sumOf(this.#batch.spends);
    if (spentNanoUsd + requestNanoUsd <= this.#limitNanoUsd) return null;
    return { spentNanoUsd, reservedNanoUsd: atLeast(0n, this.#known.reservedNanoUsd + this.#heldSince()) };
  }

  #decide(request: HoldRequest, verdict: Verdict): void {
    request.verdict = verdict;
    if (verdict.kind !== 'refused') this.#heldNanoUsd += request.nanoUsd;
    if (this.#heldNanoUsd > 0n) this.#link.keepHeld();
    request.cancelDeadline?.();
    request.onVerdict?.(verdict);
  }
}
