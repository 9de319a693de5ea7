import { hash } from 'node:crypto';
import type { ValueSpan } from '../body-facts.ts';

/** A longer first message is told by its beginning. */
const LONGEST_READ_BYTES = 64 << 10;

/**
 * Makes the fingerprint of a conversation: equal for all its requests, because each begins with the same message. A client may
 * write that message as a text or as blocks, and moves the marks of its cache from one turn to the next, so only its
 * texts count. A hash, kept in memory alone; `null` without a first message.
 */
export function conversationOf(body: Uint8Array, firstTurn: ValueSpan | null): string | null {
  if (firstTurn === null) return null;
  const { start, end } = firstTurn;
  const bytes = body.subarray(start, Math.min(end, start + LONGEST_READ_BYTES));
  return hash('sha256', end - start > LONGEST_READ_BYTES ? bytes : textsIn(bytes), 'base64url');
}

/** The texts of a message in their order, without the names of fields. What is not JSON is its own text. */
function textsIn(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  try {
    const { content } = JSON.parse(text) as { readonly content?: unknown };
    return JSON.stringify(textsOf(content));
  } catch {
    return text;
  }
}

function textsOf(content: unknown): readonly string[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  return content.flatMap((block: unknown) => {
    if (typeof block !== 'object' || block === null) return [];
    const { text, source } = block as { readonly text?: unknown; readonly source?: unknown };
    return [typeof text === 'string' ? text : JSON.stringify(source ?? null)];
  });
}
