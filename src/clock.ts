/** The time. Passed in everywhere, so that tests control it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump when the machine's clock is set. */
  epochMs(): number;
  /** Milliseconds from an arbitrary start that never go back; for durations. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  epochMs: () => Date.now(),
  monotonicMs: performance.now.bind(performance),
};

/** Cancels a task that has not started. */
export type Cancel = () => void;

/** Timers. Passed in everywhere, so that tests need not wait. */
export interface Timers {
  /**
   * Runs a task that a call waits for, and keeps the process alive until then. A response that has arrived by then is
   * read first, even if the process was too busy to notice.
   */
  whileWaiting(waitMs: number, task: () => void): Cancel;
  /** Runs a task that need not run if the process has nothing else to do. */
  inBackground(waitMs: number, task: () => void): Cancel;
  /** Runs a task once what is at hand is done, and before the process waits for anything: this cannot be canceled. */
  soon(task: () => void): void;
}

/** The longest that Node's timers wait: with more they would not wait at all. */
const LONGEST_MS = 2 ** 31 - 1;

export const systemTimers: Timers = {
  whileWaiting(waitMs, task) {
    // Timers run before sockets are read; what runs immediately runs after.
    let immediate: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => (immediate = setImmediate(task)), Math.min(waitMs, LONGEST_MS));
    return () => {
      clearTimeout(timer);
      clearImmediate(immediate);
    };
  },
  inBackground(waitMs, task) {
    const timer = setTimeout(task, Math.min(waitMs, LONGEST_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
  soon(task) {
    setImmediate(task);
  },
};

/** A stretch of time, from `startMs` to before `endMs`. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** Returns the calendar month in UTC that contains `atMs`: the month of the API's own spend caps. */
export function utcMonth(atMs: number): Span {
  const at = new Date(atMs);
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
  return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
}
