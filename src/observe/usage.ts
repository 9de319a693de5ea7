import { REFUSAL_CATEGORIES, type PartRole, type RefusalCategory } from '../answers.ts';
import { answerTokens } from '../pricing/cost.ts';
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

/** A hop of the API's from a model that declined to another, as a `fallback` block of the content tells of it. */
export interface Fallback {
  readonly from: string | null;
  readonly to: string | null;
  readonly category: RefusalCategory;
  /** Content of the model that declined came before it. */
  readonly hadContent: boolean;
}

/** Reads a `fallback` block. */
export function fallback(block: Json, hadContent: boolean): Fallback {
  const { from, to, trigger } = block;
  return {
    from: isJson(from) ? text(from['model']) : null,
    to: isJson(to) ? text(to['model']) : null,
    category: isJson(trigger) ? category(trigger['category']) : 'unstated',
    hadContent,
  };
}

/** What a message says of its answer besides the usage. */
export interface Answered {
  /** Of a stream the model that was asked for, of a message the one that answered. */
  readonly model: string | null;
  readonly stopReason: string | null;
  readonly stopDetails: unknown;
  /** In order: one for each attempt that was declined. */
  readonly fallbacks: readonly Fallback[];
  /** Content came after the last of them. */
  readonly hasContent: boolean;
}

/** What a usage that stands alone says of its answer. */
const NOTHING_SAID: Answered = {
  model: null,
  stopReason: null,
  stopDetails: null,
  fallbacks: [],
  hasContent: true,
};

/** What a message of the API's says of its answer. Looks at the content only where it matters. */
export function answeredBy(message: Json): Answered {
  const stopReason = text(message['stop_reason']);
  const model = text(message['model']);
  const usage = message['usage'];
  if (stopReason !== 'refusal' && !(isJson(usage) && isListed(usage['iterations'])))
    return { ...NOTHING_SAID, model, stopReason };
  const fallbacks: Fallback[] = [];
  let hasContent = false;
  for (const block of Array.isArray(message['content']) ? message['content'].filter(isJson) : []) {
    const isFallback = block['type'] === 'fallback';
    if (isFallback) fallbacks.push(fallback(block, hasContent));
    hasContent = !isFallback;
  }
  return { model, stopReason, stopDetails: message['stop_details'], fallbacks, hasContent };
}

function isListed(iterations: unknown): iterations is readonly unknown[] {
  return Array.isArray(iterations) && iterations.length > 0;
}

/** The model that gave the answer: the one asked for, unless the API went on with another. */
export function servedModel(usage: Json | null, answered: Answered): string | null {
  return text(servingStep(usage)?.['model']) ?? answered.fallbacks.at(-1)?.to ?? answered.model;
}

/** The model that was asked for, where the API went on with another; else `null`. */
export function fallbackFrom(usage: Json | null, answered: Answered, asked: string | null): string | null {
  const [first] = answered.fallbacks;
  if (first === undefined && servingStep(usage) === undefined) return null;
  return first?.from ?? asked;
}

/** The step of a fallback that made the answer. */
function servingStep(usage: Json | null): Json | undefined {
  const iterations = usage?.['iterations'];
  if (!isListed(iterations)) return undefined;
  return iterations.filter(isJson).findLast((entry) => entry['type'] === 'fallback_message');
}

/**
 * The usage object of a stream: what `message_start` said, overwritten by `message_delta`. The counts of a delta are
 * totals, so they are set and never added; what a delta leaves out or gives as null keeps its earlier value.
 */
export function mergedUsage(start: Json | null, delta: Json | null): Json | null {
  if (start === null || delta === null) return delta ?? start;
  return { ...start, ...present(delta) };
}

const TOTALS = [
  'input_tokens',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
  'output_tokens',
] as const satisfies readonly string[];

