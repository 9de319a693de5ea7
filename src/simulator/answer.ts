import { modelNamed } from './limits.ts';
import { draw, wireId, type Distribution, type Fault, type Random } from './scenario.ts';
import { completeUsage, orderedUsage, startUsage, type PartialUsage, type WireUsage } from './usage.ts';

/** A complete answer, before it is put on the wire. */
export interface Answer {
  readonly id: string;
  readonly model: string;
  readonly content: readonly ContentBlock[];
  readonly stopReason: string;
  readonly stopSequence: string | null;
  /** Final: what is billed when all of it was generated. */
  readonly usage: WireUsage;
  /** As `message_start` tells it. */
  readonly startUsage: WireUsage;
  /** As `message_delta` events before the last one tell it; none, as a rule. */
  readonly earlierUsages: readonly WireUsage[];
}

/** What an answer is made from. */
export interface AnswerFrom {
  readonly body: MessagesBody;
  readonly reply: Reply;
  /** How long it wants to be, where the reply does not say. */
  readonly outputTokens: Distribution;
  readonly serviceTier: WireUsage['service_tier'];
  readonly random: Random;
}

/** Tokens of the prompt, estimated as the characters of its JSON divided by four. */
export function estimatedInputTokens(body: Pick<MessagesBody, 'messages' | 'system' | 'tools'>): number {
  return [body.messages, body.system, body.tools].reduce<number>((sum, part) => sum + estimatedTokens(part), 0);
}

/**
 * The answer to a request. Text that is not given is made up, as long as the distribution says; `max_tokens` cuts it.
 * Output tokens that are not given are estimated from the content.
 */
export function answer(from: AnswerFrom): Answer {
  const { body, reply, random } = from;
  const content = reply.content ?? madeUpContent(from);
  const usage = completeUsage(reply.usage ?? {}, estimatedUsage(from, content));
  return {
    id: wireId('msg_01', random),
    model: reply.model ?? modelNamed(body.model)?.id ?? body.model,
    content,
    stopReason: reply.stopReason ?? stopReason(content, body.max_tokens),
    stopSequence: reply.stopSequence ?? null,
    usage: orderedUsage(usage),
    startUsage: orderedUsage(firstUsage(usage, reply.startUsage, random)),
    earlierUsages: (reply.earlierUsages ?? []).map((said) => completeUsage(said, usage)),
  };
}

function estimatedUsage({ body, serviceTier }: AnswerFrom, content: readonly ContentBlock[]): WireUsage {
  const model = modelNamed(body.model);
  const thinking = Math.min(thinkingTokens(content), body.max_tokens);
  const told = thinking > 0 || asksForThinking(body);
  return {
    input_tokens: estimatedInputTokens(body),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: Math.max(1, Math.min(contentTokens(content), body.max_tokens)),
    ...(told && { output_tokens_details: { thinking_tokens: thinking } }),
    service_tier: serviceTier,
    inference_geo: body.inference_geo ?? (model?.geo === false ? 'not_available' : 'global'),
    ...(body.speed !== undefined && {
      speed: body.speed === 'fast' && model?.fast === 'served' ? 'fast' : 'standard',
    }),
  };
}

/** The recordings have placeholders of 1 to 3. */
function firstUsage(final: WireUsage, said: PartialUsage | undefined, random: Random): WireUsage {
  const start = startUsage(final, 1 + Math.floor(random() * 3));
  return said === undefined ? start : completeUsage(said, start);
}

function stopReason(content: readonly ContentBlock[], maxTokens: number): string {
  if (content.some((block) => block.type === 'tool_use')) return 'tool_use';
  return contentTokens(content) >= maxTokens ? 'max_tokens' : 'end_turn';
}

/** Thinking, text and tool calls, in the API's order. Half of what is made up is thinking, where that was asked for. */
function madeUpContent({ body, reply, outputTokens, random }: AnswerFrom): readonly ContentBlock[] {
  const tools = reply.toolUse ?? forcedTool(body);
  const length = Math.min(Math.max(1, Math.round(draw(outputTokens, random))), body.max_tokens);
  const thinks = asksForThinking(body);
  const thinking = reply.thinking ?? (thinks && reply.text === undefined ? prose(Math.floor(length / 2), random) : '');
  const text = reply.text ?? (tools.length > 0 ? '' : prose(length - estimatedTokens(thinking), random));
  return [
    ...(thinking === '' ? [] : [thinkingBlock(thinking, random)]),
    ...(text === '' && tools.length > 0 ? [] : [{ type: 'text', text } as const]),
    ...tools.map((tool) => toolUseBlock(tool, random)),
  ];
}

/** The API then counts thinking tokens even where there are none. */
function asksForThinking({ thinking }: MessagesBody): boolean {
  return thinking?.type === 'enabled' || thinking?.type === 'adaptive';
}

function forcedTool(body: MessagesBody): readonly { readonly name: string; readonly input: unknown }[] {
  const { type, name } = body.tool_choice ?? {};
  return type === 'tool' && name !== undefined ? [{ name, input: {} }] : [];
}

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

/** The parts of a Messages request that the simulator looks at; the others are there too. */
export interface MessagesBody {
  readonly model: string;
  readonly max_tokens: number;
  readonly messages: readonly unknown[];
  readonly stream?: boolean;
  readonly system?: unknown;
  readonly tools?: unknown;
  readonly tool_choice?: { readonly type?: string; readonly name?: string };
  readonly thinking?: { readonly type?: string };
  readonly speed?: string;
  readonly inference_geo?: string;
  /** A conversation that the API holds; `messages` has all of it nevertheless. */
  readonly thread?: { readonly type?: string; readonly previous_message_id?: string };
}

/** What a `respond` hook is asked. */
export interface MessagesRequest {
  readonly body: MessagesBody;
  readonly headers: Headers;
  /** 1 for the simulator's first request; items of a batch have their batch's. */
  readonly number: number;
  /** The `custom_id` of an item of a batch; `null` for a request of its own. */
  readonly batchItem: string | null;
}

/** What a `respond` hook answers; what it leaves out is worked out from the request. */
export interface Reply {
  readonly text?: string;
  readonly thinking?: string;
  readonly toolUse?: readonly ToolCall[];
  /** Content blocks as the API writes them, in place of the three above. */
  readonly content?: readonly ContentBlock[];
  readonly stopReason?: string;
  readonly stopSequence?: string;
  /** The model that answers, where it is not the one asked for. */
  readonly model?: string;
  /** The final usage, in the API's own names. */
  readonly usage?: PartialUsage;
  /** Counts of `message_start` that differ from the final ones, as they do with server tools. */
  readonly startUsage?: PartialUsage;
  /** Usages of `message_delta` events that come before the last one. Counts in them are totals so far, as always. */
  readonly earlierUsages?: readonly PartialUsage[];
  /** Goes wrong with this request, unless a script or the scenario chose something. In a batch, only a refusal does. */
  readonly fault?: Fault;
}
