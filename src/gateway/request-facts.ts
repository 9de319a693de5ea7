import { isJson, type Json } from '../observe/usage.ts';
import type { GuardedRequest } from '../vocabulary.ts';
import type { PassingBody } from './upstream.ts';

/** What the body of a Messages request says of the call. */
export interface RequestFacts {
  readonly model: string | null;
  readonly stream: boolean;
  readonly maxTokens: number | null;
}

/** The body of a request, as far as it is known here. */
export interface RequestBody {
  readonly facts: RequestFacts;
  /** What guards may look at. */
  readonly guarded: GuardedRequest;
  /** What is sent, where nothing has to be changed. */
  readonly asItCame: Uint8Array | PassingBody | null;
}

const UNKNOWN: RequestFacts = { model: null, stream: false, maxTokens: null };

/** A body that was not looked into. */
export function unreadBody(asItCame: RequestBody['asItCame']): RequestBody {
  return { facts: UNKNOWN, guarded: { body: null, bodyLength: 0 }, asItCame };
}

/**
 * A body that was read to its end. Of a name that comes twice the last counts, as it does for most who read JSON. Besides
 * the bytes nothing is kept of it but for guards: texts of many megabytes would wait with it for the API.
 */
export function readBody(bytes: Uint8Array, isGuarded: boolean): RequestBody {
  const text = textOf(bytes);
  const body = parsed(text);
  const guarded = { body: isGuarded ? body : null, bodyLength: text.length };
  return { facts: body === null ? UNKNOWN : factsOf(body), guarded, asItCame: bytes };
}

/** What is no UTF-8 in the bytes is replaced. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function parsed(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : null;
  } catch {
    return null; // the API says what is wrong with it
  }
}

function factsOf({ model, stream, max_tokens: maxTokens }: Json): RequestFacts {
  return {
    model: typeof model === 'string' ? model : null,
    stream: stream === true,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
  };
}
