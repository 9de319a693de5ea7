import { systemClock, systemTimers, type Cancel, type Clock, type Timers } from '../clock.ts';
import type { OnAvailability, RedisOutage } from '../redis-address.ts';

/** Redis did not answer a command, or was not asked because it is known not to answer. */
export class RedisUnavailableError extends Error {
  readonly code = 'PLIMSOLL_REDIS_UNAVAILABLE';
  readonly outage: RedisOutage;

  constructor(outage: RedisOutage, cause?: Error) {
    super(SENTENCES[outage], { cause });
    this.name = 'RedisUnavailableError';
    this.outage = outage;
  }
}

const SENTENCES: Readonly<Record<RedisOutage, string>> = {
  timeout: 'Redis does not answer in time.',
  disconnected: 'Redis is not connected.',
  not_ready: 'Redis answers that it is not ready.',
};

interface CircuitBreakerOptions {
  /** A command that waits this long, in milliseconds, opens the circuit. */
  readonly deadlineMs: number;
  readonly isConnected: () => boolean;
  /** Replaces a connection on which nothing is answered. */
  readonly reconnect: () => void;
  /** Tells the outage that an error of a command shows; `null` for an answer, if only an error. */
  readonly outageOf: (error: unknown) => RedisOutage | null;
  readonly onChange: OnAvailability;
  readonly clock?: Clock;
  readonly timers?: Timers;
}

interface Pending {
  readonly sinceMs: number;
  readonly probe: () => Promise<unknown>;
  readonly reject: (error: Error) => void;
}

const FIRST_PROBE_MS = 25;

const LONGEST_PROBE_MS = 1_000;

/**
 * Keeps commands from waiting for a Redis that is away. The first command that is not answered opens the circuit: all
 * commands in progress fail with it, because Redis answers in order, and later ones fail at once. Meanwhile one probe at a
 * time asks Redis, on no request's behalf: after 25 ms, then less and less often, once a second at the least. Its answer
 * closes the circuit.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** In the order in which they were sent, so that the first is the oldest. */
  readonly #pending = new Set<Pending>();
  #outage: RedisOutage | null = null;
  #cancelDeadline: Cancel | null = null;
  #cancelProbe: Cancel | null = null;
  #nextProbeMs = FIRST_PROBE_MS;
  #closed = false;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#timers = options.timers ?? systemTimers;
  }

  /**
   * Runs the command, and rejects with its error, or with a `RedisUnavailableError`. `probe` asks the same server for
   * something that changes nothing.
   */
  run<T>(command: () => Promise<T>, probe: () => Promise<unknown>): Promise<T> {
    if (this.#outage === null && !this.#options.isConnected()) this.#open('disconnected', probe);
    if (this.#outage !== null) return Promise.reject(new RedisUnavailableError(this.#outage));
    return new Promise((resolve, reject) => {
      const pending = { sinceMs: this.#clock.monotonicMs(), probe, reject };
      this.#pending.add(pending);
      if (this.#cancelDeadline === null) this.#watch(this.#options.deadlineMs);
      command().then(
        (answer) => {
          this.#pending.delete(pending);
          resolve(answer);
        },
        (error: unknown) => this.#fail(pending, error),
      );
    });
  }

  /** One timer for all: it goes by the oldest command, and usually finds that it was answered. */
  #watch(waitMs: number): void {
    this.#cancelDeadline = this.#timers.whileWaiting(waitMs, () => {
      this.#cancelDeadline = null;
      const [oldest] = this.#pending;
      if (oldest === undefined) return;
      const leftMs = oldest.sinceMs + this.#options.deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) this.#open('timeout', oldest.probe);
      else this.#watch(leftMs);
    });
  }

  #fail(pending: Pending, error: unknown): void {
    // Another command may have opened the circuit, and failed this one.
    if (!this.#pending.delete(pending)) return;
    const outage = this.#options.outageOf(error);
    const cause = error instanceof Error ? error : new Error('no reason given');
    if (outage === null) return pending.reject(cause);
    pending.reject(new RedisUnavailableError(outage, cause));
    this.#open(outage, pending.probe);
  }

  #open(outage: RedisOutage, probe: () => Promise<unknown>): void {
    this.#outage = outage;
    this.#nextProbeMs = FIRST_PROBE_MS;
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const { reject } of pending) reject(new RedisUnavailableError(outage));
    this.#options.onChange(outage);
    // A server that has become a replica answers on this connection that it is one, forever.
    if (outage === 'not_ready') this.#options.reconnect();
    this.#probeLater(probe);
  }

  #probeLater(probe: () => Promise<unknown>): void {
    if (this.#closed) return;
    const waitMs = this.#nextProbeMs;
    this.#nextProbeMs = Math.min(LONGEST_PROBE_MS, waitMs * 2);
    this.#cancelProbe = this.#timers.inBackground(waitMs, () => {
      this.#cancelProbe = null;
      if (this.#options.isConnected()) this.#probe(probe);
      else this.#probeLater(probe);
    });
  }

  #probe(probe: () => Promise<unknown>): void {
    let isOver = false;
    const end = (next: () => void): void => {
      if (isOver) return;
      isOver = true;
      this.#cancelProbe?.();
      this.#cancelProbe = null;
      if (!this.#closed) next();
    };
    // Not a background timer: a busy process reads an answer that has arrived before it gives up.
    this.#cancelProbe = this.#timers.whileWaiting(this.#options.deadlineMs, () =>
      end(() => {
        this.#options.reconnect();
        this.#probeLater(probe);
      }),
    );
    probe().then(
      () => end(() => this.#close()),
      (error: unknown) => end(() => (this.#options.outageOf(error) === null ? this.#close() : this.#probeLater(probe))),
    );
  }

  #close(): void {
    this.#outage = null;
    this.#options.onChange(null);
  }

  /** Stops probing. */
  end(): void {
    this.#closed = true;
    this.#cancelProbe?.();
    this.#cancelDeadline?.();
  }
}
