import type { GuardedRequest } from '../decisions.ts';
import type { Endpoint } from '../platform.ts';
import type { CallDetails } from '../trace.ts';
import { resourceOperation } from './resources.ts';
import { isJson, type Json } from './usage.ts';

/** The call as its first request shows it. */
export interface CallRequest {
  readonly operation: string;
  readonly model: string | null;
  readonly maxTokens: number | null;
  /** Alias of a key that is the request's own. Default: that of the client's key. */
  readonly key?: string | undefined;
  readonly body?: Json | null;
  readonly baseUrl: string;
  /** Where a request for a model goes; absent for the Claude API itself. */
  readonly endpointOf?: ((model: string | null) => Endpoint) | undefined;
  /** Gives the call up. Held weakly, because its listeners may hold a response that nobody reads. */
  readonly signal?: WeakRef<AbortSignal> | null;
  /** The longest wait for an answer to one attempt, where that is known. */
  readonly timeoutMs?: number | null;
  readonly sdkSpan: unknown;
  readonly details?: CallDetails | undefined;
}

/** The end of a call that its caller gave up: a signal that was aborted for a `TimeoutError` is a deadline. */
export function outcomeOfAbort(signal: CallRequest['signal']): 'timeout' | 'cancelled' {
  const reason: unknown = signal?.deref()?.reason;
  return reason instanceof Error && reason.name === 'TimeoutError' ? 'timeout' : 'cancelled';
}

/** Tells whether the request asks that the customer behind a user profile pays for it, in place of the organization. */
export function billsAnother(body: Json | null): boolean {
  const policy = body?.['billing_policy'];
  return policy !== undefined && isJson(policy) && policy['bill_to'] === 'user_profile';
}

interface Body {
  readonly body?: unknown;
}

/** The request as guards see it. A body that is not `unchanged`, as the SDK wrote it, is read: what is sent counts. */
export function guardedRequest({ body }: Body, options: Body, unchanged?: unknown): GuardedRequest {
  const isText = typeof body === 'string';
  const isAnew = isText && unchanged !== undefined && body !== unchanged;
  const content: unknown = isAnew ? parsed(body) : options.body;
  return { body: isJson(content) ? content : null, bodyLength: isText ? body.length : 0 };
}

/** `null` for what the API will refuse. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** What a request says for the span of its call. */
export function callDetails(body: Json | null, conversationId: unknown): CallDetails {
  const output = body?.['output_config'];
  return {
    conversationId: textOrNull(conversationId),
    reasoningLevel: textOrNull(output !== undefined && isJson(output) ? output['effort'] : null),
    serviceTier: textOrNull(body?.['service_tier']),
    responseId: null,
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Paths without ids, by method. The version prefix and the query are cut off before the look-up. */
const FIXED: Readonly<Record<string, string>> = {
  'POST messages': 'messages.create',
  'POST messages/count_tokens': 'messages.count_tokens',
  'POST messages/batches': 'messages.batches.create',
  'GET messages/batches': 'messages.batches.list',
  'GET models': 'models.list',
  'POST files': 'files.upload',
  'GET files': 'files.list',
};

/** Paths with an id in them. */
const WITH_ID: readonly (readonly [RegExp, string])[] = [
  [/^GET messages\/batches\/[^/]+$/, 'messages.batches.retrieve'],
  [/^DELETE messages\/batches\/[^/]+$/, 'messages.batches.delete'],
  [/^POST messages\/batches\/[^/]+\/cancel$/, 'messages.batches.cancel'],
  [/^GET messages\/batches\/[^/]+\/results$/, 'messages.batches.results'],
  [/^GET models\/[^/]+$/, 'models.retrieve'],
  [/^GET files\/[^/]+$/, 'files.retrieve_metadata'],
  [/^GET files\/[^/]+\/content$/, 'files.download'],
  [/^DELETE files\/[^/]+$/, 'files.delete'],
];

/**
 * Names the operation of a request, from its method and its path (`/v1/messages?beta=true`) or whole URL. A
 * `messages.create` that streams is `messages.stream`. An unknown one is `other`: no id ever gets into the name.
 */
export function operation(method: string, path: string, stream: boolean): string {
  // The SDK's own path of nearly every call, compared before anything is cut or joined.
  if (path === '/v1/messages' || path === '/v1/messages?beta=true') {
    if (method === 'post' || method === 'POST') return stream ? 'messages.stream' : 'messages.create';
  }
  const query = path.indexOf('?');
  const bare = query === -1 ? path : path.slice(0, query);
  const version = bare.lastIndexOf('/v1/');
  if (version === -1) return 'other';
  const request = `${method.toUpperCase()} ${bare.slice(version + 4)}`;
  const fixed = Object.hasOwn(FIXED, request) ? FIXED[request] : undefined;
  if (fixed !== undefined) return fixed === 'messages.create' && stream ? 'messages.stream' : fixed;
  return WITH_ID.find(([shape]) => shape.test(request))?.[1] ?? resourceOperation(request) ?? 'other';
}

/** A base URL may hold a user's password: that goes no further. */
export function withoutCredentials(baseUrl: string): string {
  const url = URL.parse(baseUrl);
  return url === null ? '' : `${url.origin}${url.pathname}`;
}
