import { Readable } from 'node:stream';
import type { Endpoint } from './endpoints.ts';
import type { Grant } from './grant.ts';
import { valueOf, type RawHeaders } from './headers.ts';

/** What a request says before its body. */
export interface Head {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  readonly headers: RawHeaders;
  /** Where the gateway is for who asks: scheme, host and what stands before the target's path. */
  readonly base: string;
}

/** A request to the gateway, from whichever server. */
export class Arrival implements Head {
  readonly method: string;
  readonly target: string;
  readonly headers: RawHeaders;
  readonly base: string;
  /** `null` where it has none. */
  readonly body: Readable | null;
  #isGone = false;
  #onLeave: (() => void) | null = null;

  constructor({ method, target, headers, base }: Head, body: Readable | null) {
    this.method = method;
    this.target = target;
    this.headers = headers;
    this.base = base;
    this.body = body;
  }

  header(name: string): string | null {
    return valueOf(this.headers, name);
  }

  /** The client has gone away, and wants no answer any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whoever works for the client now, and stops at once when it leaves. There is one at a time. */
  whenGone(stop: () => void): void {
    if (this.#isGone) stop();
    else this.#onLeave = stop;
  }

  leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#onLeave?.();
  }
}

/** A request of the web's. Its target is what its URL came to, which has been put in order already. */
export function arrivalOf(request: Request): Arrival {
  const { pathname, search, origin } = new URL(request.url);
  const head = {
    method: request.method,
    target: pathname + search,
    headers: [...request.headers].flat(),
    base: origin,
  };
  const body = request.body === null ? null : Readable.fromWeb(request.body);
  body?.on('error', ignoreLate); // a body that fails is felt where it is read
  const arrival = new Arrival(head, body);
  if (request.signal.aborted) arrival.leave();
  else request.signal.addEventListener('abort', () => arrival.leave(), { once: true });
  return arrival;
}

function ignoreLate(): void {
  return undefined;
}

/** A request that has a grant. */
export interface Granted {
  readonly arrival: Arrival;
  readonly endpoint: Endpoint;
  readonly grant: Grant;
}
