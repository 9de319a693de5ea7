/**
 * The simulator's clock. `now` returns milliseconds since the epoch. `sleep` ends after `ms`; it may also end or reject when
 * the signal is aborted, because the simulator checks the signal itself.
 */
export interface SimulatorClock {
  /** Returns milliseconds since 1970. */
  now(): number;
  /** Resolves after that time; rejects once the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The longest wait of `setTimeout`, which turns a longer one into 1 ms. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** The system's clock. It clears the timer when the signal is aborted. */
export const systemClock: SimulatorClock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(done, Math.min(ms, LONGEST_TIMER_MS));
      signal.addEventListener('abort', done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
    }),
};

/**
 * Waits, and rejects with the signal's reason as soon as it is aborted, whatever the clock does. Returns at once for 0 ms;
 * `Infinity` waits for the abort.
 */
export async function wait(clock: SimulatorClock, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms <= 0) return;
  const abort = abortion(signal);
  try {
    await Promise.race(Number.isFinite(ms) ? [clock.sleep(ms, signal), abort.happened] : [abort.happened]);
  } finally {
    abort.forget();
  }
  signal.throwIfAborted();
}

function abortion(signal: AbortSignal): { readonly happened: Promise<void>; forget(): void } {
  let forget = (): void => undefined;
  const happened = new Promise<void>((resolve) => {
    const listener = (): void => resolve();
    signal.addEventListener('abort', listener, { once: true });
    forget = () => signal.removeEventListener('abort', listener);
  });
  return { happened, forget };
}
