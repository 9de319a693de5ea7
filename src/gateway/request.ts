import { Readable } from 'node:stream';
import type { Observation } from '../observe/observation.ts';
import type { Endpoint } from './endpoints.ts';
import type { Grant, TokenGuard } from './grant.ts';
import { HeaderMap, labelsIn, type RawHeaders } from './headers.ts';
import type { GatewayOptions } from './options.ts';

/** A request without its body. */
interface RequestHead {
  readonly method: string;
  /** Path and query, as received, but for a `/v1` before another one. */
  readonly target: string;
  readonly rawHeaders: RawHeaders;
  /** Tells the address of the gateway as the client sees it: scheme, host and the path where it is mounted. */
  readonly baseUrl: () => string;
  /** Stands for the connection that it came on; `null`, the default, if that is not known. */
  readonly connection?: object | null;
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
  readonly connection: object | null;
  /** `null` for a request without a body. */
  readonly body: Readable | null;
  /** Its place among the requests in progress; -1 once it has ended. */
  place = -1;
  /** The client and the token that it counts for, once they are known. */
  countedFor: Pick<Grant, 'client' | 'tokenId'> | null = null;
  #isAborted = false;
  #onAbort: (() => void) | null = null;
  #giveUp: AbortController | null = null;

  constructor({ method, target: given, rawHeaders, baseUrl, connection = null }: RequestHead, body: Readable | null) {
    // Some programs want a base URL with /v1, and SDKs add another.
    const target = given.startsWith('/v1/v1/') ? given.slice(3) : given;
    const pathEnd = target.includes('?') ? target.indexOf('?') : target.length;
    this.method = method;
    this.target = target;
    this.path = target.slice(0, pathEnd);
    this.query = target.slice(pathEnd);
    this.rawHeaders = rawHeaders;
    this.headers = new HeaderMap(rawHeaders);
    this.baseUrl = baseUrl;
    this.connection = connection;
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
): { readonly signal: WeakRef<AbortSignal> | null; readonly timeoutMs: number | null } {
  if (spendGuards.length === 0) return NO_PATIENCE;
  const seconds = Number(request.headers.get('x-stainless-timeout') ?? Number.NaN);
  return { signal: new WeakRef(request.signal), timeoutMs: seconds > 0 ? seconds * 1_000 : null };
}

const NO_PATIENCE = { signal: null, timeoutMs: null };

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

/**
 * `strict`: rules or budgets decide on a body, so one that they and the API could understand differently is refused.
 * `lenient`: it is watched. `null`: nobody reads it but the metrics.
 */
export type BodyReading = 'strict' | 'lenient' | null;

function needsBody({ needsBody: needs = true }: TokenGuard): boolean {
  return needs;
}

/** What all requests with a grant have in common. */
export class GrantPlan {
  /** Rules that need no body. */
  readonly early: readonly TokenGuard[];
  /** Rules and budgets that can refuse decide on the body. A budget that only warns, or nobody, does not. */
  readonly reading: BodyReading;
  readonly #grant: Grant;
  readonly #options: GatewayOptions;
  readonly #common: Observation;
  readonly #byKey = new Map<string, Observation>();
  #last: { readonly observation: Observation; readonly silent: Observation } | null = null;

  constructor(grant: Grant, options: GatewayOptions, observed: Observation) {
    const { recorders, guards, spendGuards } = observed;
    const own = grant.spendGuards ?? [];
    const paces = options.pace === undefined ? 0 : 1;
    const bound = grant.guards.filter(needsBody);
    const isRuled = bound.length > 0 || own.length > 0 || guards.length > 0;
    const blocks = (options.budgets?.all ?? []).some(({ budget }) => budget.mode === 'block');
    this.#grant = grant;
    this.#options = options;
    this.early = grant.guards.filter((guard) => !needsBody(guard));
    this.reading = isRuled || blocks ? 'strict' : spendGuards.length > 0 ? 'lenient' : null;
    this.#common = {
      ...observed,
      client: grant.client,
      guards: [...bound, ...guards],
      // The pace first: what waits for its turn holds no money of a token either.
      spendGuards: [...spendGuards.slice(0, paces), ...own, ...spendGuards.slice(paces)],
      recorders: [...recorders, ...grant.recorders],
    };
  }

  /** The same observation, with nothing to record and no money to hold. */
  silent(observation: Observation): Observation {
    if (this.#last?.observation !== observation)
      this.#last = { observation, silent: { ...observation, recorders: [], spendGuards: [] } };
    return this.#last.silent;
  }

  /** What observes the attempts of a request with a key. */
  observation({ headers }: GatewayRequest, key: string): Observation {
    const { labelHeaders = [] } = this.#options;
    const set = labelHeaders.length === 0 ? NO_LABELS : labelsIn(headers, labelHeaders);
    const known = set === NO_LABELS ? this.#byKey.get(key) : undefined;
    if (known !== undefined) return known;
    const labels = { ...this.#options.labels, ...set, ...this.#grant.labels };
    const made = { ...this.#common, key, attribution: () => labels };
    if (set === NO_LABELS) this.#byKey.set(key, made);
    return made;
  }
}

const NO_LABELS = {};
