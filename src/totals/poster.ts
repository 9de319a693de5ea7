import { systemTimers, type Cancel, type Clock, type Timers } from '../clock.ts';

/** What a process adds to a store at once. */
export interface Posting<Row> {
  /** Identifies the process for its lifetime. */
  readonly writer: string;
  /** Goes up with each posting of a writer: one that was taken before is not added again. */
  readonly sequence: number;
  readonly atMs: number;
  readonly rows: readonly Row[];
  /** The last posting of a process that ends in order. */
  readonly ends: boolean;
}

interface PosterOptions<Row> {
  /** Takes away what is not posted yet. */
  readonly take: () => readonly Row[];
  /** Adds a posting whole or not at all. */
  readonly add: (posting: Posting<Row>) => void | Promise<void>;
  /** Posts nothing, too, as a sign of life. */
  readonly showsLife: boolean;
  readonly clock: Clock;
  /** Gets what the store threw. */
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly timers?: Timers | undefined;
}

/** A posting that failed is tried again after this time. */
const AGAIN_MS = 2_000;

/** Posts the rows of a process, each once: a posting whose answer did not come is sent again as it was, under its number. */
export class Poster<Row> {
  readonly #options: PosterOptions<Row>;
  readonly #writer = crypto.randomUUID();
  #sequence = 0;
  /** Posted, and not known to be stored. */
  #pending: Posting<Row> | null = null;
  /** Settles with the last posting. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #timer: Cancel | null = null;
  #isOver = false;

  constructor(options: PosterOptions<Row>) {
    this.#options = options;
  }

  /** Posts again and again. */
  every(everyMs: number): void {
    this.#later(everyMs, () => {
      if (this.#waiting === 0) this.flush().catch(this.#failed);
      this.every(everyMs);
    });
  }

  /** Posts once after this time, and again until that succeeds. */
  soon(waitMs: number): void {
    if (this.#timer !== null || this.#isOver) return;
    this.#later(waitMs, () => {
      this.#timer = null;
      this.flush().catch((error: unknown) => {
        this.#failed(error);
        this.soon(AGAIN_MS);
      });
    });
  }

  /** Posts what there is, after the posting in progress. */
  flush(): Promise<void> {
    return this.#next(false);
  }

  /** Posts the rest, as the last posting. */
  end(): Promise<void> {
    this.#isOver = true;
    this.#timer?.();
    return this.#next(true);
  }

  #next(ends: boolean): Promise<void> {
    this.#waiting += 1;
    const posting = this.#last.then(() => this.#post(ends)).finally(() => (this.#waiting -= 1));
    this.#last = posting.catch(() => undefined);
    return posting;
  }

  #later(waitMs: number, then: () => void): void {
    const { timers = systemTimers } = this.#options;
    this.#timer = timers.inBackground(waitMs, then);
  }

  readonly #failed = (error: unknown): void => this.#options.onError?.(error);

  async #post(ends: boolean): Promise<void> {
    const { take, add, showsLife, clock } = this.#options;
    if (this.#pending !== null) {
      await add(this.#pending);
      this.#pending = null;
    }
    const rows = take();
    if (rows.length === 0 && (this.#sequence === 0 || !showsLife)) return;
    this.#sequence += 1;
    this.#pending = { writer: this.#writer, sequence: this.#sequence, atMs: clock.epochMs(), rows, ends };
    await add(this.#pending);
    this.#pending = null;
  }
}
