import type { Eventually } from '../budget/ledger.ts';
import type { Clock, Timers } from '../clock.ts';
import type { Answer } from './ask.ts';
import type { Amounts, Charge } from './pace-state.ts';
import type { PaceStore } from './pace-store.ts';
import type { SeenLimit, Settled, Settlement } from './settle.ts';
import { Turns, type Question } from './turns.ts';

/** What all lines of a pace share. */
export interface PaceSettings {
  /** Whose limits: paces of one name share what a store knows. */
  readonly name: string;
  readonly store: PaceStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly maxWaiting: number;
  readonly share: number;
  /** The longest that a call waits for the store to say whether it may go. */
  readonly storeDeadlineMs: number;
}

/** The store is left alone for so long after it has failed. */
const DOWN_MS = 1_000;

const UNKNOWN: Amounts = [0, 0, 0];

/** Where errors of a line go: they are counted, and nothing is refused for them. */
type Failed = (error: unknown) => void;

/** The calls of one class of models: those that wait in this process, and what the store knows of their limits. */
export class PaceLine {
  readonly modelClass: string;
  /** Names what the store knows of it. */
  readonly #place: string;
  readonly turns: Turns;
  readonly #settings: PaceSettings;
  readonly #configured: () => Amounts;
  #seen: Amounts = UNKNOWN;
  #failed: Failed = () => undefined;
  #settlements = 0;
  #downUntilMs = -Infinity;
  /** The last answer showed no limits, and none are known, as with proxies that drop headers: nothing can be paced by them. */
  isUnlimited = false;

  constructor(
    { place, modelClass }: { readonly place: string; readonly modelClass: string },
    configured: () => Amounts,
    settings: PaceSettings,
  ) {
    this.modelClass = modelClass;
    this.#place = `${settings.name} ${place}`;
    this.#settings = settings;
    this.#configured = configured;
    const { clock, timers, random, maxWaiting } = settings;
    this.turns = new Turns({
      clock,
      timers,
      random,
      maxWaiting,
      limits: () => this.#limits,
      ask: (questions) => this.#ask(questions),
      takeBack: (charge) => this.takeBack(charge),
    });
  }

  /** What answers have shown, else what is configured. */
  get #limits(): Amounts {
    const [requests, input, output] = this.#seen;
    if (requests > 0 && input > 0 && output > 0) return this.#seen;
    const configured = this.#configured();
    return [requests || configured[0], input || configured[1], output || configured[2]];
  }

  /** Whether the store's last answer came, and in time. */
  get isUp(): boolean {
    return this.#settings.clock.monotonicMs() >= this.#downUntilMs;
  }

  /** Sends errors of the store there from now on. */
  onError(failed: Failed): void {
    this.#failed = failed;
  }

  /** Takes note of the limits that an answer shows, or that it shows none; one without them says nothing of known ones. */
  see(seen: Settlement['seen']): void {
    this.isUnlimited = seen === null && this.#limits.every((limit) => limit === 0);
    if (seen === null) return;
    const limitOf = (shown: SeenLimit | null, at: 0 | 1 | 2): number => shown?.limit ?? this.#seen[at];
    this.#seen = [limitOf(seen[0], 0), limitOf(seen[1], 1), limitOf(seen[2], 2)];
  }

  /** Tells the store what became of a charge. Returns at once; a failure is counted. */
  settle(known: Omit<Settlement, 'share' | 'nowMs'>, onSurprise?: () => void): void {
    const { store, clock, share } = this.#settings;
    const settled = ({ isSurprise }: Settled): void => {
      if (isSurprise) onSurprise?.();
      this.turns.ask();
    };
    try {
      const settlement = { ...known, share, nowMs: clock.epochMs() };
      const id = `${ID} ${this.#settlements++}`;
      const answer = store.settle(this.#place, settlement, id);
      if (answer instanceof Promise) answer.then(settled, (error: unknown) => this.#failed(error));
      else settled(answer);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Takes back the charge of a call that was not sent. */
  takeBack(charge: Charge): void {
    const nothing = { seen: null, refusal: null, sentAtMs: 0 };
    this.settle({ ...nothing, charge, actual: [0, 0, 0], isOver: true });
  }

  #ask(questions: readonly Question[]): Eventually<readonly Answer[]> {
    if (!this.isUp) throw new Error('the store of a pace was down a moment ago');
    const { store, clock, share } = this.#settings;
    const state = { limits: this.#configured(), share, nowMs: clock.epochMs() };
    try {
      const answer = store.ask(
        this.#place,
        questions.map((question) => ({ ...question, ...state })),
      );
      return answer instanceof Promise ? this.#inTime(answer) : answer;
    } catch (error) {
      throw this.#down(error);
    }
  }

  /** Nobody waits for what comes later, and nobody goes by it: it charged for calls that ask again, or went unpaced. */
  #inTime(answer: Promise<readonly Answer[]>): Promise<readonly Answer[]> {
    const { timers, storeDeadlineMs } = this.#settings;
    return new Promise((resolve, reject) => {
      let isLate = false;
      const cancel = timers.whileWaiting(storeDeadlineMs, () => {
        isLate = true;
        reject(this.#down(new Error('the store of a pace did not answer in time')));
      });
      const settled = answer.then(
        (answers) => {
          if (isLate) for (const late of answers) if (late.kind === 'go') this.takeBack(late.charge);
          resolve(answers);
        },
        (error: unknown) => reject(this.#down(error)),
      );
      void settled.finally(cancel);
    });
  }

  #down(error: unknown): Error {
    if (this.isUp) {
      this.#downUntilMs = this.#settings.clock.monotonicMs() + DOWN_MS;
      this.#failed(error);
    }
    return error instanceof Error ? error : new Error('the store of a pace failed', { cause: error });
  }
}

/** Unique to the process and its lifetime. */
const ID = crypto.randomUUID();
