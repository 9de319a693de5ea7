/** The ratio of two sums in which the past fades. */
interface Sums {
  used: number;
  asked: number;
}

export interface RunningRatiosOptions {
  /** The ratio of what was never seen. */
  readonly start: number;
  /** How many observations the start is worth. */
  readonly startWeight: number;
  /** What one observation leaves of those before: 0.95 means that about the last 20 count. */
  readonly keep: number;
  /** How many ratios are kept; the one that was learnt from least recently goes first. */
  readonly most: number;
}

/**
 * What part of what was asked for has been used so far, by name. A ratio of sums and not a mean of ratios, so that
 * expectations made with it add up to what is used.
 */
export class RunningRatios {
  readonly #options: RunningRatiosOptions;
  readonly #sums = new Map<string, Sums>();

  constructor(options: RunningRatiosOptions) {
    this.#options = options;
  }

  of(name: string): number {
    const sums = this.#sums.get(name);
    return sums === undefined ? this.#options.start : sums.used / sums.asked;
  }

  /** `asked` above 0; otherwise nothing is learnt. */
  learn(name: string, used: number, asked: number): void {
    if (!(asked > 0) || !(used >= 0)) return;
    const { start, startWeight, keep, most } = this.#options;
    const sums = this.#sums.get(name) ?? { used: start * startWeight * asked, asked: startWeight * asked };
    this.#sums.delete(name);
    const oldest = this.#sums.size >= most ? this.#sums.keys().next().value : undefined;
    if (oldest !== undefined) this.#sums.delete(oldest);
    sums.used = sums.used * keep + used;
    sums.asked = sums.asked * keep + asked;
    this.#sums.set(name, sums);
  }
}
