/** A worker is hung after this many beats without an answer. */
export const HUNG_BEATS = 6;

/** After this many beats without an answer, a worker does not count as ready. */
const WEAK_BEATS = 2;

/**
 * Tells whether another process answers, in beats of the process that asks, not in time: if both stop, as in a paused container
 * or a sleeping laptop, or only the one that asks, that is one beat, however long.
 */
export class Pulse {
  readonly #ask: () => Promise<unknown>;
  readonly #onChange: () => void;
  #isAsked = false;
  #unanswered = 0;

  /** `onChange` is called when `isWeak` has changed. */
  constructor(ask: () => Promise<unknown>, onChange: () => void) {
    this.#ask = ask;
    this.#onChange = onChange;
  }

  /** Whether it has not answered for some beats. */
  get isWeak(): boolean {
    return this.#unanswered >= WEAK_BEATS;
  }

  /** Asks, or counts a beat without an answer; returns how many there were in a row. */
  beat(): number {
    if (this.#isAsked) this.#unanswered += 1;
    else void this.#asked();
    if (this.#unanswered === WEAK_BEATS) this.#onChange();
    return this.#unanswered;
  }

  async #asked(): Promise<void> {
    this.#isAsked = true;
    try {
      await this.#ask();
    } catch {
      // It has ended, which is told elsewhere.
      return;
    }
    const wasWeak = this.isWeak;
    this.#isAsked = false;
    this.#unanswered = 0;
    if (wasWeak) this.#onChange();
  }
}
