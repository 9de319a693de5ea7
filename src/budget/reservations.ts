import type { Balance, Eventually, Place, Posted, Posting, Spend } from './ledger.ts';
import { LedgerUnavailableError } from './ledger.ts';
import type { Correspondent, LedgerLink } from './ledger-link.ts';
import type { Cancel } from '../clock.ts';

/** What became of an ask. Unless it was refused, its amount is held until it is settled. */
export interface Verdict {
  /** `refused` also where the ledger does not answer, but has said before that the period's spend leaves no room. */
  readonly kind: 'granted' | 'refused' | 'unavailable';
  /** As the ledger said it with the verdict, or last. */
  readonly balance: Balance | null;
}

/** What the postings of a tab say besides what is on it; asked for each. */
export type Terms = Pick<Posting, 'limitNanoUsd' | 'thresholdsNanoUsd' | 'keepFromMs'> & Place;

export interface TabOptions {
  readonly link: LedgerLink;
  readonly terms: () => Terms;
  /** Told of the thresholds that spend has newly reached, by their position. */
  readonly onReached: (positions: readonly number[], spentNanoUsd: bigint) => void;
}

interface Ask {
  readonly nanoUsd: bigint;
  verdict: Verdict | null;
  tell: ((verdict: Verdict) => void) | null;
  cancelDeadline: Cancel | null;
}

/** Spend on its way: the same under the same number until the ledger has taken it. */
interface Parcel {
  readonly sequence: number;
  readonly spends: readonly Spend[];
  /** The ledger has said something since it was first sent: it may be in what is known. */
  mayBeKnown: boolean;
}

interface Sending {
  readonly asks: readonly Ask[];
  readonly parcel: Parcel | null;
}

/**
 * What this process holds and has spent in one period of one budget, and what of it the ledger has yet to take. One
 * posting is under way at a time, and the asks that come meanwhile go together in the next. Spend is numbered, so what
 * is sent twice counts once; what is held is said whole, so what got lost is made good by the next posting. While the
 * ledger is away nothing is lost and nothing piles up: there is one number for each hour.
 */
export class Tab implements Correspondent {
  readonly #link: LedgerLink;
  readonly #terms: () => Terms;
  readonly #onReached: TabOptions['onReached'];
  #heldNanoUsd = 0n;
  #heldIsNews = false;
  readonly #unsent = new Map<number, bigint>();
  #parcel: Parcel | null = null;
  #waiting: Ask[] = [];
  #sending: Sending | null = null;
  #known: Balance | null = null;

  constructor({ link, terms, onReached }: TabOptions) {
    this.#link = link;
    this.#terms = terms;
    this.#onReached = onReached;
    link.join(this);
  }

  get hasNews(): boolean {
    return this.#waiting.length > 0 || this.#heldIsNews || this.#parcel !== null || this.#unsent.size > 0;
  }

  get holds(): boolean {
    return this.#heldNanoUsd > 0n;
  }

  /** Nothing is held, nothing is on its way. */
  get idle(): boolean {
    return !this.holds && this.quiet;
  }

  /** The ledger has taken all there is to take. */
  get quiet(): boolean {
    return !this.hasNews && this.#sending === null;
  }

  /** As the ledger last said it; `null` before it has. */
  get known(): Balance | null {
    return this.#known;
  }

