import type { Clock } from 'plimsoll';
import type { SimulatorClock } from 'plimsoll/simulator';

/** One time for everybody: it goes on when somebody sleeps, and nobody waits. */
export class HistoryClock implements Clock, SimulatorClock {
  #nowMs: number;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  epochMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  async sleep(ms: number): Promise<void> {
    this.#nowMs += ms;
  }

  /** To a later moment; never back. */
  advanceTo(ms: number): void {
    this.#nowMs = Math.max(this.#nowMs, ms);
  }
}

/** The SDK's own timeout of a request is longer, and is not to pass. */
const LONGEST_SLEEP_MS = 120_000;

interface Hurry {
  readonly clock: HistoryClock;
  /** In place of the chance with which the SDK spreads its waits. */
  readonly random: () => number;
}

/**
 * While `work` runs, a timer of up to two minutes passes at once and moves the clock by its time: so the SDK's own waits
 * between attempts take none, and are the same each time. Everybody else in the process is hurried too: run it alone.
 */
export async function hurried<Result>({ clock, random }: Hurry, work: () => Promise<Result>): Promise<Result> {
  const original = globalThis.setTimeout;
  const originalRandom = Math.random;
  const patched = (task: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): unknown => {
    if (ms > LONGEST_SLEEP_MS) return original(task, ms, ...args);
    return original(() => {
      clock.advanceTo(clock.now() + ms);
      task(...args);
    }, 0);
  };
  globalThis.setTimeout = patched as typeof setTimeout;
  Math.random = random;
  try {
    return await work();
  } finally {
    globalThis.setTimeout = original;
    Math.random = originalRandom;
  }
}
