import { REFUSAL, type Guard } from '../../vocabulary.ts';

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
