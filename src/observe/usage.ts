import type { CallCost, Usage, UsagePart } from '../vocabulary.ts';

/** A JSON object of the API's, read field by field and trusted in none. */
export type Json = Readonly<Record<string, unknown>>;

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Above any count the API can give: a number over it is an error of the wire, not a usage. */
const ABSURD_COUNT = 1e12;

/** Collects whether anything in one usage object was unreadable. */
class Reader {
  malformed = false;
  splitAssumed = false;

  /** A count of tokens or uses; absent and null are 0, what cannot be a count is 0 and marks the usage. */
  count(value: unknown): number {
    if (value === undefined || value === null) return 0;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < ABSURD_COUNT) return value;
    this.malformed = true;
    return 0;
  }

  /** An iteration; what is none is empty and marks the usage. */
  object(value: unknown): Json {
    if (isJson(value)) return value;
    this.malformed = true;
    return {};
  }
}

/**
 * The usage object of a stream: what `message_start` said, overwritten by `message_delta`. The counts of a delta are
 * totals, so they are set and never added; what a delta leaves out or gives as null keeps its earlier value.
 */
export function mergedUsage(start: Json | null, delta: Json | null): Json | null {
  if (start === null || delta === null) return delta ?? start;
  const merged: Record<string, unknown> = { ...start };
  for (const name of Object.keys(delta)) {
    if (delta[name] !== null && delta[name] !== undefined) merged[name] = delta[name];
  }
  return merged;
}

/**
 * A usage object of the API as `Usage`. `iterations`, where present, are what is billed and replace the top-level
 * counts, which leave compaction out. A cache total without its split counts as 5 m and is marked; a split that no
 * longer adds up to its total (server tools can grow it after `message_start`) gives the difference to 5 m.
 * Numbers that cannot be counts are left out and mark the usage as malformed.
 */
export function usage(raw: Json): Usage {
  const reader = new Reader();
  const speed = text(raw['speed']);
  const iterations = raw['iterations'];
  const parts =
    Array.isArray(iterations) && iterations.length > 0
      ? iterations.map((entry) => part(reader.object(entry), speed, reader))
      : [part(raw, speed, reader)];
  const details = raw['output_tokens_details'];
  return {
    parts,
    thinkingTokens: isJson(details) ? reader.count(details['thinking_tokens']) : 0,
    serverToolUses: serverToolUses(raw['server_tool_use'], reader),
    serviceTier: text(raw['service_tier']),
    inferenceGeo: text(raw['inference_geo']),
    cacheSplitAssumed: reader.splitAssumed,
    malformed: reader.malformed,
  };
}

/** The same usage with an output that the server did not report: what it gave until then was a placeholder. */
export function withEstimatedOutput(reported: Usage, outputTokens: number): Usage {
  const [first, ...rest] = reported.parts;
  if (first === undefined) return reported;
  const tokens = { ...first.tokens, output: 0, output_estimated: outputTokens };
  return { ...reported, thinkingTokens: 0, parts: [{ ...first, tokens }, ...rest] };
}

/** The usages of several responses as one: their parts side by side, the rest added up, tier and place of the last. */
export function addedUsages(usages: readonly Usage[]): Usage | null {
  return usages.reduce<Usage | null>((sum, each) => (sum === null ? each : addedUsage(sum, each)), null);
}

function addedUsage(sum: Usage, each: Usage): Usage {
  const serverToolUses = { ...sum.serverToolUses };
  for (const [tool, uses] of Object.entries(each.serverToolUses)) {
    serverToolUses[tool] = (serverToolUses[tool] ?? 0) + uses;
  }
  return {
    ...each,
    parts: [...sum.parts, ...each.parts],
    thinkingTokens: sum.thinkingTokens + each.thinkingTokens,
    serverToolUses,
    cacheSplitAssumed: sum.cacheSplitAssumed || each.cacheSplitAssumed,
    malformed: sum.malformed || each.malformed,
  };
}

/** The cost of a usage without a price. */
export function unpriced({ parts }: Usage): CallCost {
  return { parts: parts.map(({ model }) => ({ model, cost: null })), totalNanoUsd: 0, priced: false };
}

function part(raw: Json, speed: string | null, reader: Reader): UsagePart {
  const total = reader.count(raw['cache_creation_input_tokens']);
  const split = raw['cache_creation'];
  let shortWrites = total;
  let longWrites = 0;
  if (isJson(split)) {
    longWrites = reader.count(split['ephemeral_1h_input_tokens']);
    shortWrites = Math.max(total - longWrites, reader.count(split['ephemeral_5m_input_tokens']), 0);
  } else if (total > 0) {
    reader.splitAssumed = true;
  }
  return {
    model: text(raw['model']),
    speed: text(raw['speed']) ?? speed,
    tokens: {
      input: reader.count(raw['input_tokens']),
      cache_read: reader.count(raw['cache_read_input_tokens']),
      cache_write_5m: shortWrites,
      cache_write_1h: longWrites,
      output: reader.count(raw['output_tokens']),
      output_estimated: 0,
    },
  };
}

const NO_USES: Readonly<Record<string, number>> = Object.freeze({});

function serverToolUses(raw: unknown, reader: Reader): Readonly<Record<string, number>> {
  if (!isJson(raw)) return NO_USES;
  const uses: Record<string, number> = {};
  for (const name of Object.keys(raw)) {
    if (!name.endsWith('_requests')) continue;
    const count = reader.count(raw[name]);
    if (count > 0) uses[name.slice(0, -'_requests'.length)] = count;
  }
  return uses;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
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
