import type { Timers } from '../clock.ts';
import type { Observation } from '../observe/live-call.ts';
import type { GatewayRefusal } from '../record/metrics/catalogue-limits.ts';
import type { ClientRetries } from './attempt.ts';
import type { ShortAnswer } from './errors.ts';
import type { RawHeaders } from './headers.ts';
import type { GatewayOptions } from './options.ts';
import type { HeldBytes } from './request-body.ts';
import type { Arrival } from './request.ts';
import type { Upstream } from './upstream.ts';

/** Where requests arrive: what they are judged by and sent on with. */
export interface Desk {
  readonly options: GatewayOptions;
  readonly observation: Observation;
  /** Of the API. */
  readonly baseUrl: string;
  readonly upstream: Upstream;
  readonly retries: ClientRetries;
  readonly open: OpenRequests;
  readonly held: HeldBytes;
  readonly crossOrigin: CrossOrigin;
  /** A request was refused before it was a call. */
  readonly refusal: (reason: GatewayRefusal) => void;
  readonly onError: (error: unknown) => void;
}

/** What a page may read besides the body; its retries stand on the last three. */
const EXPOSED = 'request-id, retry-after, retry-after-ms, x-should-retry';

const PREFLIGHT_SECONDS = 600;

const NO_BODY = Buffer.alloc(0);

/** What pages of other web origins may do: those that are named, and of those the same as anybody with a token. */
export class CrossOrigin {
  readonly #origins: ReadonlySet<string>;

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** The answer to a browser that asks whether it may send a request; `null` for any other request. */
  preflight(arrival: Arrival): ShortAnswer | null {
    if (arrival.method !== 'OPTIONS' || arrival.header('access-control-request-method') === null) return null;
    const allowed = this.headers(arrival);
    if (allowed.length === 0) return { status: 403, headers: ['Vary', 'Origin'], body: NO_BODY };
    const asked = arrival.header('access-control-request-headers');
    return {
      status: 204,
      headers: [
        ...allowed,
        ...['Access-Control-Allow-Methods', 'GET, POST, DELETE'],
        ...(asked === null ? [] : ['Access-Control-Allow-Headers', asked]),
        ...['Access-Control-Max-Age', String(PREFLIGHT_SECONDS)],
      ],
      body: NO_BODY,
    };
  }

  /** What is added to an answer, so that the page may read it. */
  headers(arrival: Arrival): RawHeaders {
    if (this.#origins.size === 0 || !arrival.target.startsWith('/v1/')) return [];
    const origin = arrival.header('origin');
    if (origin === null || !this.#origins.has(origin)) return [];
    return ['Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', EXPOSED, 'Vary', 'Origin'];
  }
}

/** The requests that are under way, and whether more are taken. */
export class OpenRequests {
  readonly #most: number;
  readonly #open = new Set<Arrival>();
  #isDraining = false;
  #empty: (() => void) | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get isFull(): boolean {
    return this.#open.size > this.#most;
  }

  begin(arrival: Arrival): void {
    this.#open.add(arrival);
  }

  end(arrival: Arrival): void {
    this.#open.delete(arrival);
    if (this.#open.size === 0) this.#empty?.();
  }

  /** Takes no more, and waits until all have ended; those that have not by then are given up. */
  async drain(deadlineMs: number, timers: Timers): Promise<void> {
    this.#isDraining = true;
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = timers.whileWaiting(deadlineMs, () => {
        for (const arrival of this.#open) arrival.leave();
        resolve();
      });
      this.#empty = () => {
        cancel();
        resolve();
      };
    });
  }
}
