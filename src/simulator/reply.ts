import { modelNamed } from './models.ts';
import { draw, wireId, type Distribution, type Random } from './random.ts';
import type { Fault } from './scenario.ts';
import { completeUsage, orderedUsage, startUsage, type PartialUsage, type WireUsage } from './usage.ts';

/** The parts of a Messages request that the simulator looks at. */
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
}

/** What a `respond` hook is asked. */
export interface MessagesRequest {
  readonly body: MessagesBody;
  readonly headers: Headers;
  /** 1 for the simulator's first request; items of one batch share their batch's. */
  readonly number: number;
}

/** A tool call in an answer; ids are made up where none is given. */
export interface ToolCall {
  readonly name: string;
  readonly input: unknown;
  readonly id?: string;
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
  /** Counts that `message_start` gives where they differ from the final ones, as with server tools. */
  readonly startUsage?: PartialUsage;
  /** Goes wrong with this request, unless a script or the scenario already chose something. */
  readonly fault?: Fault;
}

/** Content blocks as the API writes them; a type that is not listed is sent whole in `content_block_start`. */
export type ContentBlock =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | {
      readonly type: 'tool_use' | 'server_tool_use';
      readonly id: string;
      readonly name: string;
      readonly input: unknown;
    }
  | { readonly type: 'redacted_thinking'; readonly data: string }
  | { readonly type: 'web_search_tool_result'; readonly tool_use_id: string; readonly content: unknown }
  | { readonly type: 'compaction'; readonly content: string };

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
}

/** What an answer is made from. */
export interface ReplyContext {
  readonly body: MessagesBody;
  readonly reply: Reply;
  readonly outputTokens: Distribution;
  readonly serviceTier: WireUsage['service_tier'];
  readonly random: Random;
}

const CHARACTERS_PER_TOKEN = 4;

/** Tokens of the prompt, estimated as the characters of its JSON divided by four. */
export function estimatedInputTokens(body: Pick<MessagesBody, 'messages' | 'system' | 'tools'>): number {
  return [body.messages, body.system, body.tools].reduce<number>((sum, part) => sum + estimatedTokens(part), 0);
}

/**
 * The answer to a request. Text that is not given is made up, as long as the distribution says; `max_tokens` cuts it.
 * Output tokens that are not given are estimated from the text.
 */
export function answer(context: ReplyContext): Answer {
  const { body, reply, random } = context;
  const content = reply.content ?? madeUpContent(context);
  const generated = Math.max(
    1,
    content.reduce((sum, block) => sum + estimatedTokens(visible(block)), 0),
  );
  const fast = body.speed === 'fast' && modelNamed(body.model)?.fast === 'served';
  const thinkingTokens = content.reduce(
    (sum, block) => sum + (block.type === 'thinking' ? estimatedTokens(block.thinking) : 0),
    0,
  );
  const usage = completeUsage(reply.usage ?? {}, {
    input_tokens: estimatedInputTokens(body),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: Math.min(generated, body.max_tokens),
    ...(thinkingTokens > 0 && {
      output_tokens_details: { thinking_tokens: Math.min(thinkingTokens, body.max_tokens) },
    }),
    service_tier: context.serviceTier,
    inference_geo: body.inference_geo ?? (modelNamed(body.model)?.geo === false ? 'not_available' : 'global'),
    ...(body.speed !== undefined && { speed: fast ? 'fast' : 'standard' }),
  });
  return {
    id: wireId('msg_01', random),
    model: reply.model ?? modelNamed(body.model)?.id ?? body.model,
    content,
    stopReason: reply.stopReason ?? stopReason(content, generated >= body.max_tokens),
    stopSequence: reply.stopSequence ?? null,
    usage: orderedUsage(usage),
    startUsage: orderedUsage(firstUsage(usage, reply.startUsage, random)),
  };
}

function firstUsage(final: WireUsage, said: PartialUsage | undefined, random: Random): WireUsage {
  const start = startUsage(final, 1 + Math.floor(random() * 3));
  return said === undefined ? start : completeUsage(said, start);
}

function stopReason(content: readonly ContentBlock[], full: boolean): string {
  if (content.some((block) => block.type === 'tool_use')) return 'tool_use';
  return full ? 'max_tokens' : 'end_turn';
}

function madeUpContent(context: ReplyContext): readonly ContentBlock[] {
  const { body, reply, random } = context;
  const tools = reply.toolUse ?? forcedTool(body);
  const wanted = Math.max(1, Math.round(draw(context.outputTokens, random)));
  const length = Math.min(wanted, body.max_tokens);
  const thinks = body.thinking?.type === 'enabled' || body.thinking?.type === 'adaptive';
  const thinking = reply.thinking ?? (thinks && reply.text === undefined ? prose(Math.floor(length / 2), random) : '');
  const text = reply.text ?? (tools.length > 0 ? '' : prose(length - estimatedTokens(thinking), random));
  return [
    ...(thinking === '' ? [] : [{ type: 'thinking', thinking, signature: signature(random) } as const]),
    ...(text === '' && tools.length > 0 ? [] : [{ type: 'text', text } as const]),
    ...tools.map((tool) => ({
      type: 'tool_use' as const,
      id: tool.id ?? wireId('toolu_01', random),
      name: tool.name,
      input: tool.input,
      caller: { type: 'direct' },
    })),
  ];
}

function forcedTool(body: MessagesBody): readonly ToolCall[] {
  const { type, name } = body.tool_choice ?? {};
  return type === 'tool' && name !== undefined ? [{ name, input: {} }] : [];
}

/** What of a block counts as output. */
function visible(block: ContentBlock): unknown {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'thinking':
      return block.thinking;
    case 'tool_use':
    case 'server_tool_use':
      return block.input;
    default:
      return '';
  }
}

function estimatedTokens(part: unknown): number {
  if (part === undefined || part === null) return 0;
  const characters = typeof part === 'string' ? part.length : JSON.stringify(part).length;
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

const WORDS =
  'the tide was low and slow when a small boat came home with salt fish rope tar light wind over grey water'.split(' ');

/** Words for so many tokens, at four characters each. */
function prose(tokens: number, random: Random): string {
  const characters = Math.max(0, tokens) * CHARACTERS_PER_TOKEN;
  let text = '';
  while (text.length < characters) text += `${WORDS[Math.floor(random() * WORDS.length)] ?? 'sea'} `;
  return text.slice(0, characters);
}

function signature(random: Random): string {
  return Buffer.from(wireId('simulated-', random)).toString('base64');
}
