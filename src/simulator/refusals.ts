import { completeUsage, type PartialUsage, type WireIteration, type WireUsage } from './usage.ts';

/** A model that refuses before the one that answers: the API then goes on with the next, as `fallbacks` of a request asks. */
export interface Declined {
  readonly model: string;
  /** As in `stop_details`; left out, the API does not say it. */
  readonly category?: string | null;
  /** Streamed before it refuses. Default: nothing. */
  readonly text?: string;
  /** Default: the answer's input, and no output. */
  readonly usage?: PartialUsage;
}

/** The details of a refusal. */
export interface StopDetails {
  readonly category: string | null;
  readonly explanation?: string | null;
}

/** One step of a bill that a model ended by refusing. */
export interface RefusedStep {
  readonly model: string;
  /** `undefined`: the API did not say. */
  readonly category: string | null | undefined;
  /** It refused before it wrote anything. */
  readonly wroteNothing: boolean;
}

/** What an answer says besides its tokens. */
export interface Verdict {
  readonly stopReason: string;
  /** By step of the bill; `null` where the model of that step did not refuse. */
  readonly refusals: readonly (RefusedStep | null)[];
  /** The model that was asked for, where another answered in its place. */
  readonly fallbackFrom: string | null;
  /** The usage in `message_start`. */
  readonly startUsage: WireUsage;
  /** The `type` of `diagnostics.cache_miss_reason`. */
  readonly cacheMiss: { readonly type: string; readonly tokens: number | null } | null;
}

/** The part of a `respond` hook's reply that says who refused, and why the cache was missed. */
export interface RefusalReply {
  /** Why the model refused, beside the stop reason `refusal`. */
  readonly stopDetails?: StopDetails;
  /** Models that refused before this one answered, in order. The first is the one that was asked for. */
  readonly declined?: readonly Declined[];
  /** Why the prompt missed the cache. */
  readonly diagnostics?: {
    readonly cache_miss_reason: { readonly type: string; readonly cache_missed_input_tokens?: number } | null;
  };
}

/** The block of content in which one model's output gives way to the next. */
export interface FallbackBlock {
  readonly type: 'fallback';
  readonly from: { readonly model: string };
  readonly to: { readonly model: string };
  readonly trigger?: { readonly type: string; readonly category: string | null };
}

interface Made {
  readonly reply: RefusalReply;
  readonly model: string;
  readonly content: readonly unknown[];
  readonly stopReason: string;
  readonly usage: WireUsage;
  readonly startUsage: WireUsage;
}

/** The verdict of an answer. `usage` has the steps of `withDeclined`. */
export function verdictOf({ reply, model, content, stopReason, usage, startUsage }: Made): Verdict {
  const declined = (reply.declined ?? []).map((one): RefusedStep => ({
    model: one.model,
    category: one.category,
    wroteNothing: (one.text ?? '') === '',
  }));
  const last: RefusedStep | null =
    stopReason === 'refusal'
      ? { model, category: reply.stopDetails?.category, wroteNothing: content.length === 0 }
      : null;
  const others = Math.max(0, (usage.iterations?.length ?? 1) - declined.length - 1);
  const miss = reply.diagnostics?.cache_miss_reason ?? null;
  return {
    stopReason,
    refusals: [...declined, ...Array.from({ length: others }, () => null), last],
    fallbackFrom: declined[0]?.model ?? null,
    startUsage,
    cacheMiss: miss === null ? null : { type: miss.type, tokens: miss.cache_missed_input_tokens ?? null },
  };
}

/** What the models before wrote, each followed by the `fallback` block of its hop. */
export function contentOfDeclined(
  { declined = [] }: RefusalReply,
  model: string,
): readonly (FallbackBlock | { readonly type: 'text'; readonly text: string })[] {
  return declined.flatMap(({ model: from, category, text = '' }, index) => {
    const to = declined[index + 1]?.model ?? model;
    const trigger = category === undefined ? {} : { trigger: { type: 'refusal', category } };
    const hop = { type: 'fallback', from: { model: from }, to: { model: to }, ...trigger } as const;
    return text === '' ? [hop] : [{ type: 'text' as const, text }, hop];
  });
}

/** The usage with a step for each model that declined, and one for the answer. The top level is the answer's alone. */
export function usageWithDeclined(usage: WireUsage, { declined = [] }: RefusalReply, model: string): WireUsage {
  if (declined.length === 0) return usage;
  const iterations = [
    ...declined.map((one) => step(completeUsage({ output_tokens: 0, ...one.usage }, usage), 'message', one.model)),
    step(usage, 'fallback_message', model),
  ];
  return { ...usage, iterations };
}

/** The usage of the model that began: where it declined, its own step. */
export function usageOfFirst(usage: WireUsage, { declined = [] }: RefusalReply): WireUsage {
  const [first] = declined.length === 0 ? [] : (usage.iterations ?? []);
  if (first === undefined) return usage;
  const { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens, cache_creation } = first;
  return {
    ...usage,
    input_tokens,
    output_tokens,
    cache_creation_input_tokens,
    cache_read_input_tokens,
    ...(cache_creation !== null && { cache_creation }),
  };
}

function step(usage: WireUsage, type: WireIteration['type'], model: string): WireIteration {
  const { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens, cache_creation } = usage;
  return {
    type,
    model,
    input_tokens,
    output_tokens,
    cache_creation_input_tokens,
    cache_read_input_tokens,
    cache_creation,
  };
}
