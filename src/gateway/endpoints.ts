import { mayHoldSecret } from '../errors.ts';
import { RESOURCES, resourceOperation } from '../observe/resources.ts';
import { redacted } from '../keys/secrets.ts';

/**
 * The treatment of a request's body. `message`: reads it. `batch`: reads it if a guard needs it. `opaque`: forwards it
 * unread. `none`: expects none.
 */
type BodyKind = 'message' | 'batch' | 'opaque' | 'none';

/** What a client may be allowed to call. */
export const ENDPOINT_GROUPS = ['messages', 'models', 'batches', 'files', ...RESOURCES] as const;

export type EndpointGroup = (typeof ENDPOINT_GROUPS)[number];

/** What a client may call that says nothing else: the gateway knows what each of it costs, or that it costs nothing. */
const STANDARD_GROUPS: readonly EndpointGroup[] = ['messages', 'models', 'batches', 'files'];

/** Groups by name, or those of a word. */
export type EndpointChoice = 'all' | 'standard' | 'messages' | readonly EndpointGroup[];

/** The groups that a client may call; `null` for all that the gateway forwards. */
export function groupsOf(endpoints: EndpointChoice): readonly EndpointGroup[] | null {
  if (endpoints === 'all') return null;
  if (endpoints === 'standard') return STANDARD_GROUPS;
  return endpoints === 'messages' ? ['messages', 'models'] : endpoints;
}

/** The group of an operation; `null` for an unknown one. */
export function groupOf(operation: string): EndpointGroup | null {
  if (operation.startsWith('messages.batches.')) return 'batches';
  for (const group of ENDPOINT_GROUPS)
    if (operation.startsWith(group) && (operation.length === group.length || operation[group.length] === '.'))
      return group;
  return null;
}

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
/** Agents, sessions and the like: the limit of messages, because the API names no other. */
const RESOURCE: Endpoint = { kind: 'opaque', largestBytes: 32 * MIB };
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
  const found = ENDPOINTS.find(([shape]) => shape.test(request))?.[1];
  if (found !== undefined || !path.startsWith('/v1/')) return found ?? null;
  if (resourceOperation(`${method} ${path.slice(4)}`) === null) return null;
  return method === 'POST' ? RESOURCE : BARE;
}

const LONGEST_SHOWN = 128;

/** A path as people may read it: cut, without anything but the characters of a path, and without what may be a secret. */
export function shownPath(path: string): string {
  const cut = path.length > LONGEST_SHOWN ? `${path.slice(0, LONGEST_SHOWN)}…` : path;
  return mayHoldSecret(path) ? '(a path with a secret)' : redacted(cut.replaceAll(/[^\w/.~:@%+…-]/g, '?'));
}

/**
 * Tells whether a query, including its question mark, may be forwarded: it has only characters that a query can have
 * (RFC 3986), and no credential, which servers in between would log.
 */
export function isQueryAllowed(query: string): boolean {
  return query === '' || (/^[\w.~!$&'()*+,;=:@/?%[\]-]*$/.test(query) && !mayHoldSecret(query));
}
