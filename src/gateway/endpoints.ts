import { mayHoldSecret } from '../errors.ts';

/** How the body of a request is treated: read for what decides, read where somebody has to know, or passed on unseen. */
export type BodyKind = 'message' | 'batch' | 'opaque' | 'none';

/** A part of the API that is forwarded. */
export interface Endpoint {
  readonly kind: BodyKind;
  /** The most bytes of a body that the API takes. */
  readonly largestBytes: number;
  /** The answer says where the results of a batch are: at the gateway, and not at the API. */
  readonly namesResults?: true;
}

const MIB = 1 << 20;

/** https://platform.claude.com/docs/en/api/overview#request-size-limits */
const MESSAGE: Endpoint = { kind: 'message', largestBytes: 32 * MIB };
const BATCH: Endpoint = { kind: 'batch', largestBytes: 256 * MIB, namesResults: true };
const FILE: Endpoint = { kind: 'opaque', largestBytes: 500 * MIB };
/** Has nothing to say in a body, but may send an empty one. */
const BARE: Endpoint = { kind: 'none', largestBytes: MIB };
const OF_BATCHES: Endpoint = { ...BARE, namesResults: true };

/** Ids of batches, files and models: letters, digits and what stands between them. Never a dot or two alone, never escaped. */
const ID = '(?!\\.{1,2}(?:/|$))[\\w.@:-]{1,256}';

const TABLE: readonly (readonly [RegExp, Endpoint])[] = [
  [/^POST \/v1\/messages$/, MESSAGE],
  [/^POST \/v1\/messages\/count_tokens$/, MESSAGE],
  [/^POST \/v1\/messages\/batches$/, BATCH],
  [/^GET \/v1\/messages\/batches$/, OF_BATCHES],
  [withId('^GET /v1/messages/batches/ID$'), OF_BATCHES],
  [withId('^GET /v1/messages/batches/ID/results$'), BARE],
  [withId('^POST /v1/messages/batches/ID/cancel$'), OF_BATCHES],
  [withId('^DELETE /v1/messages/batches/ID$'), BARE],
  [/^GET \/v1\/models$/, BARE],
  [withId('^GET /v1/models/ID$'), BARE],
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
 * What is forwarded, of all that a request can ask for; `null` for anything else. The target is compared as it came, byte
 * for byte: what would have to be decoded, joined or cut to become a known path is not one.
 */
export function endpointOf(method: string, target: string): Endpoint | null {
  const path = pathOf(target);
  if (method === 'POST' && path === '/v1/messages') return MESSAGE;
  const request = `${method} ${path}`;
  return TABLE.find(([shape]) => shape.test(request))?.[1] ?? null;
}

/** Without the query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

/** Characters of a query (RFC 3986); a credential in it would be written into logs on the way. */
export function isQueryAllowed(target: string): boolean {
  const query = target.slice(pathOf(target).length);
  return /^[\w.~!$&'()*+,;=:@/?%[\]-]*$/.test(query) && !mayHoldSecret(query);
}