  /** As read from the ledger. */
  learn(balance: Balance): void {
    this.#known = balance;
    if (this.#parcel !== null) this.#parcel.mayBeKnown = true;
  }

  /** Asks the ledger to hold an amount. While it is known to be down nobody waits for it, and the amount is held here. */
  reserve(nanoUsd: bigint): Eventually<Verdict> {
    const ask: Ask = { nanoUsd, verdict: null, tell: null, cancelDeadline: null };
    if (!this.#link.up) {
      this.#unheard(ask);
    } else {
      this.#waiting.push(ask);
      this.send();
    }
    if (ask.verdict !== null) return ask.verdict;
    return new Promise((resolve) => {
      ask.tell = resolve;
      ask.cancelDeadline = this.#link.timers.whileWaiting(this.#link.deadlineMs, () => this.#giveUp(ask));
    });
  }

  /** Lets go of what was held for a call and counts what it spent at that time. Never waits. */
  settle(heldNanoUsd: bigint, spend: Spend): void {
    if (heldNanoUsd !== 0n) {
      this.#heldNanoUsd -= heldNanoUsd;
      this.#heldIsNews = true;
    }
    if (spend.nanoUsd !== 0n) {
      this.#unsent.set(spend.startMs, (this.#unsent.get(spend.startMs) ?? 0n) + spend.nanoUsd);
    }
    if (this.#link.up) this.send();
  }

  resend(): void {
    this.#sending = null;
    this.send();
  }

  renew(): void {
    this.#heldIsNews = true;
    if (this.#link.up) this.send();
  }

  /** Sends what there is, unless something is still under way. */
  send(): void {
    if (this.#sending !== null || !this.hasNews) return;
    if (this.#parcel === null && this.#unsent.size > 0) {
      const spends = [...this.#unsent].map(([startMs, nanoUsd]) => ({ startMs, nanoUsd }));
      this.#parcel = { sequence: this.#link.nextSequence(), spends, mayBeKnown: false };
      this.#unsent.clear();
    }
    const sending: Sending = { asks: this.#waiting, parcel: this.#parcel };
    this.#sending = sending;
    this.#waiting = [];
    this.#heldIsNews = false;
    try {
      const answer = this.#link.ledger.post(this.#posting(sending));
      if (answer instanceof Promise) {
        answer.then((posted) => this.#taken(sending, posted)).catch((error: unknown) => this.#lost(sending, error));
      } else this.#taken(sending, answer);
    } catch (error) {
      this.#lost(sending, error);
    }
  }

  #posting({ asks, parcel }: Sending): Posting {
    const { account, periodMs, window, limitNanoUsd, thresholdsNanoUsd, keepFromMs } = this.#terms();
    const asked = asks.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0n);
    return {
      account,
      periodMs,
      window,
      writer: this.#link.writer,
      sequence: parcel?.sequence ?? 0,
      spends: parcel?.spends ?? [],
      // A call that is over before its ask is answered has been let go of already: the ask makes up for that, but only
      // where it goes along. A ledger is never told of less than nothing.
      heldNanoUsd: this.#heldNanoUsd < -asked ? -asked : this.#heldNanoUsd,
      asks: asks.map(({ nanoUsd }) => nanoUsd),
      limitNanoUsd,
      thresholdsNanoUsd,
      nowMs: this.#link.clock.epochMs(),
      holdMs: this.#link.holdMs,
      keepFromMs,
    };
  }

  /** Also for an answer that comes after it was given up: its spend is taken all the same. */
  #taken(sending: Sending, posted: Posted): void {
    const { granted, level, levelBefore } = posted;
    if (this.#parcel === sending.parcel) this.#parcel = null;
    this.learn(posted);
    sending.asks.forEach((ask, position) => {
      // The call went on without waiting, and what is held for it may not be what the ledger has just written down.
      if (ask.verdict !== null) this.#heldIsNews = true;
      else this.#tell(ask, { kind: granted[position] === true ? 'granted' : 'refused', balance: posted });
    });
    if (this.#sending === sending) this.#sending = null;
    // A later posting may have replaced what this one said is held.
    else this.#heldIsNews = true;
    this.#link.answered();
    this.send();
    this.#link.looked();
    if (level > levelBefore) {
      const positions = Array.from({ length: level - levelBefore }, (_, step) => levelBefore + step);
      this.#onReached(positions, posted.spentNanoUsd);
    }
  }

  #lost(sending: Sending, error: unknown): void {
    if (this.#sending === sending) this.#sending = null;
    this.#heldIsNews = true;
    for (const ask of sending.asks) if (ask.verdict === null) this.#unheard(ask);
    this.#fail(error);
  }

  #giveUp(ask: Ask): void {
    this.#unheard(ask);
    this.#fail(new LedgerUnavailableError(`no answer within ${this.#link.deadlineMs} ms`));
  }

  /** Those who wait behind what failed would wait for the same. */
  #fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const ask of waiting) if (ask.verdict === null) this.#unheard(ask);
    this.#link.failed(error);
  }

  #unheard(ask: Ask): void {
    this.#heldIsNews = true;
    this.#tell(ask, { kind: this.#isUsedUp(ask.nanoUsd) ? 'refused' : 'unavailable', balance: this.#known });
  }

  /** What was spent in a period of the calendar stays spent: that needs no ledger to be sure of. */
  #isUsedUp(askNanoUsd: bigint): boolean {
    const { limitNanoUsd, window } = this.#terms();
    if (limitNanoUsd === null || this.#known === null || window.kind !== 'calendar') return false;
    let spentNanoUsd = this.#known.spentNanoUsd;
    for (const nanoUsd of this.#unsent.values()) spentNanoUsd += nanoUsd;
    if (this.#parcel?.mayBeKnown === false) for (const { nanoUsd } of this.#parcel.spends) spentNanoUsd += nanoUsd;
    return spentNanoUsd + askNanoUsd > limitNanoUsd;
  }

  #tell(ask: Ask, verdict: Verdict): void {
    ask.verdict = verdict;
    if (verdict.kind !== 'refused') this.#heldNanoUsd += ask.nanoUsd;
    if (this.holds) this.#link.keepHeld();
    ask.cancelDeadline?.();
    ask.tell?.(verdict);
  }
}
