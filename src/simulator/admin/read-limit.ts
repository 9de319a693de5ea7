/** Counts the reads of the last minute. */
export class ReadLimit {
  #readsAtMs: number[] = [];

  /** Takes a read, or returns the seconds until the next one is allowed. */
  take(perMinute: number, nowMs: number): number | null {
    this.#readsAtMs = this.#readsAtMs.filter((atMs) => atMs > nowMs - 60_000);
    const [oldest = nowMs] = this.#readsAtMs;
    if (this.#readsAtMs.length >= perMinute) return Math.max(1, Math.ceil((oldest + 60_000 - nowMs) / 1000));
    this.#readsAtMs.push(nowMs);
    return null;
  }
}
