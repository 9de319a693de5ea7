import type { Answer } from './answer.ts';
import { refusal } from './errors.ts';
import type { Checked } from './messages.ts';
import type { MessagesBody } from './reply.ts';

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
