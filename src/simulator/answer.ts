import { modelNamed } from './limits.ts';
import {
  contentOfDeclined,
  usageOfFirst,
  usageWithDeclined,
  verdictOf,
  type FallbackBlock,
  type RefusalReply,
  type Verdict,
} from './refusals.ts';
import { draw, wireId, type Distribution, type Fault, type Random } from './scenario.ts';
import { completeUsage, orderedUsage, startUsage, type PartialUsage, type WireUsage } from './usage.ts';

/** A complete answer before it is sent. */
export interface Answer {
  readonly id: string;
  readonly model: string;
  readonly content: readonly ContentBlock[];
  readonly stopReason: string;
  readonly stopSequence: string | null;
  readonly stopDetails: object | null;
  readonly diagnostics: object | null;
  /** The model that `message_start` names: the one that was asked for. */
  readonly startModel: string;
  readonly verdict: Verdict;
  /** The final usage, billed when all of it was generated. */
  readonly usage: WireUsage;
  /** The usage in `message_start`. */
  readonly startUsage: WireUsage;
  /** Usages in `message_delta` events before the last one; usually none. */
  readonly earlierUsages: readonly WireUsage[];
}

/** The input of an answer. */
export interface AnswerInput {
  readonly body: MessagesBody;
  readonly reply: Reply;
  /** Length of the answer in output tokens, if the reply does not set it. */
  readonly outputTokens: Distribution;
  readonly serviceTier: WireUsage['service_tier'];
  readonly random: Random;
}

/**
 * Makes the answer to a request. Missing text is made up, at a length drawn from the distribution and cut by `max_tokens`.
 * Missing output tokens are estimated from the content.
 */
export function answer(from: AnswerInput): Answer {
  const { body, reply, random } = from;
  const own = reply.content ?? madeUpContent(from);
  const model = reply.model ?? modelNamed(body.model)?.id ?? body.model;
  const whole = completeUsage(reply.usage ?? {}, estimatedUsage(from, own));
  const usage = usageWithDeclined(whole, reply, model);
  const startUsage = firstUsage(usageOfFirst(usage, reply), reply.startUsage, random);
  const ending = reply.stopReason ?? stopReason(own, body.max_tokens);
  return {
    id: wireId('msg_01', random),
    model,
    startModel: reply.declined?.[0]?.model ?? model,
    content: [...contentOfDeclined(reply, model), ...own],
    stopReason: ending,
    stopSequence: reply.stopSequence ?? null,
    stopDetails: reply.stopDetails === undefined ? null : { type: 'refusal', explanation: null, ...reply.stopDetails },
    diagnostics: reply.diagnostics ?? null,
    verdict: verdictOf({ reply, model, content: own, stopReason: ending, usage, startUsage }),
    usage: orderedUsage(usage),
    startUsage: orderedUsage(startUsage),
    earlierUsages: (reply.earlierUsages ?? []).map((said) => completeUsage(said, usage)),
  };
}

