import type { Timers } from '../budget/timers.ts';
import type { Arrival } from './arrival.ts';

/** The requests that are under way, and whether more are taken. */
export class OpenRequests {
  readonly #most: number;
  readonly #open = new Set<Arrival>();
  #isDraining = false;
  #empty: (() => void) | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get isFull(): boolean {
    return this.#open.size > this.#most;
  }

  begin(arrival: Arrival): void {
    this.#open.add(arrival);
  }

  end(arrival: Arrival): void {
    this.#open.delete(arrival);
    if (this.#open.size === 0) this.#empty?.();
  }

  /** Takes no more, and waits until all have ended; those that have not by then are given up. */
  async drain(deadlineMs: number, timers: Timers): Promise<void> {
    this.#isDraining = true;
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = timers.whileWaiting(deadlineMs, () => {
        for (const arrival of this.#open) arrival.leave();
        resolve();
      });
      this.#empty = () => {
        cancel();
        resolve();
      };
    });
  }
}
