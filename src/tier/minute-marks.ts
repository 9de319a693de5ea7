const MINUTE_MS = 60_000;
const MINUTES = 7 * 24 * 60;

/** The length of the week that is kept. */
export const WEEK_MS = MINUTES * MINUTE_MS;

/** Which minutes of the last seven days something was true of: one bit each, 1,260 bytes in all. */
export class MinuteMarks {
  readonly #bits = new Uint8Array(MINUTES / 8);
  #newest = -Infinity;

  /** Marks the minute that holds this time. A time a week or more before the newest mark, by a clock that was set back, starts anew. */
  mark(atMs: number): void {
    const minute = Math.floor(atMs / MINUTE_MS);
    if (Math.abs(minute - this.#newest) >= MINUTES) {
      this.#bits.fill(0);
      this.#newest = minute;
    }
    for (let skipped = this.#newest + 1; skipped <= minute; skipped += 1) this.#write(skipped, false);
    this.#newest = Math.max(this.#newest, minute);
    this.#write(minute, true);
  }

  /** How many minutes from `fromMs` until before `toMs` are marked. */
  count(fromMs: number, toMs: number): number {
    const first = Math.max(Math.floor(fromMs / MINUTE_MS), this.#newest - MINUTES + 1);
    const last = Math.min(Math.ceil(toMs / MINUTE_MS) - 1, this.#newest);
    let marked = 0;
    for (let minute = first; minute <= last; minute += 1) if (this.#read(minute)) marked += 1;
    return marked;
  }

  #write(minute: number, on: boolean): void {
    const slot = minute % MINUTES;
    const byte = this.#bits[slot >> 3] ?? 0;
    this.#bits[slot >> 3] = on ? byte | (1 << (slot & 7)) : byte & ~(1 << (slot & 7));
  }

  #read(minute: number): boolean {
    const slot = minute % MINUTES;
    return ((this.#bits[slot >> 3] ?? 0) & (1 << (slot & 7))) !== 0;
  }
}