function estimatedUsage({ body, serviceTier }: AnswerInput, content: readonly ContentBlock[]): WireUsage {
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

/** The usage of `message_start`. In the recordings, its output is a placeholder of 1 to 3. */
function firstUsage(final: WireUsage, said: PartialUsage | undefined, random: Random): WireUsage {
  const start = startUsage(final, 1 + Math.floor(random() * 3));
  return said === undefined ? start : completeUsage(said, start);
}

function stopReason(content: readonly ContentBlock[], maxTokens: number): string {
  if (content.some((block) => block.type === 'tool_use')) return 'tool_use';
  return contentTokens(content) >= maxTokens ? 'max_tokens' : 'end_turn';
}

/** Thinking, text and tool calls, in the API's order. If thinking is on, half of the made-up content is thinking. */
function madeUpContent({ body, reply, outputTokens, random }: AnswerInput): readonly ContentBlock[] {
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

/** Tells whether thinking is on: then the API reports thinking tokens even if there are none. */
function asksForThinking({ thinking }: MessagesBody): boolean {
  return thinking?.type === 'enabled' || thinking?.type === 'adaptive';
}

function forcedTool(body: MessagesBody): readonly { readonly name: string; readonly input: unknown }[] {
  const { type, name } = body.tool_choice ?? {};
  return type === 'tool' && name !== undefined ? [{ name, input: {} }] : [];
}

/** A tool call in an answer. Default id: made up. */
export interface ToolCall {
  readonly name: string;
  readonly input: unknown;
  readonly id?: string;
}

/** Content blocks in the API's form. Text, thinking and tool inputs are streamed in pieces, the others whole. */
export type ContentBlock =
  | { readonly type: 'text'; readonly text: string; readonly citations?: unknown }
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | ToolUseBlock
  | { readonly type: 'redacted_thinking'; readonly data: string }
  | { readonly type: 'web_search_tool_result'; readonly tool_use_id: string; readonly content: unknown }
  | { readonly type: 'compaction'; readonly content: string; readonly encrypted_content?: string }
  | FallbackBlock;

interface ToolUseBlock {
  readonly type: 'tool_use' | 'server_tool_use';
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  readonly caller?: { readonly type: 'direct' };
}

/** Characters per token: about right for English. */
export const CHARACTERS_PER_TOKEN = 4;

/** Estimates the tokens of a prompt: the characters of its JSON divided by four. */
export function estimatedInputTokens(body: Pick<MessagesBody, 'messages' | 'system' | 'tools'>): number {
  return [body.messages, body.system, body.tools].reduce<number>((sum, part) => sum + estimatedTokens(part), 0);
}

/** Estimates the tokens of a text, or of the JSON of anything else. */
function estimatedTokens(part: unknown): number {
  if (part === undefined || part === null) return 0;
  const characters = typeof part === 'string' ? part.length : JSON.stringify(part).length;
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

/** Output tokens of content: text, thinking and tool inputs. */
function contentTokens(content: readonly ContentBlock[]): number {
  return content.reduce((sum, block) => sum + estimatedTokens(generatedPart(block)), 0);
}

/** Output tokens of the thinking blocks alone. */
function thinkingTokens(content: readonly ContentBlock[]): number {
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
    case 'fallback':
      return null;
  }
}

const WORDS =
  'the tide was low and slow when a small boat came home with salt fish rope tar light wind over gray water'.split(' ');

/** Meaningless words, exactly so many tokens of them. */
function prose(tokens: number, random: Random): string {
  const characters = Math.max(0, tokens) * CHARACTERS_PER_TOKEN;
  let text = '';
  while (text.length < characters) text += `${WORDS[Math.floor(random() * WORDS.length)] ?? 'sea'} `;
  return text.slice(0, characters);
}

/** A thinking block with a fake signature. */
function thinkingBlock(thinking: string, random: Random): ContentBlock {
  return { type: 'thinking', thinking, signature: Buffer.from(wireId('simulated-', random)).toString('base64') };
}

/** A call of one of the client's tools. */
function toolUseBlock(tool: ToolCall, random: Random): ContentBlock {
  const { name, input, id = wireId('toolu_01', random) } = tool;
  return { type: 'tool_use', id, name, input, caller: { type: 'direct' } };
}

/** The fields of a Messages request that the simulator reads. The object has the others too. */
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
  readonly billing_policy?: { readonly bill_to?: string } | null;
  /** A conversation that the API stores. `messages` has all of it nevertheless. */
  readonly thread?: { readonly type?: string; readonly previous_message_id?: string };
}

/** The request that a `respond` hook receives. */
export interface MessagesRequest {
  readonly body: MessagesBody;
  readonly headers: Headers;
  /** 1 for the simulator's first request. Items of a batch have the number of their batch. */
  readonly number: number;
  /** The `custom_id` of a batch item; `null` for a single request. */
  readonly batchItem: string | null;
}

/** The reply of a `respond` hook. Missing fields are derived from the request. */
export interface Reply extends RefusalReply {
  readonly text?: string;
  readonly thinking?: string;
  readonly toolUse?: readonly ToolCall[];
  /** Content blocks in the API's form, instead of the three above. */
  readonly content?: readonly ContentBlock[];
  readonly stopReason?: string;
  readonly stopSequence?: string;
  /** The model that answers. Default: the requested one. */
  readonly model?: string;
  /** The final usage, in the API's field names. */
  readonly usage?: PartialUsage;
  /** Counts in `message_start` that differ from the final ones, as they do with server tools. */
  readonly startUsage?: PartialUsage;
  /** Usages of `message_delta` events before the last one. Their counts are totals so far, as always. */
  readonly earlierUsages?: readonly PartialUsage[];
  /** A fault of this request, unless the script or the scenario chose one. In a batch, only refusals happen. */
  readonly fault?: Fault;
}
