import type { CallSpend, GuardedRequest } from '../decisions.ts';
import { NO_TOKENS } from '../pricing/cost.ts';
import { estimatedPromptTokens } from '../prompt.ts';
import { MESSAGE_OPERATIONS, type Call, type Outcome, type Usage, type UsagePart } from '../vocabulary.ts';
import { isJson, servedModel, type Answered, type Fallback } from './usage.ts';

/**
 * The same usage with an estimate of the answer's output, which the server did not report: what it gave until then was a
 * placeholder, or a count that is too small by what came after it. Where a stream ended in the middle of a fallback, the
 * counts of its start are of the attempt that was declined, and the next model's input is not known.
 */
export function withEstimatedOutput(reported: Usage, outputTokens: number, answered?: Answered): Usage {
  const declined = reported.stepsListed ? undefined : answered?.fallbacks[0];
  if (declined !== undefined && answered !== undefined) {
    return {
      ...reported,
      thinkingTokens: 0,
      parts: cutInFallback(reported.parts, { declined, answered, outputTokens }),
    };
  }
  const last = reported.parts.findLastIndex(({ role }) => role === 'answer');
  const parts = reported.parts.map((part, index) => (index === last ? withOutput(part, outputTokens) : part));
  return { ...reported, thinkingTokens: 0, parts };
}

interface Cut {
  readonly declined: Fallback;
  readonly answered: Answered;
  readonly outputTokens: number;
}

function cutInFallback(parts: readonly UsagePart[], { declined, answered, outputTokens }: Cut): readonly UsagePart[] {
  return parts.flatMap((part) => [
    {
      ...withOutput(part, 0),
      model: declined.from ?? answered.model,
      role: 'declined' as const,
      refusal: { category: declined.category, beforeOutput: !declined.hadContent },
    },
    { ...withOutput({ ...part, tokens: NO_TOKENS }, outputTokens), model: servedModel(null, answered), refusal: null },
  ]);
}

function withOutput(part: UsagePart, estimated: number): UsagePart {
  return { ...part, tokens: { ...part.tokens, output: 0, output_estimated: estimated } };
}

/** Output tokens of a message whose usage leaves them out, estimated from its content. */
export function estimatedOutputOf(content: unknown): number {
  const blocks = Array.isArray(content) ? content.filter(isJson) : [];
  const bytes = blocks.reduce((sum, block) => sum + GENERATED.reduce((all, field) => all + size(block[field]), 0), 0);
  const toolUses = blocks.filter(({ type }) => typeof type === 'string' && type.endsWith('tool_use')).length;
  return estimatedOutputTokens(bytes, toolUses);
}

/** The fields of content blocks that the model wrote. */
const GENERATED = ['text', 'thinking', 'input'] as const;

function size(value: unknown): number {
  return value === undefined || value === null ? 0 : Buffer.byteLength(JSON.stringify(value));
}

/** Fitted to the recorded streams (`test/cassettes`), whose text is English prose, code and JSON. */
const BYTES_PER_TOKEN = 4.5;

/** Tokens that every response takes besides its text. */
const TOKENS_PER_ANSWER = 4;

/** Name, id and frame of a tool call: they are not in its deltas. */
const TOKENS_PER_TOOL_USE = 38;

/**
 * Output tokens of a stream that ended before the server reported them, from the bytes of text, thinking and tool input
 * that came and the tool calls begun; 0 where nothing came. On the recordings it is within a fifth of the truth for
 * answers of 100 tokens or more without thinking or server tools. Thinking that the API keeps back or summarizes, and
 * what a server tool makes the model write, is not seen here: with those the truth can be twice as high and more.
 */
export function estimatedOutputTokens(contentBytes: number, toolUses: number): number {
  if (contentBytes === 0 && toolUses === 0) return 0;
  return Math.round(TOKENS_PER_ANSWER + contentBytes / BYTES_PER_TOKEN + toolUses * TOKENS_PER_TOOL_USE);
}

/** The ends of a call whose caller did not wait for what the API had to say. */
export const LEFT: ReadonlySet<Outcome> = new Set<Outcome>(['cancelled', 'timeout', 'abandoned']);

/**
 * The prompt of an attempt that was sent, and left before the API said what it had read: estimated as budgets do, because
 * the API may bill it. `null` for a call that is not billed by its prompt.
 */
export function leftPrompt(
  { operation, requestedModel, spends }: Call & { readonly spends: readonly CallSpend[] },
  { body, bodyLength }: GuardedRequest,
): UsagePart | null {
  if (!MESSAGE_OPERATIONS.has(operation) || bodyLength === 0) return null;
  let tokens: number | null = null;
  for (const spend of spends) tokens ??= spend.promptTokens?.() ?? null;
  tokens ??= estimatedPromptTokens(body, bodyLength);
  const speed = body?.['speed'];
  return {
    model: requestedModel,
    tokens: { ...NO_TOKENS, input_estimated: tokens },
    speed: typeof speed === 'string' ? speed : null,
    role: 'left',
    refusal: null,
  };
}

/** A usage with the prompts that were left beside what the server reported; `null` where it reported nothing. */
export function withLeftPrompts(reported: Usage | null, left: readonly UsagePart[]): Usage {
  return reported === null
    ? { ...NOTHING_REPORTED, parts: left }
    : { ...reported, parts: [...reported.parts, ...left] };
}

const NOTHING_REPORTED: Omit<Usage, 'parts'> = {
  thinkingTokens: 0,
  serverToolUses: {},
  serviceTier: null,
  inferenceGeo: null,
  cacheSplitAssumed: false,
  stepsListed: false,
  malformed: false,
};
