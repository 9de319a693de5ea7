/** The largest context window, in tokens (4.6 and later, 2026-11): no prompt is longer, and no answer. */
export const LARGEST_WINDOW = 1_000_000;

/**
 * Characters of a request for each token of its prompt, before anything was learned: Anthropic's glossary has about 3.5
 * of English text, and models since Opus 4.7 make about 30% more tokens of it (pricing page, 2026-08).
 */
export const CHARACTERS_PER_TOKEN = 2.7;

/** The largest image: 92 x 52 patches of 28 pixels, a token each, as models since Opus 4.7 read them (vision page, 2026). */
const TOKENS_PER_IMAGE = 4_784;

/**
 * The worst case of a PDF in base64: a page of text has up to 3,000 tokens (page on PDF support, 2025), and compressed
 * it takes 2,000 characters or more. A scan takes many times as many.
 */
const TOKENS_PER_PDF_CHARACTER = 1.5;

/** Content of tool results and of documents lies in content; nothing that the API takes lies deeper. */
const DEEPEST_CONTENT = 6;

type Json = Readonly<Record<string, unknown>>;

/** The content of a prompt that its characters do not show. */
export interface PromptContent {
  /** The characters by which the text is longer as a prompt than as it is written; below 0 where it is shorter. */
  readonly correction: number;
  /** The most tokens of documents, threads and the like, which are not in the request or not as text. */
  readonly unseen: number;
  /** The request has a cache breakpoint: its prompt may be written to the cache. */
  readonly isCached: boolean;
}

/** What a request says of its prompt besides its text, as whoever has read the request counts it. */
export interface PromptFacts {
  /** As in `PromptContent`. */
  correction: number;
  /** The most tokens of documents that are in the request. */
  documentTokens: number;
  /** Documents, threads and the like that are not. */
  unseenParts: number;
  isCached: boolean;
}

/** The facts of a request whose body does not have its content any more: the gateway's, which keeps none. */
export const PROMPT_FACTS = Symbol('plimsoll.prompt_facts');

export const NOTHING_UNSEEN: PromptContent = { correction: 0, unseen: 0, isCached: false };

/** Looks through a request for what its characters do not show. */
export function promptContent(body: Json, unseenTokens: number): PromptContent {
  const { correction, documentTokens, unseenParts, isCached } =
    (body as { readonly [PROMPT_FACTS]?: PromptFacts })[PROMPT_FACTS] ?? promptFacts(body);
  return { correction, unseen: documentTokens + unseenParts * unseenTokens, isCached };
}

function promptFacts(body: Json): PromptFacts {
  const found = { correction: 0, documentTokens: 0, unseenParts: 0, isCached: isCacheable(body) };
  // The turns before are with the API.
  if (object(body['thread'])['type'] === 'continue') found.unseenParts += 1;
  if (!found.isCached) found.isCached = hasCacheable(body['system']) || hasCacheable(body['tools']);
  for (const message of list(body['messages'])) look(object(message)['content'], found, 0);
  return found;
}

function look(content: unknown, found: PromptFacts, depth: number): void {
  if (depth > DEEPEST_CONTENT) return;
  for (const item of list(content)) {
    const block = object(item);
    found.isCached ||= isCacheable(block);
    look(block['content'], found, depth + 1);
    const { type, data, content: inner } = object(block['source']);
    if (typeof type !== 'string' || type === 'text') continue;
    if (type === 'content') {
      look(inner, found, depth + 1);
      continue;
    }
    const length = type === 'base64' && typeof data === 'string' ? data.length : 0;
    countMedia(found, block['type'] === 'image' ? 'image' : 'document', length);
  }
}

/** A further model of a request. What it does not say is as in the request. */
interface FurtherModel {
  readonly model?: string;
  readonly max_tokens?: unknown;
  readonly speed?: unknown;
  readonly geo?: unknown;
}

const NO_FURTHER = { models: [], isChosenThere: false };

/**
 * Finds the models that may answer, or be asked, besides the request's own: its fallbacks, and tools that ask one.
 * `isChosenThere`: the API chooses the fallbacks.
 */
export function furtherModels({ fallbacks, tools }: Json): {
  readonly models: readonly FurtherModel[];
  readonly isChosenThere: boolean;
} {
  if (fallbacks === undefined && tools === undefined) return NO_FURTHER;
  const models: FurtherModel[] = [];
  for (const part of [fallbacks, tools]) {
    for (const item of list(part)) {
      const { model, max_tokens: maxTokens, speed, inference_geo: geo } = object(item);
      if (typeof model !== 'string' && typeof maxTokens !== 'number') continue;
      models.push({
        ...(typeof model === 'string' && { model }),
        ...(typeof maxTokens === 'number' && { max_tokens: maxTokens }),
        ...(typeof speed === 'string' && { speed }),
        ...(typeof geo === 'string' && { geo }),
      });
    }
  }
  return { models, isChosenThere: typeof fallbacks === 'string' };
}

/** Estimates the tokens of a prompt, with what its text does not show at its worst case. */
export function estimatedPromptTokens(body: Json | null, bodyLength: number): number {
  const { correction, unseen } = promptContent(body ?? {}, LARGEST_WINDOW);
  return tokensOfPrompt(Math.max(0, bodyLength + correction), unseen);
}

/** Tokens of a text of so many characters, and of what is not in it: at most a context window. */
export function tokensOfPrompt(length: number, unseen: number): number {
  return Math.round(Math.min(length / CHARACTERS_PER_TOKEN + unseen, LARGEST_WINDOW));
}

/** Counts an image or a document: `length` in characters of base64, 0 if it is not in the request. */
export function countMedia(found: PromptFacts, kind: 'image' | 'document', length: number): void {
  found.correction -= length;
  if (kind === 'image') found.correction += TOKENS_PER_IMAGE * CHARACTERS_PER_TOKEN;
  else if (length === 0) found.unseenParts += 1;
  else found.documentTokens += Math.min(length * TOKENS_PER_PDF_CHARACTER, LARGEST_WINDOW);
}

function hasCacheable(blocks: unknown): boolean {
  for (const block of list(blocks)) if (isCacheable(object(block))) return true;
  return false;
}

function isCacheable(block: Json): boolean {
  return typeof block['cache_control'] === 'object' && block['cache_control'] !== null;
}

/** The value where it is a list, else an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : NO_ITEMS;
}

/** The value where it is an object, else an empty one. */
export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : NO_FIELDS;
}

const NO_ITEMS: readonly unknown[] = [];

const NO_FIELDS: Json = {};
