/** A timer of Node's, as far as anybody looks at one. */
interface VirtualTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly happen: () => void;
  isHeld: boolean;
  ref(): VirtualTimer;
  unref(): VirtualTimer;
  hasRef(): boolean;
  [Symbol.toPrimitive](): number;
}

/** Turns of the event loop after which whatever has been set off, and waits for no timer, has come to rest. */
const TURNS_TO_REST = 3;

/**
 * Puts a time into this process that goes from timer to timer and waits for nothing: `Date`, `performance.now`,
 * `setTimeout` and what cancels it. The same program does the same each run, as long as it waits for nothing outside.
 */
export function virtualTime(startMs: number): { readonly nowMs: () => number } {
  const time = new VirtualTime(startMs);
  globalThis.Date = new Proxy(Date, {
    construct: (real, given: readonly unknown[]) =>
      Reflect.construct(real, given.length === 0 ? [time.nowMs] : given) as Date,
    get: (real, name) => (name === 'now' ? () => time.nowMs : (Reflect.get(real, name) as unknown)),
  });
  performance.now = () => time.nowMs - startMs;
  globalThis.setTimeout = ((task: (...args: unknown[]) => void, waitMs = 0, ...args: unknown[]) =>
    time.after(waitMs, () => task(...args))) as unknown as typeof setTimeout;
  globalThis.clearTimeout = (timer) => time.forget(timer);
  return { nowMs: () => time.nowMs };
}

class VirtualTime {
  nowMs: number;
  #set = 0;
  #isRunning = false;
  readonly #waiting = new Map<number, VirtualTimer>();

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  after(waitMs: number, happen: () => void): VirtualTimer {
    const order = (this.#set += 1);
    const timer: VirtualTimer = {
      dueMs: this.nowMs + Math.max(1, waitMs),
      order,
      happen,
      isHeld: true,
      ref: () => Object.assign(timer, { isHeld: true }),
      unref: () => Object.assign(timer, { isHeld: false }),
      hasRef: () => timer.isHeld,
      [Symbol.toPrimitive]: () => order,
    };
    this.#waiting.set(order, timer);
    void this.#run();
    return timer;
  }

  forget(timer: unknown): void {
    if (timer !== undefined && timer !== null) this.#waiting.delete(Number(timer));
  }

  /** Goes on as long as somebody waits whom a process would wait for. */
  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (;;) {
      for (let turn = 0; turn < TURNS_TO_REST; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      const timers = [...this.#waiting.values()];
      if (!timers.some(({ isHeld }) => isHeld)) break;
      const first = timers.reduce((one, other) => (other.dueMs < one.dueMs ? other : one));
      this.#waiting.delete(first.order);
      this.nowMs = Math.max(this.nowMs, first.dueMs);
      first.happen();
    }
    this.#isRunning = false;
  }
}
