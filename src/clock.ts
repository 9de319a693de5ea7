/** Where plimsoll gets the time from. Passed in everywhere, so that tests own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump when the machine's clock is set. */
  epochMs(): number;
  /** Milliseconds from an arbitrary start that never go back; for durations. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  epochMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
