import type { Cancel, Clock, Timers } from '../clock.ts';
import { LedgerUnavailableError, type Eventually, type Ledger } from './ledger.ts';

/** Has something for the ledger, and is told when to try again. */
export interface Correspondent {
  /** There is something that the ledger has not taken. */
  readonly hasNews: boolean;
  /** Something is held there, which the ledger forgets when it hears nothing. */
  readonly holds: boolean;
  /** The ledger has taken all there is to take. */
  readonly quiet: boolean;
  /** Sends what there is, unless something is still under way. */
  send(): void;
  /** Sends what there is: what is still under way is given up. */
  resend(): void;
  /** Says again what is held. */
  renew(): void;
}

export interface LedgerLinkOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly timers: Timers;
  /** From 0 to 1. */
  readonly random: () => number;
  /** How long a call waits for an answer. */
  readonly deadlineMs: number;
  /** How long a writer may be silent before what it holds is forgotten. */
  readonly holdMs: number;
  readonly onError: (error: unknown) => void;
  /** The ledger answers again. */
  readonly onUp: () => void;
}

/** Readings may take longer than a call would wait: a first connection, for one. */
const READING_MS = 1_000;

const FIRST_RETRY_MS = 50;

const LONGEST_RETRY_MS = 5_000;

/** The ledger as this process sees it: whether it answers, and when to try again if it does not. */
export class LedgerLink {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly deadlineMs: number;
  readonly holdMs: number;
  /** Names this process in the ledger, for its lifetime. */
  readonly writer = crypto.randomUUID();
  readonly #random: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #onUp: () => void;
  readonly #correspondents = new Set<Correspondent>();
  #sequence = 0;
  #whenQuiet: (() => void)[] = [];
  #up = true;
  #closed = false;
  #nextRetryMs = FIRST_RETRY_MS;
  #retry: Cancel | null = null;
  #renewal: Cancel | null = null;

  constructor(options: LedgerLinkOptions) {
    this.ledger = options.ledger;
    this.clock = options.clock;
    this.timers = options.timers;
    this.deadlineMs = options.deadlineMs;
    this.holdMs = options.holdMs;
    this.#random = options.random;
    this.#onError = options.onError;
    this.#onUp = options.onUp;
  }

  /** While it is not, nobody waits for it. */
  get up(): boolean {
    return this.#up;
  }

  /** Numbers what is posted: a later posting has a higher number, whichever place it is for. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  join(correspondent: Correspondent): void {
    this.#correspondents.add(correspondent);
  }

  leave(correspondent: Correspondent): void {
    this.#correspondents.delete(correspondent);
  }

  answered(): void {
    if (this.#up) return;
    this.#up = true;
    this.#nextRetryMs = FIRST_RETRY_MS;
    this.#retry?.();
    this.#retry = null;
    // What was left while the ledger was down.
    for (const correspondent of this.#correspondents) correspondent.send();
    this.#onUp();
  }

  failed(error: unknown): void {
    if (this.#up) this.#onError(error);
    this.#up = false;
    if (this.#retry !== null || this.#closed) return;
    const waitMs = this.#nextRetryMs * (0.5 + this.#random() / 2);
    this.#nextRetryMs = Math.min(LONGEST_RETRY_MS, this.#nextRetryMs * 2);
    this.#retry = this.timers.inBackground(waitMs, () => this.#tryAgain());
  }

  #tryAgain(): void {
    this.#retry = null;
    const waiting = [...this.#correspondents].filter(({ hasNews }) => hasNews);
    if (waiting.length === 0) this.#probe();
    // A ledger that is still down fails the first; the rest would only wait behind it.
    for (const correspondent of waiting) if (this.#retry === null) correspondent.resend();
  }

  #probe(): void {
    const nowhere = { account: 'probe', periodMs: 0, window: { kind: 'calendar' } } as const;
    const at = { nowMs: this.clock.epochMs(), holdMs: this.holdMs };
    void this.asked(
      () => this.ledger.balance(nowhere, at),
      () => undefined,
    );
  }

  /**
   * Reads, and tells what came. Nothing comes back where it was there at once; else a promise that is resolved when it
   * has come, has failed or is late.
   */
  asked<T>(read: () => Eventually<T>, told: (answer: T) => void): Promise<void> | undefined {
    try {
      const answer = read();
      if (answer instanceof Promise) return this.#awaited(answer, told);
      told(answer);
      this.answered();
    } catch (error) {
      this.failed(error);
    }
    return undefined;
  }

  async #awaited<T>(answer: Promise<T>, told: (answer: T) => void): Promise<void> {
    try {
      told(await this.#inTime(answer));
      this.answered();
    } catch (error) {
      this.failed(error);
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

  /** Something is held from now on: it is said again in time for as long as it is. */
  keepHeld(): void {
    if (this.#renewal !== null || this.#closed) return;
    this.#renewal = this.timers.inBackground(this.holdMs / 3, () => {
      this.#renewal = null;
      const holding = [...this.#correspondents].filter(({ holds }) => holds);
      if (holding.length > 0) this.keepHeld();
      for (const correspondent of holding) correspondent.renew();
    });
  }

  /** Resolves when the ledger has taken all there is, or after so long: `false` then. One that is down is asked at once. */
  async drained(longestMs: number): Promise<boolean> {
    if (this.#retry !== null) {
      // The next try may be due later than anybody waits for here.
      this.#retry();
      this.#tryAgain();
    }
    if (this.#quiet) return true;
    return new Promise((resolve) => {
      const cancel = this.timers.whileWaiting(longestMs, () => resolve(false));
      this.#whenQuiet.push(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** A correspondent may have become quiet. */
  looked(): void {
    if (this.#whenQuiet.length === 0 || !this.#quiet) return;
    const waiting = this.#whenQuiet;
    this.#whenQuiet = [];
    for (const tell of waiting) tell();
  }

  get #quiet(): boolean {
    return [...this.#correspondents].every(({ quiet }) => quiet);
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
