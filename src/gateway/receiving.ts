import type { GatewayRefusal } from '../record/gateway-refusals.ts';
import type { Granted } from './granted.ts';
import type { Refusal } from './refusals.ts';
import { BodyTooLargeError, heldBody, NoRoomError, type HeldBody, type HeldBytes } from './request-body.ts';
import { repeatsName } from './repeated-names.ts';
import { readBody, textOf, unreadBody, type RequestBody } from './request-facts.ts';

/** A body that can be sent on, and the room it takes until it is sent. */
export interface Received {
  readonly body: RequestBody;
  readonly release: () => void;
}

/** Why a body cannot be sent on. */
export interface Unreceived {
  readonly reason: GatewayRefusal;
  readonly refusal: Refusal;
}

export interface ReceiveOptions {
  readonly held: HeldBytes;
  /** Whether anybody is asked about the request, who has to see what is in it. */
  readonly isGuarded: boolean;
}

/** A batch that has to be read is held, and parsed, as a whole. */
const LARGEST_READ_BATCH_BYTES = 64 << 20;

/**
 * Reads the body of a request as far as it has to be known before anything can be sent: that of a Messages request to its
 * end, because what is not in it is known only there; a batch where guards are to see it; a file never. Rejects where the
 * client goes away.
 */
export async function received(granted: Granted, { held, isGuarded }: ReceiveOptions): Promise<Received | Unreceived> {
  const { arrival, endpoint } = granted;
  const { kind } = endpoint;
  const isPassing = kind === 'opaque' || (kind === 'batch' && !isGuarded);
  const most = kind === 'batch' && isGuarded ? LARGEST_READ_BATCH_BYTES : endpoint.largestBytes;
  const length = arrival.header('content-length');
  if (Number(length) > most) return tooLarge(most);
  if (kind !== 'opaque' && (arrival.header('content-encoding') ?? 'identity') !== 'identity') return ENCODED;
  if (isPassing) return { body: passing(granted, length), release: () => undefined };
  try {
    const { bytes, release } = await heldBody(arrival.body, { largestBytes: most, held });
    return readFor(granted, { bytes, release }, isGuarded);
  } catch (error) {
    if (error instanceof BodyTooLargeError) return tooLarge(most);
    if (error instanceof NoRoomError) return NO_ROOM;
    throw error;
  }
}

function readFor(
  { arrival, endpoint, grant }: Granted,
  { bytes, release }: HeldBody,
  isGuarded: boolean,
): Received | Unreceived {
  if (endpoint.kind === 'none') return { body: unreadBody(arrival.body === null ? null : bytes), release };
  const body = readBody(bytes, isGuarded);
  // What its token may ask for has to be read from the body as the API will read it.
  const isBound = grant.models !== null || grant.maxTokens !== null;
  if (!isBound || body.guarded.body === null || !repeatsName(textOf(bytes))) return { body, release };
  release();
  return AMBIGUOUS;
}

function passing({ arrival, endpoint: { largestBytes } }: Granted, length: string | null): RequestBody {
  const { body: stream } = arrival;
  return unreadBody(stream === null ? null : { stream, length, largestBytes });
}

function tooLarge(most: number): Unreceived {
  const message = `The body of the request is longer than ${most} bytes.`;
  return { reason: 'too_large', refusal: { status: 413, type: 'request_too_large', message } };
}

const ENCODED: Unreceived = {
  reason: 'invalid',
  refusal: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The gateway takes bodies as they are: expected no content-encoding.',
  },
};

const AMBIGUOUS: Unreceived = {
  reason: 'invalid',
  refusal: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The token is bound to models or to a ceiling: expected a body that has no name twice in an object.',
  },
};

const NO_ROOM: Unreceived = {
  reason: 'overloaded',
  refusal: {
    status: 529,
    type: 'overloaded_error',
    message: 'The gateway holds too many bytes of other requests.',
    retryAfterSeconds: 1,
  },
};
