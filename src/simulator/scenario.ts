import { REFUSALS, refusal, type Refusal, type RefusalName } from './errors.ts';

/** Faults and figures drawn for requests without a script. The same seed and the same requests give the same run. */
export interface Scenario {
  /** Tried in order for each request; at most one happens. */
  readonly faults?: readonly { readonly probability: number; readonly fault: Fault }[];
  readonly latency?: Latency;
  /** Length of answers in output tokens; `max_tokens` cuts them. Default: a median of 60. */
  readonly outputTokens?: Distribution;
}

/** Draws the fault of a request. One number is drawn for each entry in any case, so that changing one probability changes no other draw. */
export function drawFault(scenario: Scenario, random: Random): Fault {
  const drawn = (scenario.faults ?? []).map((entry) => (random() < entry.probability ? entry.fault : null));
  return drawn.find((fault) => fault !== null) ?? NO_FAULT;
}

/** No fault. */
export const NO_FAULT: Fault = { fault: 'none' };

/** Latencies, drawn once for each request. Default: 0. */
export interface Latency {
  /** Milliseconds from the request to the response's head. A request that is not streamed also waits for all its tokens. */
  readonly firstByteMs?: Distribution;
  /** Milliseconds for each output token. */
  readonly perTokenMs?: Distribution;
  /** Milliseconds from the creation of a batch to the end of its last item. Items after 24 hours expire. */
  readonly batchMs?: Distribution;
}

/** The events of an answer's stream. */
export type StreamEventType =
  | 'message_start'
  | 'content_block_start'
  | 'ping'
  | 'content_block_delta'
  | 'content_block_stop'
  | 'message_delta'
  | 'message_stop';

/**
 * A place in a body: before the first event of that type, or after so many events. In a JSON body, every place is the
 * middle.
 */
export type Place = StreamEventType | number;

/** Headers that are set on the response last: a value replaces, `null` removes. */
export type HeaderOverrides = Readonly<Record<string, string | null>>;

/** Refuses the request with one of the API's errors by name; see `REFUSALS`. */
interface RefusalFault {
  readonly fault: RefusalName;
  readonly headers?: HeaderOverrides;
}

/** Refuses the request with any other status and error. */
interface ErrorFault {
  readonly fault: 'error';
  readonly status: number;
  readonly type: string;
  readonly message?: string;
  readonly errorCode?: string;
  readonly headers?: HeaderOverrides;
}

/** Faults of the connection and of the answer's body. */
export type BodyFault =
  /** The connection breaks in the body: reading it fails with `TypeError('terminated')`. */
  | { readonly fault: 'body_reset'; readonly at?: Place; readonly headers?: HeaderOverrides }
  /** The body ends early without an error: a stream without `message_stop`, half a JSON document. */
  | { readonly fault: 'cut_body'; readonly at?: Place; readonly headers?: HeaderOverrides }
  /** The body stops for `stallMs` (default: forever), then goes on. */
  | {
      readonly fault: 'stalled_body';
      readonly at?: Place;
      readonly stallMs?: number;
      readonly headers?: HeaderOverrides;
    }
  /** One event's data, or the JSON document, is not valid JSON; the status is 200. */
  | { readonly fault: 'malformed_json'; readonly at?: Place; readonly headers?: HeaderOverrides }
  /** An `error` event inside a 200 stream, then its end. A request that is not streamed is refused with that error instead. */
  | {
      readonly fault: 'error_event';
      readonly at?: Place;
      readonly type?: EventErrorType;
      readonly headers?: HeaderOverrides;
    };

/** How a server writes a stream, where it is not as the API does. All of it is as the standard of event streams has it. */
export interface Dialect {
  /** The end of each line. Default: LF. */
  readonly lineEnd?: '\r' | '\r\n';
  /** The body begins with a byte-order mark. */
  readonly hasMark?: boolean;
  /** The data of an event comes before its name. */
  readonly isDataFirst?: boolean;
  /** A comment stands before each event. */
  readonly hasComments?: boolean;
  /** The content type; `null`: none. Default: the API's. */
  readonly contentType?: string | null;
}

/** The types of errors in the body of a 200. The last stands for one that the API may invent. */
type EventErrorType =
  | 'overloaded_error'
  | 'api_error'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'invalid_request_error'
  | 'billing_error'
  | 'unheard_of_error';

/**
 * The fault of one request, as data.
 * `none` lets it pass, so that a script can choose which request fails. `headers` answers as usual with other headers.
 * `connection_reset` breaks the connection before the request is processed: nothing is billed.
 * `lost_response` breaks it when the response is ready: it is billed (a stream for its input), but never arrives.
 * `dialect` writes a stream as other servers do; its events are the same.
 * `error_body` answers with a 200 whose body is an error, as JSON even where a stream was asked for; nothing is billed.
 * `slow_first_byte` delays the head of the response and then answers as usual.
 */
