import type { Answer, MessagesBody } from './answer.ts';
import { refusal, type Refusal } from './errors.ts';
import { modelNamed, unlistedModel, type SimulatedModel } from './limits.ts';

/** A value, or why the API would refuse it. */
export type Checked<Value> = { readonly ok: Value } | { readonly refused: Refusal };

/** Parses a JSON request body; anything else is a 400. */
export function parsedJson(text: string): Checked<Readonly<Record<string, unknown>>> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return { ok: { ...json } };
    return invalid('Input should be a valid dictionary');
  } catch {
    // The message does not say what is wrong: a response must not quote the request.
    return invalid('The request body is not valid JSON.');
  }
}

/** Checks a Messages request in the API's order and words. Unknown fields pass. */
export function checkedMessages(json: Readonly<Record<string, unknown>>): Checked<MessagesBody> {
  const { model, max_tokens, messages } = json;
  if (typeof model !== 'string' || model === '') return invalid('model: Field required');
  if (max_tokens === undefined) return invalid('max_tokens: Field required');
  if (typeof max_tokens !== 'number' || !Number.isInteger(max_tokens)) {
    return invalid('max_tokens: Input should be a valid integer');
  }
  if (max_tokens < 1) return invalid('max_tokens: Input should be greater than or equal to 1');
  const list = checkedList(messages);
  if ('refused' in list) return list;
  return { ok: { ...json, model, max_tokens, messages: list.ok } };
}

/** Checks a count_tokens request. */
export function checkedCount(json: Readonly<Record<string, unknown>>): Checked<Omit<MessagesBody, 'max_tokens'>> {
  const { model, messages } = json;
  if (typeof model !== 'string' || model === '') return invalid('model: Field required');
  const list = checkedList(messages);
  return 'refused' in list ? list : { ok: { ...json, model, messages: list.ok } };
}

/** Finds the model of a request, and checks that it supports what is asked of it. */
export function checkedModel(
  body: Pick<MessagesBody, 'model' | 'speed' | 'inference_geo'>,
  unknownModels: 'refuse' | 'serve',
): Checked<SimulatedModel> {
  const model = modelNamed(body.model) ?? (unknownModels === 'serve' ? unlistedModel(body.model) : undefined);
  if (model === undefined) return { refused: refusal('not_found', { message: `model: ${body.model}` }) };
  if (body.speed === 'fast' && model.fast === 'refused')
    return invalid(`speed: fast mode is not supported by ${model.id}`);
  if (body.inference_geo !== undefined && !model.geo) return invalid(`inference_geo: not supported by ${model.id}`);
  return { ok: model };
}

/** Finds who pays for a request: its organization, or the customer behind the user profile that its header names. */
export function checkedPayer(
  { billing_policy: policy }: Pick<MessagesBody, 'billing_policy'>,
  headers: Headers,
): Checked<'self' | 'user_profile'> {
  if (policy?.bill_to !== 'user_profile') return { ok: 'self' };
  if (headers.get('anthropic-user-profile-id') !== null) return { ok: 'user_profile' };
  return { refused: refusal('user_profile_required') };
}

/** A message in the form of a JSON response, with keys in the order of the recordings. */
export function messageJson(answer: Answer): Record<string, unknown> {
  return {
    model: answer.model,
    id: answer.id,
    type: 'message',
    role: 'assistant',
    content: answer.content,
    stop_reason: answer.stopReason,
    stop_sequence: answer.stopSequence,
    stop_details: answer.stopDetails,
    ...(answer.diagnostics !== null && { diagnostics: answer.diagnostics }),
    usage: answer.usage,
  };
}

function checkedList(messages: unknown): Checked<readonly unknown[]> {
  if (messages === undefined) return invalid('messages: Field required');
  if (!Array.isArray(messages)) return invalid('messages: Input should be a valid list');
  if (messages.length === 0) return invalid('messages: at least one message is required');
  return { ok: messages };
}

function invalid(message: string): { readonly refused: Refusal } {
  return { refused: refusal('invalid_request', { message }) };
}

/** A conversation that the API stores, so that a later turn need not send it again. */
type Conversation = Pick<MessagesBody, 'messages' | 'system' | 'tools'>;

/** Most conversations that are kept; then the oldest is dropped. */
const MOST_CONVERSATIONS = 10_000;

/**
 * Conversations begun with `thread: { type: 'create' }`, as the SDK's tool runner does, by the id of their last answer.
 * Unlike the API, one can be continued twice from the same answer: a retry must not fail here.
 */
export class Threads {
  readonly #conversations = new Map<string, Conversation>();

  /** The request with the turns before it; a 404 if the conversation is unknown. */
  withHistory(body: MessagesBody): Checked<MessagesBody> {
    const { type, previous_message_id: before } = body.thread ?? {};
    if (type !== 'continue') return { ok: body };
    const known = before === undefined ? undefined : this.#conversations.get(before);
    if (known === undefined) {
      const message = 'No Thread was found for previous_message_id.';
      return { refused: refusal('not_found', { message, errorCode: 'thread_not_found' }) };
    }
    return { ok: { ...known, ...body, messages: [...known.messages, ...body.messages] } };
  }

  /** Keeps a conversation under its newest answer, if the request asks for that. */
  keep({ thread, messages, system, tools }: MessagesBody, answer: Answer): void {
    if (thread === undefined) return;
    const turn = { role: 'assistant', content: answer.content };
    this.#conversations.set(answer.id, { messages: [...messages, turn], system, tools });
    const [oldest] = this.#conversations.keys();
    if (this.#conversations.size > MOST_CONVERSATIONS && oldest !== undefined) this.#conversations.delete(oldest);
  }
}
