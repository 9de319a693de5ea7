/** How the limits work. Default: as the API describes them. */
export interface LimiterOptions {
  /** `continuous` (default): a bucket refills all the time. `window`: it is full again at each whole minute of a clock of its own. */
  readonly refill?: 'continuous' | 'window';
  /** Seconds of a second, shorter bucket that no header shows: "60 a minute may act as 1 a second". Default: none. */
  readonly hiddenSeconds?: number;
  /** When output counts. `as_produced` (default), or `at_start`: `max_tokens` when the request is let in, less what is unused at its end. */
  readonly output?: 'as_produced' | 'at_start';
}

/** The windows of a server do not begin where those of its clients do. */
const WINDOWS_BEGIN_MS = 17_300;

/** One limit: a bucket that holds a minute's worth. */
export class Bucket {
  #perMinute: number;
  #available: number;
  #hidden = Infinity;
  #seenAtMs: number;
  readonly #options: LimiterOptions;

  constructor(perMinute: number, nowMs: number, options: LimiterOptions = {}) {
    this.#perMinute = perMinute;
    this.#available = perMinute;
    this.#seenAtMs = nowMs;
    this.#options = options;
    if (options.hiddenSeconds !== undefined) this.#hidden = this.#hiddenSize;
  }

  get perMinute(): number {
    return this.#perMinute;
  }

  /** Units available now. Below zero if more output was produced than there was: output cannot be refused midway. */
  available(nowMs: number): number {
    const passedMs = Math.max(0, nowMs - this.#seenAtMs);
    const refilled = (passedMs * this.#perMinute) / 60_000;
    if (this.#options.refill !== 'window') this.#available = Math.min(this.#perMinute, this.#available + refilled);
    else if (windowOf(nowMs) > windowOf(this.#seenAtMs)) this.#available = this.#perMinute;
    if (this.#options.hiddenSeconds !== undefined) this.#hidden = Math.min(this.#hiddenSize, this.#hidden + refilled);
    this.#seenAtMs = Math.max(this.#seenAtMs, nowMs);
    return this.#available;
  }

  /** A hidden bucket that is full lets through what is larger than it. */
  fits(amount: number, nowMs: number): boolean {
    return this.available(nowMs) >= amount && this.#hidden >= Math.min(amount, this.#hiddenSize) * 0.999_999;
  }

  take(amount: number, nowMs: number): void {
    this.#available = Math.min(this.#perMinute, this.available(nowMs) - amount);
    this.#hidden -= amount;
  }

  /** Milliseconds until so much is available. */
  waitMs(amount: number, nowMs: number): number {
    const missing = Math.max(0, Math.min(amount, this.#perMinute) - this.available(nowMs));
    if (missing > 0 && this.#options.refill === 'window') return windowEndMs(nowMs) - nowMs;
    const missingHidden = Math.max(0, Math.min(amount, this.#hiddenSize) - this.#hidden);
    return ((missing > 0 ? missing : missingHidden) * 60_000) / this.#perMinute;
  }

  /** When the bucket is full again if nothing more is taken. */
  fullAtMs(available: number, nowMs: number): number {
    if (this.#options.refill === 'window') return windowEndMs(nowMs);
    return nowMs + ((this.#perMinute - available) * 60_000) / this.#perMinute;
  }

  change(perMinute: number, nowMs: number): void {
    this.#available = Math.min(this.available(nowMs), perMinute);
    this.#perMinute = perMinute;
  }

  get #hiddenSize(): number {
    const { hiddenSeconds = Infinity } = this.#options;
    return Math.max(1, (this.#perMinute * hiddenSeconds) / 60);
  }
}

function windowOf(nowMs: number): number {
  return Math.floor((nowMs + WINDOWS_BEGIN_MS) / 60_000);
}

function windowEndMs(nowMs: number): number {
  return (windowOf(nowMs) + 1) * 60_000 - WINDOWS_BEGIN_MS;
}