/**
 * The usage of a `message_delta` after one that came before. Steps that the later one leaves out stay as long as its
 * totals are theirs; where it has others, one step with the new totals stands for all that the totals are made of. What
 * no delta says is as at the `start`.
 */
export function revisedUsage(before: Json | null, later: Json, start: Json | null = null): Json {
  const revised = { ...before, ...present(later) };
  const steps = before?.['iterations'];
  if (!isListed(steps) || isListed(later['iterations'])) return revised;
  const known = { ...start, ...before };
  if (TOTALS.every((name) => (later[name] ?? known[name]) === known[name])) return revised;
  const apart = steps.filter((step) => isJson(step) && roleOfType(step['type']) !== 'answer');
  return { ...revised, iterations: [...apart, { ...known, ...revised, iterations: null, type: 'message' }] };
}

function present(usage: Json): Json {
  if (!Object.values(usage).some((value) => value === null || value === undefined)) return usage;
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null && value !== undefined));
}

/**
 * A usage object of the API as `Usage`. `iterations`, where present, are what is billed and replace the top-level
 * counts, which leave compaction and declined attempts out. No part is more than its total: of cache writes, 1 h tokens
 * beyond the total are left out and what the split does not explain counts as 5 m, marked; thinking is at most the output.
 * Numbers that cannot be counts are left out and mark the usage as malformed.
 */
export function usage(raw: Json, answered: Answered = NOTHING_SAID): Usage {
  const reader = new Reader();
  const iterations = raw['iterations'];
  const stepsListed = isListed(iterations);
  const parts = stepsListed
    ? steps(
        iterations.map((entry) => reader.object(entry)),
        { raw, answered, reader },
      )
    : [withRefusal(part(raw, text(raw['speed']), reader), answered, true)];
  const details = raw['output_tokens_details'];
  const thinkingTokens = isJson(details) ? reader.count(details['thinking_tokens']) : 0;
  return {
    parts,
    thinkingTokens: thinkingTokens === 0 ? 0 : Math.min(thinkingTokens, answerTokens(parts).output),
    serverToolUses: serverToolUses(raw['server_tool_use'], reader),
    serviceTier: text(raw['service_tier']),
    inferenceGeo: text(raw['inference_geo']),
    cacheSplitAssumed: reader.splitAssumed,
    stepsListed,
    malformed: reader.malformed,
  };
}

/** Where a model refuses before any output, Bedrock counts one token of output. */
const MOST_WITHOUT_OUTPUT = 1;

interface StepsContext {
  readonly raw: Json;
  readonly answered: Answered;
  readonly reader: Reader;
}

/** One part for each step. Attempts of another model than the one that answered were declined. */
function steps(entries: readonly Json[], { raw, answered, reader }: StepsContext): readonly UsagePart[] {
  const isFallback = answered.fallbacks.length > 0 || entries.some((entry) => entry['type'] === 'fallback_message');
  const served = isFallback ? servedModel(raw, answered) : null;
  const speed = text(raw['speed']);
  const parts = entries.map((entry): UsagePart => {
    const role = roleOfType(entry['type']);
    const model = text(entry['model']);
    const isDeclined = role === 'answer' && served !== null && !isSameModel(model, served);
    const isOwnModel = model === null || role !== 'advisor';
    const step = part(entry, isOwnModel && !isDeclined ? speed : null, reader);
    return { ...step, role: isDeclined ? 'declined' : role };
  });
  const answers = parts.filter(({ role }) => role === 'answer').length;
  const last = parts.findLastIndex(({ role }) => role === 'answer');
  return withDeclined(parts, answered.fallbacks).map((each, index) =>
    index === last ? withRefusal(each, answered, answers === 1) : each,
  );
}

function roleOfType(type: unknown): PartRole {
  if (type === 'compaction') return 'compaction';
  return type === 'advisor_message' ? 'advisor' : 'answer';
}

/** The id as it was asked for need not have the date that the answer's has. */
function isSameModel(one: string | null, other: string): boolean {
  return one !== null && (one === other || undated(one) === undated(other));
}

