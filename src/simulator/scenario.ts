import { REFUSALS, refusal, type Refusal, type RefusalName } from './errors.ts';

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
 * A place in an answer: in front of the first event of that type, or after so many events.
 * In a JSON body every place is the middle.
 */
export type Place = StreamEventType | number;

/** Headers put on the response last: a value replaces, `null` removes. */
export type HeaderOverrides = Readonly<Record<string, string | null>>;

/** The request is refused with one of the API's errors, by name: see `REFUSALS` for what each sends. */
export interface RefusalFault {
  readonly fault: RefusalName;
  readonly headers?: HeaderOverrides;
}

/** An error that has no name here: any status and body. */
export interface ErrorFault {
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
  /** The body stops for `stallMs` (for ever where it is not given), then goes on. */
  | {
      readonly fault: 'stalled_body';
      readonly at?: Place;
      readonly stallMs?: number;
      readonly headers?: HeaderOverrides;
    }
  /** One event's data, or the JSON document, is not valid JSON; the status is 200. */
  | { readonly fault: 'malformed_json'; readonly at?: Place; readonly headers?: HeaderOverrides }
  /** An `error` event inside a 200 stream, and then its end. A request that is no stream is refused with that error instead. */
  | {
      readonly fault: 'error_event';
      readonly at?: Place;
      readonly type?: 'overloaded_error' | 'api_error' | 'rate_limit_error' | 'timeout_error';
      readonly headers?: HeaderOverrides;
    };

/**
 * What goes wrong with one request.
 * `none` lets it pass, so that a script can say which one fails. `headers` answers as usual with other headers.
 * `connection_reset` breaks the connection before the request is worked on: nothing is billed.
 * `lost_response` breaks it when the answer is ready: it is billed, a stream for its input, and nobody learns of it.
 * `slow_first_byte` holds the response's head back and then answers as usual.
 */
export type Fault =
  | { readonly fault: 'none' }
  | { readonly fault: 'headers'; readonly headers: HeaderOverrides }
  | { readonly fault: 'connection_reset' | 'lost_response' }
  | { readonly fault: 'slow_first_byte'; readonly delayMs: number; readonly headers?: HeaderOverrides }
  | BodyFault
  | RefusalFault
  | ErrorFault;

/** How an answer takes its time. Drawn once for each request; all 0 where nothing is said. */
export interface Latency {
  /** Request to the response's head, in milliseconds. A request that is no stream waits for all its tokens too. */
  readonly firstByteMs?: Distribution;
  /** Time for each output token, in milliseconds. */
  readonly perTokenMs?: Distribution;
  /** Creation of a batch to the end of its last item, in milliseconds. Above 24 hours the rest expires. */
  readonly batchMs?: Distribution;
}

/** Checked by the compiler to be all that there are. */
const OTHER_FAULTS: Readonly<Record<Exclude<Fault['fault'], RefusalName>, true>> = {
  none: true,
  headers: true,
  error: true,
  connection_reset: true,
  lost_response: true,
  slow_first_byte: true,
  body_reset: true,
  cut_body: true,
  stalled_body: true,
  malformed_json: true,
  error_event: true,
};

const FAULT_NAMES: ReadonlySet<string> = new Set([...Object.keys(REFUSALS), ...Object.keys(OTHER_FAULTS)]);

/** What is wrong with some faults: a misspelt one would not happen, and nobody would notice. */
export function faultProblems(faults: readonly Fault[]): readonly string[] {
  const unknown = faults.map(({ fault }) => fault).filter((name) => !FAULT_NAMES.has(name));
  return unknown.map((name) => `fault: expected one of ${[...FAULT_NAMES].join(', ')}, got ${name}`);
}

/** What is drawn for requests that no script covers. The same seed and the same requests give the same run. */
export interface Scenario {
  /** Tried in order for each request; at most one happens. */
  readonly faults?: readonly { readonly probability: number; readonly fault: Fault }[];
  readonly latency?: Latency;
  /** How long answers want to be, in output tokens; `max_tokens` cuts them. Default: a median of 60. */
  readonly outputTokens?: Distribution;
}

/** One number is drawn for each entry whatever happens, so that changing one probability moves no other draw. */
export function drawFault(scenario: Scenario, random: Random): Fault {
  const drawn = (scenario.faults ?? []).map((entry) => (random() < entry.probability ? entry.fault : null));
  return drawn.find((fault) => fault !== null) ?? NO_FAULT;
}

/** Nothing goes wrong. */
export const NO_FAULT: Fault = { fault: 'none' };

const REFUSAL_OF_EVENT = {
  overloaded_error: 'overloaded',
  api_error: 'server_error',
  rate_limit_error: 'output_tokens_limit',
  timeout_error: 'gateway_timeout',
} as const satisfies Readonly<Record<string, RefusalName>>;

/** The error that a fault is answered with; `null` where the request is served, or the connection breaks. */
export function refusalOf(fault: Fault, streamed: boolean): Refusal | null {
  if (fault.fault === 'error') return { message: 'Error', ...fault };
  if (fault.fault === 'error_event') return streamed ? null : eventError(fault);
  return isRefusal(fault) ? refusal(fault.fault) : null;
}

/** The error inside an `error` event. */
export function eventError(fault: BodyFault): Refusal {
  const type = 'type' in fault && fault.type !== undefined ? fault.type : 'overloaded_error';
  return refusal(REFUSAL_OF_EVENT[type]);
}

function isRefusal(fault: Fault): fault is RefusalFault {
  return fault.fault in REFUSALS;
}

/** The fault where it is one of the body's. */
export function bodyFault(fault: Fault): BodyFault | null {
  switch (fault.fault) {
    case 'body_reset':
    case 'cut_body':
    case 'stalled_body':
    case 'malformed_json':
    case 'error_event':
      return fault;
    default:
      return null;
  }
}

/** Chance: returns numbers from 0 (included) to 1 (not included). */
export type Random = () => number;

/** How a quantity is spread. Data, so that a scenario can be written down, sent and repeated. */
export type Distribution =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly min: number; readonly max: number }
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number };

/**
 * The mulberry32 generator: 32 bits of state, the same sequence for the same seed on every machine.
 * Good enough for traffic, of no use for secrets.
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
 * Chance for one request of a run. Each request has its own sequence, so what one draws does not
 * depend on how far another has been read.
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

/** An id as the API writes them: the prefix and base-58 characters, 22 here, drawn from the seed. */
export function wireId(prefix: string, random: Random): string {
  let id = prefix;
  for (let length = 0; length < 22; length += 1) id += BASE58.charAt(Math.floor(random() * BASE58.length));
  return id;
}
