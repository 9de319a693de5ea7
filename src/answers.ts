/**
 * What an answer says of itself besides its tokens, as closed sets: why the model refused and whether that is billed, why
 * its cost is in doubt, and why its prompt missed the cache. Part of the vocabulary.
 */

/**
 * Categories of refusals, as the API's `stop_details` names them. `none`: it gave no category, but `null`; `unstated`: it
 * gave no details; `other`: a category that is not known here.
 */
export const REFUSAL_CATEGORIES = [
  'cyber',
  'bio',
  'frontier_llm',
  'reasoning_extraction',
  'general_harms',
  'none',
  'unstated',
  'other',
] as const;

/** What the model refused for, as `stop_details` names it. */
export type RefusalCategory = (typeof REFUSAL_CATEGORIES)[number];

/** The refusal with which one attempt of the model ended. */
export interface PartRefusal {
  readonly category: RefusalCategory;
  /** Nothing had been generated: whether it is billed then depends on category and date. */
  readonly beforeOutput: boolean;
}

/**
 * Whether a refusal is billed. `unsure`: no rule is known for its category and date, so it is priced as if it were.
 */
export type RefusalBilling = 'billed' | 'free' | 'unsure';

/** Reasons why a price that is known may not be what is billed. */
export type CostDoubt = 'refusal' | 'prompt_band' | 'cache_split' | 'endpoint';

/** Reasons of cache misses, as the API's diagnostics name them. `other`: one that is not known here. */
export const CACHE_MISS_REASONS = [
  'messages_changed',
  'system_changed',
  'tools_changed',
  'model_changed',
  'previous_message_not_found',
  'unavailable',
  'other',
] as const;

/** Why the API did not read a prompt from its cache, as its answer says. */
export type CacheMissReason = (typeof CACHE_MISS_REASONS)[number];

/** A diagnosed miss of the prompt cache. */
export interface CacheMiss {
  readonly reason: CacheMissReason;
  /** Input tokens that missed the cache, as the API estimates them; `null` where it does not say. */
  readonly inputTokens: number | null;
}

/**
 * The purpose of a part of a usage: the answer that the caller gets, or what the server did besides. `declined` is the
 * attempt of a model that refused, after which the server went on with a fallback; `discarded` the answer of an earlier
 * response, which middleware of the caller did not keep; `left` the prompt of an attempt that was given up before the
 * server said what it had read: estimated, and not part of what the server reported.
 */
export type PartRole = 'answer' | 'compaction' | 'advisor' | 'declined' | 'discarded' | 'left';

/** Who chose the fallback model that a call continued on: the retry policy here, or the API after a refusal. */
export type FallbackBy = 'policy' | 'server';

/** The outcomes of a request of a batch, in the API's words. */
export const BATCH_OUTCOMES = ['succeeded', 'errored', 'canceled', 'expired'] as const;

/** How one request of a batch ended. */
export type BatchOutcome = (typeof BATCH_OUTCOMES)[number];

/** A batch as a response showed it. */
export interface SeenBatch {
  readonly id: string;
  /** No request of it is processed any more. */
  readonly hasEnded: boolean;
  /** The call has read all of its results. */
  readonly wasRead: boolean;
  /** Its requests, and those of them that succeeded, which are billed; `null` if the response did not say. */
  readonly counts: { readonly requests: number; readonly succeeded: number } | null;
}
