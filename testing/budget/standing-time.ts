import type { Clock, Timers } from '../../src/clock.ts';

/** A clock and timers that stand still until they are moved. */
export class StandingTime implements Clock, Timers {
  #epochMs: number;
  #monotonicMs = 0;
  readonly #tasks = new Set<{ readonly atMs: number; readonly task: () => void }>();

  constructor(epochMs: number) {
    this.#epochMs = epochMs;
  }

  epochMs(): number {
    return this.#epochMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Sets the clock as an administrator does: no time passes. */
  set(epochMs: number): void {
    this.#epochMs = epochMs;
  }

  /** Lets time pass, and does what is due on the way in its order. */
  pass(ms: number): void {
    const untilMs = this.#monotonicMs + ms;
    for (;;) {
      const next = [...this.#tasks].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      this.#move((next?.atMs ?? untilMs) - this.#monotonicMs);
      if (next === undefined) return;
      this.#tasks.delete(next);
      next.task();
    }
  }

  readonly whileWaiting = (waitMs: number, task: () => void): (() => void) => {
    const entry = { atMs: this.#monotonicMs + waitMs, task };
    this.#tasks.add(entry);
    return () => this.#tasks.delete(entry);
  };

  readonly inBackground = this.whileWaiting;

  /** At once: nothing is at hand while time stands. */
  soon(task: () => void): void {
    task();
  }

  #move(ms: number): void {
    this.#monotonicMs += ms;
    this.#epochMs += ms;
  }
}
