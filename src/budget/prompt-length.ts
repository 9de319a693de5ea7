import type { GuardedRequest } from '../vocabulary.ts';

/**
 * Characters of a request for each token of its prompt, to begin with: Anthropic's glossary has about 3.5 of English
 * text, and models since Opus 4.7 make about 30 % more tokens of it (pricing page, 2026-08).
 */
export const CHARACTERS_PER_TOKEN = 2.7;

/** The largest image: 92 x 52 patches of 28 pixels, a token each, as models since Opus 4.7 read them (vision page, 2026). */
const TOKENS_PER_IMAGE = 4_784;

/** A page of a PDF: its text alone has 1,500 to 3,000 (page on PDF support, 2025). */
const TOKENS_PER_PAGE = 3_000;

/** Base64 of a page of a PDF: a guess, with which a scan is taken for few pages and a bare text for more than it has. */
const CHARACTERS_PER_PAGE = 75_000;

/** A smaller body has no room for an image or a document that matters, and is not searched for one. */
const SEARCHED_FROM = 20_000;

type Json = Readonly<Record<string, unknown>>;

/**
 * The length of a request in characters, as far as it becomes prompt: base64 data does not count by its characters but
 * by the image or the pages that it is.
 */
export function promptLength({ body, bodyLength }: GuardedRequest): number {
  if (body === null || bodyLength < SEARCHED_FROM) return bodyLength;
  const batch = list(body['requests']).map((request) => object(object(request)['params']));
  const messages = [body, ...batch].flatMap((request) => list(request['messages']));
  return messages.reduce<number>((length, message) => length + correction(object(message)['content']), bodyLength);
}

/** How much longer (or shorter: below 0) the content is as prompt than in characters. */
function correction(content: unknown): number {
  return list(content).reduce<number>((sum, item) => {
    const block = object(item);
    const { type, data } = object(block['source']);
    if (type !== 'base64' || typeof data !== 'string') return sum + correction(block['content']);
    const pages = Math.ceil(data.length / CHARACTERS_PER_PAGE);
    const tokens = block['type'] === 'image' ? TOKENS_PER_IMAGE : pages * TOKENS_PER_PAGE;
    return sum + tokens * CHARACTERS_PER_TOKEN - data.length;
  }, 0);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
