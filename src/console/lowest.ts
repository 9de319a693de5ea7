/** The lowest that was left of each limit, by quarters of a minute, for the last hour. */

const STEP_MS = 15_000;

const STEPS = 241;

/** Limits of one step; more are those of pages whose labels change forever. */
const MOST_LIMITS = 2_000;

interface Step {
  readonly startMs: number;
  readonly lowest: Map<string, number>;
}

export class Lowest {
  readonly #steps: Step[] = [];

  /** Notes what was left of a limit, by its id. */
  see(id: string, remaining: number, ms: number): void {
    const startMs = Math.floor(ms / STEP_MS) * STEP_MS;
    let step = this.#steps.at(-1);
    if (step === undefined || step.startMs < startMs) {
      step = { startMs, lowest: new Map() };
      this.#steps.push(step);
      if (this.#steps.length > STEPS) this.#steps.shift();
    }
    const known = step.lowest.get(id);
    if (known !== undefined || step.lowest.size < MOST_LIMITS)
      step.lowest.set(id, Math.min(remaining, known ?? Infinity));
  }

  /** The lowest of each limit since a moment. */
  since(ms: number): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const { startMs, lowest } of this.#steps) {
      if (startMs + STEP_MS <= ms) continue;
      for (const [id, remaining] of lowest) found.set(id, Math.min(remaining, found.get(id) ?? Infinity));
    }
    return found;
  }
}
