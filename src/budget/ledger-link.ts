import type { Cancel, Clock, Timers } from '../clock.ts';
import { LedgerUnavailableError, type Eventually, type Ledger, type Posted, type Posting } from './ledger.ts';

/** Sends postings to the ledger when the link asks for them. */
export interface Sender {
  /** Tells whether something has not been stored by the ledger. */
  readonly hasUnsent: boolean;
  /** Tells whether calls wait for what has not been sent. */
  readonly isAsking: boolean;
  /** Tells whether there are reservations, which the ledger drops unless they are renewed. */
  readonly isHolding: boolean;
  /** Tells whether the ledger has stored everything. */
  readonly isSettled: boolean;
  /** Sends what is pending, unless a posting is in progress. */
  send(): void;
  /** Sends what is pending, and abandons a posting in progress. */
  resend(): void;
  /** Renews the reservations in the ledger. */
  renew(): void;
  /** Sends what is pending, and what the ledger was told before it went down, where it was told anything. */
  restate(): void;
}

/** A posting that goes to the ledger with others, and what is done with its answer. */
interface GroupedPosting {
  readonly posting: Posting;
  readonly take: (posted: Posted) => void;
  readonly lose: (error: unknown) => void;
}

interface LedgerLinkOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly timers: Timers;
  /** From 0 to 1. */
  readonly random: () => number;
  /** The longest that a call waits for an answer. */
  readonly deadlineMs: number;
  /** A writer that posts nothing for this long loses its reservations. */
  readonly holdMs: number;
  readonly onError: (error: unknown) => void;
  /** The ledger responds again. */
  readonly onUp: () => void;
  /** The ledger had lost spend, and has taken back what this process knew of it. */
  readonly onLoss: (lostNanoUsd: bigint) => void;
}

/** A reading may take longer than a call would wait, for example for a first connection. */
const READING_MS = 1_000;

const FIRST_RETRY_MS = 50;

const LONGEST_RETRY_MS = 5_000;

/** Links whose settlements are to be sent soon: a process that exits first sends them on its way out. */
const settlingLinks = new Set<LedgerLink>();

let sendsAtExit = false;

function sendAtExit(): void {
  if (sendsAtExit) return;
  sendsAtExit = true;
  process.once('exit', () => {
    for (const link of settlingLinks) link.sendSettled();
  });
}

/** This process's connection to the ledger: whether it responds, and when to try again if it does not. */
export class LedgerLink {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly deadlineMs: number;
  readonly holdMs: number;
  /** Identifies this process in the ledger, for its lifetime. */
  readonly writer = crypto.randomUUID();
  /** `false` from a failure until the next answer: nobody waits for the ledger meanwhile. Only the link sets it. */
  up = true;
  /** Whether reservations that may wait for the end of the turn do, so that an account's share one transaction. */
  gathers = false;
  /** Is told of spend that the ledger had lost, and has taken back. */
  readonly onLoss: (lostNanoUsd: bigint) => void;
  readonly #random: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #onUp: () => void;
  readonly #senders = new Set<Sender>();
  /** Those with settlements that they have not sent yet. */
  readonly #settling = new Set<Sender>();
  #sequence = 0;
  /** The ledger's time when it last said it, and the monotonic time of then; `null` until it has. */
  #told: { readonly ledgerMs: number; readonly atMs: number } | null = null;
  #asking: Promise<void> | null = null;
  #closed = false;
  #nextRetryMs = FIRST_RETRY_MS;
  #retry: Cancel | null = null;
  #renewal: Cancel | null = null;
  #whenSettled: (() => void)[] = [];
  #group: GroupedPosting[] | null = null;

  constructor(options: LedgerLinkOptions) {
    this.ledger = options.ledger;
    this.clock = options.clock;
    this.timers = options.timers;
    this.deadlineMs = options.deadlineMs;
    this.holdMs = options.holdMs;
    this.#random = options.random;
    this.#onError = options.onError;
    this.#onUp = options.onUp;
    this.onLoss = options.onLoss;
  }

