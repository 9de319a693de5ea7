import {
  contentTokens,
  estimatedTokens,
  prose,
  thinkingBlock,
  thinkingTokens,
  toolUseBlock,
  type ContentBlock,
} from './content.ts';
import { modelNamed } from './models.ts';
import { draw, wireId, type Distribution, type Random } from './random.ts';
import type { MessagesBody, Reply } from './reply.ts';
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
