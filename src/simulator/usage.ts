/** Cache writes by how long they last. */
export interface WireCacheCreation {
  readonly ephemeral_5m_input_tokens: number;
  readonly ephemeral_1h_input_tokens: number;
}

/** One entry of `usage.iterations`: a step of a beta answer. */
export interface WireIteration {
  readonly type: 'message' | 'compaction' | 'advisor_message' | 'fallback_message';
  /** The model of this step. A compaction has none and runs on the message's. */
  readonly model?: string | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cache_creation: WireCacheCreation | null;
}

/** The usage object of a message in the API's form. Fields that the API may leave out are optional. */
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

/** The usage in a `respond` hook's reply, in the API's field names. Missing fields are derived. */
export type PartialUsage = Partial<Omit<WireUsage, 'cache_creation' | 'server_tool_use' | 'iterations'>> & {
  readonly cache_creation?: Partial<WireCacheCreation>;
  readonly server_tool_use?: Partial<NonNullable<WireUsage['server_tool_use']>>;
  readonly iterations?: readonly (Partial<WireIteration> & Pick<WireIteration, 'type'>)[];
};

/**
 * Completes a usage from the given fields and a base. Cache writes without a split are 5-minute ones. If iterations are
 * given, missing top-level counts are the sum of all iterations but compactions.
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

/** The usage of a `message_delta` event: cumulative, without the fields that only `message_start` has. */
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

/** The usage of a `message_start` event: the whole object, with a placeholder for the output. */
export function startUsage(usage: WireUsage, placeholderTokens: number): WireUsage {
  const { output_tokens_details: _details, iterations: _iterations, server_tool_use: _tools, ...rest } = usage;
  return { ...rest, output_tokens: placeholderTokens };
}

/** Puts the keys into the API's order, as in the recordings. */
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
