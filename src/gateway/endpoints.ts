import { mayHoldSecret } from '../errors.ts';

/**
 * The treatment of a request's body. `message`: reads it. `batch`: reads it if a guard needs it. `opaque`: forwards it
 * unread. `none`: expects none.
 */
type BodyKind = 'message' | 'batch' | 'opaque' | 'none';

/** An endpoint of the API that the gateway forwards. */
export interface Endpoint {
  readonly kind: BodyKind;
  /** The longest body that the API accepts, in bytes. */
  readonly largestBytes: number;
  /** The response contains the address of the results of a batch, which must lead to the gateway instead of the API. */
  readonly namesResults?: true;
  /** The response names models, of which a token may be bound to some. */
  readonly listsModels?: true;
}

const MIB = 1 << 20;

/** https://platform.claude.com/docs/en/api/overview#request-size-limits */
const MESSAGE: Endpoint = { kind: 'message', largestBytes: 32 * MIB };
const BATCH: Endpoint = { kind: 'batch', largestBytes: 256 * MIB, namesResults: true };
const FILE: Endpoint = { kind: 'opaque', largestBytes: 500 * MIB };
/** Needs no body, but clients may send an empty one. */
const BARE: Endpoint = { kind: 'none', largestBytes: MIB };
const MODEL_INFO: Endpoint = { ...BARE, listsModels: true };
const BATCH_INFO: Endpoint = { ...BARE, namesResults: true };

/**
 * Ids of batches, files and models: letters, digits and a few signs. Never `.` or `..` alone, never percent-encoded.
 */
const ID = '(?!\\.{1,2}(?:/|$))[\\w.@:-]{1,256}';

const ENDPOINTS: readonly (readonly [RegExp, Endpoint])[] = [
  [/^POST \/v1\/messages$/, MESSAGE],
  [/^POST \/v1\/messages\/count_tokens$/, MESSAGE],
  [/^POST \/v1\/messages\/batches$/, BATCH],
  [/^GET \/v1\/messages\/batches$/, BATCH_INFO],
  [withId('^GET /v1/messages/batches/ID$'), BATCH_INFO],
  [withId('^GET /v1/messages/batches/ID/results$'), BARE],
  [withId('^POST /v1/messages/batches/ID/cancel$'), BATCH_INFO],
  [withId('^DELETE /v1/messages/batches/ID$'), BARE],
  [/^GET \/v1\/models$/, MODEL_INFO],
  [withId('^GET /v1/models/ID$'), MODEL_INFO],
  [/^POST \/v1\/files$/, FILE],
  [/^GET \/v1\/files$/, BARE],
  [withId('^GET /v1/files/ID$'), BARE],
  [withId('^GET /v1/files/ID/content$'), BARE],
  [withId('^DELETE /v1/files/ID$'), BARE],
];

function withId(shape: string): RegExp {
  return new RegExp(shape.replace('ID', ID));
}

/**
 * Finds the endpoint of a request; `null` if the gateway does not forward it. The path is compared byte for byte, as
 * received: a path that matches only after decoding, joining or cutting is unknown.
 */
export function endpointOf(method: string, path: string): Endpoint | null {
  if (method === 'POST' && path === '/v1/messages') return MESSAGE;
  const request = `${method} ${path}`;
  return ENDPOINTS.find(([shape]) => shape.test(request))?.[1] ?? null;
}

/**
 * Tells whether a query, including its question mark, may be forwarded: it has only characters that a query can have
 * (RFC 3986), and no credential, which servers in between would log.
 */
export function isQueryAllowed(query: string): boolean {
  return query === '' || (/^[\w.~!$&'()*+,;=:@/?%[\]-]*$/.test(query) && !mayHoldSecret(query));
}
