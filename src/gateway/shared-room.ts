/** So many clients are sure of their place at the same time. */
const SURE_CLIENTS = 128;

/** A quarter is kept for the sure places. */
const COMMON_PART = 0.75;

/** Of the common part, a client may take so many times what it leaves free: alone, three quarters. */
const GREED = 3;

/**
 * Room that clients share: bytes, or requests in progress. Every client is sure of a small part of it, whatever the others
 * take. The rest is common, and a client may take the more of it the more is free: no number of clients that take all they
 * can get leaves nothing for the next.
 */
export class SharedRoom {
  readonly #most: number;
  readonly #sure: number;
  readonly #byClient = new Map<string, number>();
  #taken = 0;
  #commonTaken = 0;

  constructor(most: number) {
    this.#most = most;
    this.#sure = Math.ceil((most * (1 - COMMON_PART)) / SURE_CLIENTS);
  }

  /** Takes so much more for a client; `false` if there is no room for it. */
  take(client: string, amount: number): boolean {
    const before = this.#byClient.get(client) ?? 0;
    const common = this.#beyondSure(before + amount);
    const more = common - this.#beyondSure(before);
    const free = this.#most * COMMON_PART - this.#commonTaken - more;
    if (this.#taken + amount > this.#most || (more > 0 && common > GREED * free)) return false;
    this.#byClient.set(client, before + amount);
    this.#taken += amount;
    this.#commonTaken += more;
    return true;
  }

  give(client: string, amount: number): void {
    const before = this.#byClient.get(client) ?? 0;
    const after = before - amount;
    if (after > 0) this.#byClient.set(client, after);
    else this.#byClient.delete(client);
    this.#taken -= amount;
    this.#commonTaken -= this.#beyondSure(before) - this.#beyondSure(after);
  }

  #beyondSure(amount: number): number {
    return Math.max(0, amount - this.#sure);
  }
}
