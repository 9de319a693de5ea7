import type { Answer, MessagesBody } from './answer.ts';
import { refusal, type Refusal } from './errors.ts';
import { modelNamed, unlistedModel, type SimulatedModel } from './limits.ts';

/** A value, or why the API would refuse it. */
export type Checked<Value> = { readonly ok: Value } | { readonly refused: Refusal };

/** A JSON request body; a body that is none is a 400. */
export function parsedJson(text: string): Checked<Readonly<Record<string, unknown>>> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return { ok: { ...json } };
    return invalid('Input should be a valid dictionary');
  } catch {
    // What is wrong with it is not told: an answer must not quote the request.
    return invalid('The request body is not valid JSON.');
  }
}

/** What a Messages request needs, in the API's order and words. Unknown fields pass. */
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

/** What a count_tokens request needs. */
export function checkedCount(json: Readonly<Record<string, unknown>>): Checked<Omit<MessagesBody, 'max_tokens'>> {
  const { model, messages } = json;
  if (typeof model !== 'string' || model === '') return invalid('model: Field required');
  const list = checkedList(messages);
  return 'refused' in list ? list : { ok: { ...json, model, messages: list.ok } };
}

/** The model that a request may use with what it asks of it. */
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

/** A message as a JSON answer has it, keys in the order of the recordings. */
export function messageJson(answer: Answer): Record<string, unknown> {
  return {
    model: answer.model,
    id: answer.id,
    type: 'message',
    role: 'assistant',
    content: answer.content,
    stop_reason: answer.stopReason,
    stop_sequence: answer.stopSequence,
    stop_details: null,
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

/** What the API keeps of a conversation that is held on its side: what a later turn need not send again. */
type Conversation = Pick<MessagesBody, 'messages' | 'system' | 'tools'>;

/** So many conversations are kept; the oldest is forgotten, as at the API when its time is up. */
const MOST_CONVERSATIONS = 10_000;

/**
 * The conversations that requests began with `thread: { type: 'create' }`, by the id of their last answer. The SDK's tool
 * runner sends them. One can be continued again from the same answer, which the API refuses: a retry must not fail here.
 */
export class Threads {
  readonly #conversations = new Map<string, Conversation>();

  /** The request with what was said before it; a 404 where nobody knows what that was. */
  whole(body: MessagesBody): Checked<MessagesBody> {
    const { type, previous_message_id: before } = body.thread ?? {};
    if (type !== 'continue') return { ok: body };
    const known = before === undefined ? undefined : this.#conversations.get(before);
    if (known === undefined) {
      const message = 'No Thread was found for previous_message_id.';
      return { refused: refusal('not_found', { message, errorCode: 'thread_not_found' }) };
    }
    return { ok: { ...known, ...body, messages: [...known.messages, ...body.messages] } };
  }

  /** Keeps a conversation under its newest answer, where the request asked for that. */
  keep({ thread, messages, system, tools }: MessagesBody, answer: Answer): void {
    if (thread === undefined) return;
    const turn = { role: 'assistant', content: answer.content };
    this.#conversations.set(answer.id, { messages: [...messages, turn], system, tools });
    const [oldest] = this.#conversations.keys();
    if (this.#conversations.size > MOST_CONVERSATIONS && oldest !== undefined) this.#conversations.delete(oldest);
  }
}
