import { Readable } from 'node:stream';
import type { Endpoint } from './endpoints.ts';
import type { Grant } from './grant.ts';
import { headerMap, type HeaderMap, type RawHeaders } from './headers.ts';

/** A request without its body. */
interface RequestHead {
  readonly method: string;
  /** Path and query, as received, but for a `/v1` before another one. */
  readonly target: string;
  readonly rawHeaders: RawHeaders;
  /** Tells the address of the gateway as the client sees it: scheme, host and the path where it is mounted. */
  readonly baseUrl: () => string;
}

/** A request to the gateway, from any server. */
export class GatewayRequest implements RequestHead {
  readonly method: string;
  readonly target: string;
  readonly path: string;
  /** Including its question mark; empty without a query. */
  readonly query: string;
  readonly rawHeaders: RawHeaders;
  readonly headers: HeaderMap;
  readonly baseUrl: () => string;
  /** `null` for a request without a body. */
  readonly body: Readable | null;
  #isAborted = false;
  #onAbort: (() => void) | null = null;
  #giveUp: AbortController | null = null;

  constructor({ method, target: given, rawHeaders, baseUrl }: RequestHead, body: Readable | null) {
    // Some programs want a base URL with /v1, and SDKs add another.
    const target = given.startsWith('/v1/v1/') ? given.slice(3) : given;
    const pathEnd = target.includes('?') ? target.indexOf('?') : target.length;
    this.method = method;
    this.target = target;
    this.path = target.slice(0, pathEnd);
    this.query = target.slice(pathEnd);
    this.rawHeaders = rawHeaders;
    this.headers = headerMap(rawHeaders);
    this.baseUrl = baseUrl;
    this.body = body;
  }

  /** True if the client has disconnected. */
  get isAborted(): boolean {
    return this.#isAborted;
  }

  /** Calls `stop` when the client disconnects, at once if it already has. Replaces the previous `stop`. */
  onAbort(stop: () => void): void {
    if (this.#isAborted) stop();
    else this.#onAbort = stop;
  }

  abort(): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#onAbort?.();
    this.#giveUp?.abort();
  }

  /** Is aborted when the client disconnects. */
  get signal(): AbortSignal {
    this.#giveUp ??= new AbortController();
    if (this.#isAborted) this.#giveUp.abort();
    return this.#giveUp.signal;
  }
}

/** How long the client of a request waits, for a call with spend guards: others need not know. */
export function patienceOf(
  request: GatewayRequest,
  spendGuards: readonly unknown[],
): { readonly signal?: WeakRef<AbortSignal>; readonly timeoutMs?: number | null } {
  if (spendGuards.length === 0) return {};
  const seconds = Number(request.headers.get('x-stainless-timeout') ?? Number.NaN);
  return { signal: new WeakRef(request.signal), timeoutMs: seconds > 0 ? seconds * 1_000 : null };
}

/** Converts a `Request`. Its target is the path and query of its URL, which the URL parser has already normalized. */
export function fromWebRequest(request: Request): GatewayRequest {
  const { pathname, search, origin } = new URL(request.url);
  const head = {
    method: request.method,
    target: pathname + search,
    rawHeaders: [...request.headers].flat(),
    baseUrl: () => origin,
  };
  const body = request.body === null ? null : Readable.fromWeb(request.body);
  body?.on('error', ignore); // whoever reads the body gets its error
  const converted = new GatewayRequest(head, body);
  if (request.signal.aborted) converted.abort();
  else request.signal.addEventListener('abort', () => converted.abort(), { once: true });
  return converted;
}

function ignore(): void {
  return undefined;
}

/** A request with an accepted token, which may be forwarded. */
export interface AuthorizedRequest {
  readonly request: GatewayRequest;
  readonly endpoint: Endpoint;
  readonly grant: Grant;
}
