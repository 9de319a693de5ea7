/** How an acceleration limit may count. The API documents no rule: this one is made up, to show what a pace does under one. */
export interface AccelerationOptions {
  /** Two spans that follow each other are compared. */
  readonly seconds: number;
  /** The later one may take so many times what the earlier one took. */
  readonly growth: number;
  /** It may always take so much of what the limit refills in a span. */
  readonly floor: number;
}

/** Refuses input that grows too fast, however much the bucket holds. */
export class Acceleration {
  readonly #spanMs: number;
  readonly #growth: number;
  readonly #always: number;
  #taken: readonly { readonly atMs: number; readonly tokens: number }[] = [];

  constructor({ seconds, growth, floor }: AccelerationOptions, tokensPerMinute: number) {
    this.#spanMs = seconds * 1_000;
    this.#growth = growth;
    this.#always = (floor * tokensPerMinute * seconds) / 60;
  }

  allows(tokens: number, nowMs: number): boolean {
    this.#taken = this.#taken.filter(({ atMs }) => atMs > nowMs - 2 * this.#spanMs);
    let [earlier, later] = [0, tokens];
    for (const one of this.#taken) {
      if (one.atMs > nowMs - this.#spanMs) later += one.tokens;
      else earlier += one.tokens;
    }
    return later <= Math.max(this.#always, this.#growth * earlier);
  }

  take(tokens: number, atMs: number): void {
    this.#taken = [...this.#taken, { atMs, tokens }];
  }
}
