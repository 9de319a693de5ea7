import { isJson, type Json } from '../observe/usage.ts';
import { REFUSAL, type Guard, type GuardedRequest } from '../vocabulary.ts';
import type { Refusal } from './errors.ts';
import type { Grant } from './grant.ts';

/** A request asks for what its token does not grant. */
export class NotGrantedError extends Error {
  readonly refusal: Refusal;
  readonly [REFUSAL] = true;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.name = 'NotGrantedError';
    this.refusal = refusal;
  }
}

/** What a grant says of models and `max_tokens`, as guards. Those of a batch hold for each of its requests. */
export function grantRules({ models, maxTokens }: Grant): readonly Guard[] {
  if (models === null && maxTokens === null) return [];
  return [
    {
      admit({ operation }, request) {
        if (!ASKS.has(operation)) return undefined;
        const asked = requestsIn(operation, request);
        if (models !== null) for (const one of asked) checkModels(one, models);
        return maxTokens === null ? undefined : ceiling(operation, asked, maxTokens);
      },
    },
  ];
}

const ASKS: ReadonlySet<string> = new Set([
  'messages.create',
  'messages.stream',
  'messages.count_tokens',
  'messages.batches.create',
]);

function requestsIn(operation: string, { body }: GuardedRequest): readonly Json[] {
  if (body === null) throw unreadable();
  if (operation !== 'messages.batches.create') return [body];
  const { requests } = body;
  if (!Array.isArray(requests)) throw unreadable();
  return requests.map((request: unknown) => {
    const params = isJson(request) ? request['params'] : null;
    if (!isJson(params)) throw unreadable();
    return params;
  });
}

/** What cannot be read cannot be held to a rule. */
function unreadable(): NotGrantedError {
  const message =
    'The token is bound to models or to a ceiling, and the body of the request is not what these are read from.';
  return new NotGrantedError({ status: 400, type: 'invalid_request_error', message });
}

/** Besides the model of the request there can be those of tools that ask another, and of fallbacks. */
function checkModels(request: Json, allowed: readonly string[]): void {
  for (const model of [request['model'], ...furtherModels(request)]) {
    if (typeof model === 'string' && allowed.includes(model)) continue;
    const message = `The token may ask for these models alone: ${allowed.join(', ')}.`;
    throw new NotGrantedError({ status: 403, type: 'permission_error', message });
  }
}

/** Fields whose content is the user's own: a `model` in them names none. */
const CONTENT: ReadonlySet<string> = new Set(['messages', 'system', 'input_schema', 'output_config', 'metadata']);

function furtherModels(request: Json): readonly string[] {
  return Object.entries(request).flatMap(([name, value]) => (name === 'model' ? [] : modelsWithin(name, value)));
}

function modelsWithin(name: string, value: unknown): readonly string[] {
  if (CONTENT.has(name) || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item: unknown) => modelsWithin('', item));
  return Object.entries(value as Json).flatMap(([field, inner]) =>
    field === 'model' && typeof inner === 'string' ? [inner] : modelsWithin(field, inner),
  );
}

function ceiling(operation: string, asked: readonly Json[], { tokens, above }: NonNullable<Grant['maxTokens']>) {
  if (operation === 'messages.count_tokens') return undefined;
  // What is no number the API refuses.
  const exceeds = asked.some(({ max_tokens: given }) => typeof given === 'number' && given > tokens);
  if (!exceeds) return undefined;
  if (above === 'clamp' && operation !== 'messages.batches.create') return { maxTokens: tokens };
  const message = `max_tokens: the token allows ${tokens} at the most.`;
  throw new NotGrantedError({ status: 400, type: 'invalid_request_error', message });
}

const BRAND = Symbol.for('plimsoll.gateway_endpoint_refused');

/** The token may not use this part of the API: refused, and nothing was sent. */
export class EndpointRefusedError extends Error {
  readonly code = 'PLIMSOLL_GATEWAY_ENDPOINT_REFUSED';
  readonly operation: string;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor(operation: string) {
    super('Not sent: the token may ask for messages, count tokens and list models, and nothing else.');
    this.name = 'EndpointRefusedError';
    this.operation = operation;
  }
}

/** Whether it is a refusal for the endpoint, from whichever copy of the package. */
export function isEndpointRefused(error: unknown): error is EndpointRefusedError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true;
}

const MESSAGES: ReadonlySet<string> = new Set([
  'messages.create',
  'messages.stream',
  'messages.count_tokens',
  'models.list',
  'models.retrieve',
]);

/**
 * Lets messages, counts of tokens and models through alone: files and batches belong to the key's workspace, where one
 * client can read another's, and what a batch costs is known only when the token that began it is long over.
 */
export const messagesOnly: Guard = {
  admit({ operation }) {
    if (!MESSAGES.has(operation)) throw new EndpointRefusedError(operation);
    return undefined;
  },
};
