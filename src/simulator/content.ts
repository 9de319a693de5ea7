import { wireId, type Random } from './random.ts';

/** A tool call in an answer; an id is made up where none is given. */
export interface ToolCall {
  readonly name: string;
  readonly input: unknown;
  readonly id?: string;
}

/** Content blocks as the API writes them. Text, thinking and tool inputs are streamed in pieces, the others whole. */
export type ContentBlock =
  | { readonly type: 'text'; readonly text: string; readonly citations?: unknown }
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | ToolUseBlock
  | { readonly type: 'redacted_thinking'; readonly data: string }
  | { readonly type: 'web_search_tool_result'; readonly tool_use_id: string; readonly content: unknown }
  | { readonly type: 'compaction'; readonly content: string; readonly encrypted_content?: string };

interface ToolUseBlock {
  readonly type: 'tool_use' | 'server_tool_use';
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  readonly caller?: { readonly type: 'direct' };
}

/** Tokens are four characters here; the API's own are about that in English. */
export const CHARACTERS_PER_TOKEN = 4;

/** Tokens of a text, or of the JSON of anything else. */
export function estimatedTokens(part: unknown): number {
  if (part === undefined || part === null) return 0;
  const characters = typeof part === 'string' ? part.length : JSON.stringify(part).length;
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

/** Output tokens of some content: its text, its thinking and the inputs of its tools. */
export function contentTokens(content: readonly ContentBlock[]): number {
  return content.reduce((sum, block) => sum + estimatedTokens(generatedPart(block)), 0);
}

/** Those of them that are thinking. */
export function thinkingTokens(content: readonly ContentBlock[]): number {
  return contentTokens(content.filter((block) => block.type === 'thinking'));
}

function generatedPart(block: ContentBlock): unknown {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'thinking':
      return block.thinking;
    case 'tool_use':
    case 'server_tool_use':
      return block.input;
    case 'redacted_thinking':
    case 'web_search_tool_result':
    case 'compaction':
      return null;
  }
}

const WORDS =
  'the tide was low and slow when a small boat came home with salt fish rope tar light wind over grey water'.split(' ');

/** Words of no meaning, exactly so many tokens of them. */
export function prose(tokens: number, random: Random): string {
  const characters = Math.max(0, tokens) * CHARACTERS_PER_TOKEN;
  let text = '';
  while (text.length < characters) text += `${WORDS[Math.floor(random() * WORDS.length)] ?? 'sea'} `;
  return text.slice(0, characters);
}

/** A thinking block; its signature looks like one and proves nothing. */
export function thinkingBlock(thinking: string, random: Random): ContentBlock {
  return { type: 'thinking', thinking, signature: Buffer.from(wireId('simulated-', random)).toString('base64') };
}

/** A call of one of the client's tools. */
export function toolUseBlock(tool: ToolCall, random: Random): ContentBlock {
  const { name, input, id = wireId('toolu_01', random) } = tool;
  return { type: 'tool_use', id, name, input, caller: { type: 'direct' } };
}