export type Fault =
  | { readonly fault: 'none' }
  | { readonly fault: 'headers'; readonly headers: HeaderOverrides }
  | { readonly fault: 'connection_reset' | 'lost_response' }
  | ({ readonly fault: 'dialect' } & Dialect)
  | { readonly fault: 'error_body'; readonly type?: EventErrorType; readonly headers?: HeaderOverrides }
  | { readonly fault: 'slow_first_byte'; readonly delayMs: number; readonly headers?: HeaderOverrides }
  | BodyFault
  | RefusalFault
  | ErrorFault;

/** All faults that are not refusals; the compiler holds the table complete. */
const OTHER_FAULTS: Readonly<Record<Exclude<Fault['fault'], RefusalName>, true>> = {
  none: true,
  headers: true,
  error: true,
  connection_reset: true,
  lost_response: true,
  dialect: true,
  error_body: true,
  slow_first_byte: true,
  body_reset: true,
  cut_body: true,
  stalled_body: true,
  malformed_json: true,
  error_event: true,
};

const FAULT_NAMES: ReadonlySet<string> = new Set([...Object.keys(REFUSALS), ...Object.keys(OTHER_FAULTS)]);

/** Problems of faults: a misspelled one would never happen, and nobody would notice. */
export function faultProblems(faults: readonly Fault[]): readonly string[] {
  const unknown = faults.map(({ fault }) => fault).filter((name) => !FAULT_NAMES.has(name));
  return unknown.map((name) => `fault: expected one of ${[...FAULT_NAMES].join(', ')}, got ${name}`);
}

const REFUSAL_OF_EVENT: Readonly<Record<EventErrorType, RefusalName>> = {
  overloaded_error: 'overloaded',
  api_error: 'server_error',
  rate_limit_error: 'output_tokens_limit',
  timeout_error: 'gateway_timeout',
  invalid_request_error: 'invalid_request',
  billing_error: 'billing',
  unheard_of_error: 'server_error',
};

/** The refusal that a fault causes; `null` if the request is served or the connection breaks. */
export function refusalOf(fault: Fault, streamed: boolean): Refusal | null {
  if (fault.fault === 'error') return { message: 'Error', ...fault };
  if (fault.fault === 'error_event') return streamed ? null : eventError(fault);
  return isRefusal(fault) ? refusal(fault.fault) : null;
}

/** The error inside an `error` event, or in place of a document. */
export function eventError(fault: Fault): Refusal {
  const isTyped = fault.fault === 'error_event' || fault.fault === 'error_body';
  const type = (isTyped ? fault.type : undefined) ?? 'overloaded_error';
  return refusal(REFUSAL_OF_EVENT[type], { type });
}

function isRefusal(fault: Fault): fault is RefusalFault {
  return fault.fault in REFUSALS;
}

const BODY_FAULTS: Readonly<Record<BodyFault['fault'], true>> = {
  body_reset: true,
  cut_body: true,
  stalled_body: true,
  malformed_json: true,
  error_event: true,
};

/** The fault, if it is one of the body. */
export function bodyFault(fault: Fault): BodyFault | null {
  return isBodyFault(fault) ? fault : null;
}

function isBodyFault(fault: Fault): fault is BodyFault {
  return fault.fault in BODY_FAULTS;
}

/** A random number generator: returns numbers from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

/** A distribution as data, so that a scenario can be written down, sent and repeated. */
export type Distribution =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly min: number; readonly max: number }
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number };

/**
 * The mulberry32 generator: 32 bits of state, the same sequence for the same seed on every machine.
 * Good enough for traffic, not for secrets.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * The generator of one request. Each request has its own sequence, so that its draws do not depend on how far another
 * response has been read.
 */
export function requestRandom(seed: number, requestNumber: number): Random {
  return seededRandom(Math.imul(requestNumber, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b));
}

/** Draws one value; never negative. */
export function draw(distribution: Distribution, random: Random): number {
  switch (distribution.kind) {
    case 'constant':
      return Math.max(0, distribution.value);
    case 'uniform':
      return Math.max(0, distribution.min + random() * (distribution.max - distribution.min));
    case 'lognormal':
      return distribution.median * Math.exp(distribution.sigma * standardNormal(random));
  }
}

/** The Box–Muller transform; `1 - random()` keeps the logarithm away from zero. */
function standardNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** An id in the API's form: the prefix and 22 base-58 characters, drawn from the seed. */
export function wireId(prefix: string, random: Random): string {
  let id = prefix;
  for (let length = 0; length < 22; length += 1) id += BASE58.charAt(Math.floor(random() * BASE58.length));
  return id;
}