function undated(model: string): string {
  return model.replace(/-20\d{6}$/, '');
}

/** Marks the last step of each declined attempt with its category: the steps of one attempt stand together. */
function withDeclined(parts: readonly UsagePart[], fallbacks: readonly Fallback[]): readonly UsagePart[] {
  let attempt = 0;
  let output = 0;
  return parts.map((each, index) => {
    if (each.role !== 'declined') return each;
    const next = parts[index + 1];
    output += each.tokens.output;
    if (next?.role === 'declined' && next.model === each.model) return each;
    const block = fallbacks[attempt];
    const refusal = { category: block?.category ?? 'unstated', beforeOutput: output <= MOST_WITHOUT_OUTPUT };
    attempt += 1;
    output = 0;
    return { ...each, model: each.model ?? block?.from ?? null, refusal };
  });
}

/** The part with the refusal of the answer, where it is one. `isOnly`: the answer was made in one step. */
function withRefusal(part: UsagePart, answered: Answered, isOnly: boolean): UsagePart {
  const { stopReason, stopDetails, hasContent } = answered;
  if (stopReason !== 'refusal') return part;
  const beforeOutput = isOnly && !hasContent && part.tokens.output <= MOST_WITHOUT_OUTPUT;
  const stated = isJson(stopDetails) ? category(stopDetails['category']) : 'unstated';
  return { ...part, refusal: { category: stated, beforeOutput } };
}

function category(value: unknown): RefusalCategory {
  if (value === undefined) return 'unstated';
  if (value === null) return 'none';
  return REFUSAL_CATEGORIES.find((known) => known === value) ?? 'other';
}

/**
 * The usages of several responses as one: their parts side by side, the rest added up, tier and place of the last. Only
 * the last has the answer of the call.
 */
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
    parts: [...sum.parts.map(discarded), ...each.parts],
    thinkingTokens: sum.thinkingTokens + each.thinkingTokens,
    serverToolUses,
    cacheSplitAssumed: sum.cacheSplitAssumed || each.cacheSplitAssumed,
    stepsListed: sum.stepsListed && each.stepsListed,
    malformed: sum.malformed || each.malformed,
  };
}

function discarded(part: UsagePart): UsagePart {
  return part.role === 'answer' ? { ...part, role: 'discarded' } : part;
}

/** The cost of a usage without a price. */
export function unpriced({ parts }: Usage): CallCost {
  const unknown = parts.map(({ model }) => ({ model, cost: null }));
  return { parts: unknown, totalNanoUsd: 0, priced: false, doubts: [] };
}

function part(raw: Json, speed: string | null, reader: Reader): UsagePart {
  const writes = cacheWrites(raw, reader);
  return {
    model: text(raw['model']),
    speed: text(raw['speed']) ?? speed,
    role: 'answer',
    refusal: null,
    tokens: {
      input: reader.count(raw['input_tokens']),
      cache_read: reader.count(raw['cache_read_input_tokens']),
      cache_write_5m: writes.short,
      cache_write_1h: writes.long,
      output: reader.count(raw['output_tokens']),
      output_estimated: 0,
      input_estimated: 0,
    },
  };
}

/** Cache writes by how long they last. The total, where there is one, is what is billed: the split never exceeds it. */
function cacheWrites(raw: Json, reader: Reader): { readonly short: number; readonly long: number } {
  const given = raw['cache_creation_input_tokens'];
  const split = raw['cache_creation'];
  const long = isJson(split) ? reader.count(split['ephemeral_1h_input_tokens']) : 0;
  const short = isJson(split) ? reader.count(split['ephemeral_5m_input_tokens']) : 0;
  if (given === undefined || given === null) return { short, long };
  const total = reader.count(given);
  if (total !== short + long) reader.splitAssumed = true;
  const clipped = Math.min(long, total);
  return { short: total - clipped, long: clipped };
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
