/** Cache writes by how long they last. */
export interface WireCacheCreation {
  readonly ephemeral_5m_input_tokens: number;
  readonly ephemeral_1h_input_tokens: number;
}

/** One of the steps that a beta answer was made in, as `usage.iterations` lists them. */
export interface WireIteration {
  readonly type: 'message' | 'compaction' | 'advisor_message' | 'fallback_message';
  /** The model of this step; a compaction has none and runs on the message's. */
  readonly model?: string | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cache_creation: WireCacheCreation | null;
}

/** The usage object of a message, as the API writes it. Fields that the API leaves out are optional here. */
export interface WireUsage {
  readonly input_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cache_creation: WireCacheCreation;
  readonly output_tokens: number;
  readonly output_tokens_details?: { readonly thinking_tokens: number };
  readonly server_tool_use?: { readonly web_search_requests: number; readonly web_fetch_requests: number };
  readonly service_tier: 'standard' | 'priority' | 'batch';
  readonly inference_geo: string;
  readonly speed?: 'standard' | 'fast';
  readonly iterations?: readonly WireIteration[];
}

/** What a `respond` hook may say of the usage: the API's own names; what is left out is worked out. */
export type PartialUsage = Partial<Omit<WireUsage, 'cache_creation' | 'server_tool_use' | 'iterations'>> & {
  readonly cache_creation?: Partial<WireCacheCreation>;
  readonly server_tool_use?: Partial<NonNullable<WireUsage['server_tool_use']>>;
  readonly iterations?: readonly (Partial<WireIteration> & Pick<WireIteration, 'type'>)[];
};

/**
 * A complete usage from what was said and what was worked out. Cache writes without a split are 5-minute ones.
 * Where iterations are given, counts at the top that were not said are the sum of all but the compactions.
 */
export function completeUsage(said: PartialUsage, base: WireUsage): WireUsage {
  const { cache_creation, cache_creation_input_tokens, iterations, server_tool_use, ...rest } = said;
  const steps = iterations?.map(completeIteration);
  const inStep = steps?.filter((step) => step.type !== 'compaction');
  const split = cacheSplit(
    cache_creation,
    cache_creation_input_tokens ?? sum(inStep, 'cache_creation_input_tokens') ?? 0,
  );
  return {
    ...base,
    ...(inStep && {
      input_tokens: sum(inStep, 'input_tokens') ?? 0,
      cache_read_input_tokens: sum(inStep, 'cache_read_input_tokens') ?? 0,
      output_tokens: sum(inStep, 'output_tokens') ?? 0,
    }),
    ...rest,
    cache_creation: split,
    cache_creation_input_tokens:
      cache_creation_input_tokens ?? split.ephemeral_5m_input_tokens + split.ephemeral_1h_input_tokens,
    ...(server_tool_use && {
      server_tool_use: { web_search_requests: 0, web_fetch_requests: 0, ...server_tool_use },
    }),
    ...(steps && { iterations: steps }),
  };
}

function cacheSplit(said: Partial<WireCacheCreation> | undefined, total: number): WireCacheCreation {
  const oneHour = said?.ephemeral_1h_input_tokens ?? 0;
  return {
    ephemeral_5m_input_tokens: said?.ephemeral_5m_input_tokens ?? Math.max(0, total - oneHour),
    ephemeral_1h_input_tokens: oneHour,
  };
}

function completeIteration(said: Partial<WireIteration> & Pick<WireIteration, 'type'>): WireIteration {
  const { type, cache_creation, cache_creation_input_tokens, ...rest } = said;
  const split = cacheSplit(cache_creation ?? undefined, cache_creation_input_tokens ?? 0);
  return {
    type,
    input_tokens: 0,
    output_tokens: 0,
    cache_read_input_tokens: 0,
    ...rest,
    cache_creation: split,
    cache_creation_input_tokens:
      cache_creation_input_tokens ?? split.ephemeral_5m_input_tokens + split.ephemeral_1h_input_tokens,
  };
}

type CountField = 'input_tokens' | 'output_tokens' | 'cache_read_input_tokens' | 'cache_creation_input_tokens';

function sum(steps: readonly WireIteration[] | undefined, field: CountField): number | undefined {
  return steps?.reduce((total, step) => total + step[field], 0);
}

/** The usage of a `message_delta` event: cumulative, and without what only `message_start` says. */
export function deltaUsage(usage: WireUsage): Record<string, unknown> {
  return {
    input_tokens: usage.input_tokens,
    cache_creation_input_tokens: usage.cache_creation_input_tokens,
    cache_read_input_tokens: usage.cache_read_input_tokens,
    output_tokens: usage.output_tokens,
    ...(usage.output_tokens_details && { output_tokens_details: usage.output_tokens_details }),
    ...(usage.server_tool_use && { server_tool_use: usage.server_tool_use }),
    ...(usage.iterations && { iterations: usage.iterations }),
  };
}

/** The usage of a `message_start` event: the whole object with a placeholder for the output. */
export function startUsage(usage: WireUsage, placeholderTokens: number): WireUsage {
  const { output_tokens_details: _details, iterations: _iterations, server_tool_use: _tools, ...rest } = usage;
  return { ...rest, output_tokens: placeholderTokens };
}

/** The API's order of keys, which is that of the recordings. */
export function orderedUsage(usage: WireUsage): WireUsage {
  return {
    input_tokens: usage.input_tokens,
    cache_creation_input_tokens: usage.cache_creation_input_tokens,
    cache_read_input_tokens: usage.cache_read_input_tokens,
    cache_creation: usage.cache_creation,
    output_tokens: usage.output_tokens,
    ...(usage.output_tokens_details && { output_tokens_details: usage.output_tokens_details }),
    ...(usage.server_tool_use && { server_tool_use: usage.server_tool_use }),
    service_tier: usage.service_tier,
    inference_geo: usage.inference_geo,
    ...(usage.speed && { speed: usage.speed }),
    ...(usage.iterations && { iterations: usage.iterations }),
  };
}