  join(sender: Sender): void {
    this.#senders.add(sender);
  }

  leave(sender: Sender): void {
    this.#senders.delete(sender);
  }

  /**
   * The time of the ledger, by which all of its writers go: a clock of this machine that is wrong, or is set, changes
   * nothing once the ledger has said its own. Until then, and where all writers share a clock, it is that of this machine.
   */
  nowMs(): number {
    const { clock } = this;
    if (this.#told === null) return clock.epochMs();
    return Math.round(this.#told.ledgerMs + clock.monotonicMs() - this.#told.atMs);
  }

  /** The time of the ledger at a time of this machine's clock. */
  ledgerTimeOf(epochMs: number): number {
    return this.#told === null ? epochMs : this.nowMs() - (this.clock.epochMs() - epochMs);
  }

  /** Takes note of the time that an answer of the ledger's has. */
  learnTime(ledgerMs: number | undefined): void {
    if (ledgerMs === undefined || this.ledger.timeMs === null) return;
    this.#told = { ledgerMs, atMs: this.clock.monotonicMs() };
  }

  /**
   * Waits for the time of a ledger that has one of its own, and has not said it yet: once, and not while it is down.
   * `undefined` where there is nothing to wait for.
   */
  time(): Promise<void> | undefined {
    const { timeMs } = this.ledger;
    if (timeMs === null || this.#told !== null || !this.up) return undefined;
    this.#asking ??= (this.read(timeMs, (ledgerMs) => this.learnTime(ledgerMs)) ?? Promise.resolve()).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /**
   * Sends what a call has settled, or asks for if reservations are gathered, before the process waits for anything again: with
   * the next reservation where one comes first, which saves the ledger a transaction, and at the latest when the process exits.
   */
  sendSoon(sender: Sender): void {
    this.#settling.add(sender);
    if (settlingLinks.has(this)) return;
    settlingLinks.add(this);
    sendAtExit();
    this.timers.soon(() => {
      settlingLinks.delete(this);
      this.sendSettled();
    });
  }

  /**
   * Sends what calls have settled, before anybody reads the ledger. While it is down, that is kept; but requests made before
   * the outage are sent, and fail.
   */
  sendSettled(): void {
    if (this.#settling.size === 0) return;
    this.together(() => {
      for (const sender of this.#settling) if (this.up || sender.isAsking) sender.send();
    });
    this.#settling.clear();
  }

  /** Where postings that go together are added; `null` where each goes on its own. */
  get group(): GroupedPosting[] | null {
    return this.#group;
  }

  /** Posts what `send` sends in one step, where the ledger has one for several postings. */
  together(send: () => void): void {
    const { postAll } = this.ledger;
    if (postAll === undefined) return send();
    const group: GroupedPosting[] = [];
    this.#group = group;
    try {
      send();
    } finally {
      this.#group = null;
    }
    if (group.length === 0) return;
    const lose = (error: unknown): void => group.forEach((one) => one.lose(error));
    try {
      const answer = postAll(group.map(({ posting }) => posting));
      if (answer instanceof Promise) answer.then((all) => takeAll(group, all)).catch(lose);
      else takeAll(group, answer);
    } catch (error) {
      lose(error);
    }
  }

  /** The number of the next posting with spend: a later posting has a higher one, whichever account it is for. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** Records that the ledger has answered. */
  noteAnswer(): void {
    if (!this.up) {
      this.up = true;
      this.#nextRetryMs = FIRST_RETRY_MS;
      this.#retry?.();
      this.#retry = null;
      // The senders kept their postings while the ledger was down, and it may come back without what it had.
      for (const sender of this.#senders) sender.restate();
      this.#onUp();
    }
    if (this.#whenSettled.length > 0) this.#tellIfSettled();
  }

  /** Records that the ledger has failed, or that its answer is late, and schedules another try. */
  noteFailure(error: unknown): void {
    if (this.up) this.#onError(error);
    this.up = false;
    if (this.#retry !== null || this.#closed) return;
    const waitMs = this.#nextRetryMs * (0.5 + this.#random() / 2);
    this.#nextRetryMs = Math.min(LONGEST_RETRY_MS, this.#nextRetryMs * 2);
    this.#retry = this.timers.inBackground(waitMs, () => this.#tryAgain());
  }

  #tryAgain(): void {
    this.#retry = null;
    const waiting = [...this.#senders].filter(({ hasUnsent }) => hasUnsent);
    if (waiting.length === 0) this.#probe();
    // If the ledger is still down, the first posting fails; the others would only wait behind it.
    for (const sender of waiting) if (this.#retry === null) sender.resend();
  }

  #probe(): void {
    const nowhere = { account: 'probe', periodMs: 0, window: { kind: 'calendar' } } as const;
    void this.read(
      () => this.ledger.balance(nowhere, this.nowMs()),
      ({ ledgerMs }) => this.learnTime(ledgerMs),
    );
  }

  /**
   * Reads from the ledger, and passes on the answer. Returns nothing if the answer is immediate; else a promise that
   * resolves when the answer arrives, fails or is late.
   */
  read<T>(ask: () => Eventually<T>, onAnswer: (answer: T) => void): Promise<void> | undefined {
    try {
      const answer = ask();
      if (answer instanceof Promise) return this.#awaitAnswer(answer, onAnswer);
      onAnswer(answer);
      this.noteAnswer();
    } catch (error) {
      this.noteFailure(error);
    }
    return undefined;
  }

  async #awaitAnswer<T>(answer: Promise<T>, onAnswer: (answer: T) => void): Promise<void> {
    try {
      onAnswer(await this.#inTime(answer));
      this.noteAnswer();
    } catch (error) {
      this.noteFailure(error);
    }
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    const longestMs = Math.max(READING_MS, this.deadlineMs);
    return new Promise<T>((resolve, reject) => {
      const late = (): void => reject(new LedgerUnavailableError(`no answer within ${longestMs} ms`));
      const cancel = this.timers.whileWaiting(longestMs, late);
      void answer.then(resolve, reject).finally(cancel);
    });
  }

  /** Renews reservations in time, as long as there are any. */
  keepHeld(): void {
    if (this.#renewal !== null || this.#closed) return;
    this.#renewal = this.timers.inBackground(this.holdMs / 3, () => {
      this.#renewal = null;
      const holding = [...this.#senders].filter(({ isHolding }) => isHolding);
      if (holding.length > 0) this.keepHeld();
      for (const sender of holding) sender.renew();
    });
  }

  /**
   * Resolves with `true` when the ledger has stored everything, with `false` after `longestMs`. A ledger that is down
   * is tried at once, because the next scheduled try may be too late.
   */
  async drain(longestMs: number): Promise<boolean> {
    this.sendSettled();
    if (this.#retry !== null) {
      this.#retry();
      this.#tryAgain();
    }
    if (this.#isSettled) return true;
    return new Promise((resolve) => {
      const cancel = this.timers.whileWaiting(longestMs, () => resolve(false));
      this.#whenSettled.push(() => {
        cancel();
        resolve(true);
      });
    });
  }

  #tellIfSettled(): void {
    if (!this.#isSettled) return;
    const waiting = this.#whenSettled;
    this.#whenSettled = [];
    for (const tell of waiting) tell();
  }

  get #isSettled(): boolean {
    return [...this.#senders].every(({ isSettled }) => isSettled);
  }

  /** Stops trying. */
  close(): void {
    this.#closed = true;
    this.#retry?.();
    this.#renewal?.();
    this.#retry = null;
    this.#renewal = null;
  }
}

/** One whose answer is of no use is lost, and the others are not. */
function takeAll(group: readonly GroupedPosting[], answers: readonly Posted[]): void {
  for (const [at, { take, lose }] of group.entries()) {
    try {
      take(answers[at] as Posted);
    } catch (error) {
      lose(error);
    }
  }
}
