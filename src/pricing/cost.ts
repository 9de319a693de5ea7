import type { CostDoubt, RefusalBilling } from '../answers.ts';
import { TOKEN_KINDS, type CallCost, type Cost, type PricedPart } from '../vocabulary.ts';
import type { TokenKind, Tokens, Usage, UsagePart } from '../vocabulary.ts';
import { geoOf, type Endpoint } from '../platform.ts';
import type { CardName, Price, PriceTable, Rates } from './prices.ts';
import type { Rate } from './rate.ts';

/** The prices for a usage, and the time that they apply to. */
export interface Pricing {
  readonly prices: PriceTable;
  /** The time of the call, which decides its price. */
  readonly atMs: number;
  /** The model that responded; it prices the parts that do not name their own. */
  readonly model?: string | null;
  /** Where the call went. Default: the Claude API. */
  readonly endpoint?: Endpoint | undefined;
  /** Whether the usage belongs to a batch result, whatever its service tier says. */
  readonly batch?: boolean;
}

/**
 * Prices a usage in whole nano-dollars, each part at its own model: the exact product of tokens, rate and
 * multipliers, rounded half up once for each part and kind. `output_estimated` costs what output does,
 * `input_estimated` what input does.
 *
 * A part is unpriced (`cost: null`, `priced: false`), never zero and never a guess, if its model has no price at
 * that time, if the model is not sold at its speed or service tier, if no price of the platform is known, and if its
 * counts are not counts.
 * `priced` is false too if a server tool was used whose price is not known. Never throws.
 *
 * A refusal before any output costs what the table says of its category on that day: 0 where it is free. Where the table
 * says nothing, it costs what any call does and `doubts` says so; as it does where the price depends on how long each
 * prompt was and only their sum is known, where cache writes came without their split, and where nothing says whether the
 * endpoint is a regional one.
 *
 * The length of the prompt is the part's own. A geo without a multiplier for the model costs what `global` does.
 * Server tools are charged per use, without multipliers.
 */
export function cost(usage: Usage, pricing: Pricing): CallCost {
  const mode = usage.malformed ? null : modeOf(usage, pricing);
  const tools = serverToolsCost(usage.serverToolUses, pricing);
  const parts: PricedPart[] = [];
  let serverToolsLeft = tools.nanoUsd;
  let totalNanoUsd = 0;
  let isPriced = tools.priced;
  for (const part of usage.parts) {
    const priced = pricedPart(part, mode, pricing);
    const charged =
      priced.cost === null || serverToolsLeft === 0 ? priced.cost : { ...priced.cost, server_tools: serverToolsLeft };
    const total = charged === null ? Number.NaN : totalNanoUsd + sumOfKinds(charged);
    const fits = Number.isSafeInteger(total);
    const kept = fits ? charged : null;
    parts.push(kept === priced.cost ? priced : { ...priced, cost: kept });
    if (fits) [totalNanoUsd, serverToolsLeft] = [total, 0];
    else isPriced = false;
  }
  return { parts, totalNanoUsd, priced: isPriced, doubts: doubtsOf(usage, parts, pricing) };
}

const NO_DOUBTS: readonly CostDoubt[] = Object.freeze([]);

/** The reasons for which what is billed may be another amount. */
function doubtsOf(usage: Usage, parts: readonly PricedPart[], pricing: Pricing): readonly CostDoubt[] {
  let isCharged = false;
  let isRefusal = false;
  for (const { cost, refusalBilling } of parts) {
    if (cost === null) continue;
    isCharged = true;
    if (refusalBilling === 'unsure') isRefusal = true;
  }
  const isBand = !usage.stepsListed && hasPartOverBand(usage, pricing);
  const isSplit = isCharged && usage.cacheSplitAssumed;
  const isEndpoint = isCharged && isEndpointUnsure(pricing);
  if (!isRefusal && !isSplit && !isBand && !isEndpoint) return NO_DOUBTS;
  return [
    ...(isRefusal ? (['refusal'] as const) : []),
    ...(isBand ? (['prompt_band'] as const) : []),
    ...(isSplit ? (['cache_split'] as const) : []),
    ...(isEndpoint ? (['endpoint'] as const) : []),
  ];
}

function hasPartOverBand({ parts }: Usage, pricing: Pricing): boolean {
  for (const part of parts) if (isOverBand(part, pricing)) return true;
  return false;
}

/** A prompt of several steps, each of which may be shorter, is over the length from which on a model costs more. */
function isOverBand(part: UsagePart, { prices, atMs, model = null }: Pricing): boolean {
  const id = part.model ?? model;
  const price = id === null ? null : prices.priceAt(id, atMs);
  return price !== null && promptTokens(part.tokens) > price.longContextAboveTokens;
}

/**
 * Prices the same usage on another model: every part at that model's prices, everything else unchanged. A part is
 * unpriced if the model is not sold in that mode. The result is for the same number of tokens, not for the same text:
 * models since Opus 4.7, and Haiku 5.5, produce about 30% more tokens from a text than older ones, so a comparison of
 * an older model with a newer one favors the newer one by as much.
 */
export function costOn(usage: Usage, model: string, pricing: Pricing): CallCost {
  return cost({ ...usage, parts: usage.parts.map((part) => ({ ...part, model })) }, pricing);
}

function pricedPart(part: UsagePart, mode: Mode | null, { prices, atMs, model = null }: Pricing): PricedPart {
  const id = part.model ?? model;
  const refusalBilling = billingOf(part, prices, atMs);
  const refused = refusalBilling === null ? null : { refusalBilling };
  if (id === null) return { model: null, cost: null, ...refused };
  const price = prices.priceAt(id, atMs);
  const rates = price === null || mode === null ? null : ratesFor(price, part, mode);
  const free = refusalBilling === 'free' && rates !== null ? NO_COST : null;
  const cost = free ?? (rates && tokenCost(part.tokens, rates));
  return { model: price?.model ?? prices.canonicalModel(id), cost, ...refused };
}

/** Whether the refusal of a part is billed; `null` where the model did not refuse. */
function billingOf({ refusal }: UsagePart, prices: PriceTable, atMs: number): RefusalBilling | null {
  if (refusal === null) return null;
  return refusal.beforeOutput ? prices.refusalBillingAt(refusal.category, atMs) : 'billed';
}

/** The part of a usage's mode that affects its price; the speed belongs to each part. */
export interface Mode {
  readonly batch: boolean;
  readonly geo: string | null;
}

/**
 * Returns the mode of a usage; `null` if its service tier is unknown, or no price of its platform is, so that it has no
 * rate. `priority` is charged as `standard`.
 */
export function modeOf({ serviceTier, inferenceGeo }: Usage, pricing: Omit<Pricing, 'atMs' | 'model'>): Mode | null {
  const { prices, endpoint, batch: isBatchResult = false } = pricing;
  if (endpoint !== undefined && !prices.isSoldOn(endpoint.platform)) return null;
  const isBatch = serviceTier === 'batch';
  const isKnown = isBatch || serviceTier === null || serviceTier === 'standard' || serviceTier === 'priority';
  const geo = (endpoint && geoOf(endpoint)) ?? inferenceGeo;
  return isKnown ? { batch: isBatch || isBatchResult, geo } : null;
}

function isEndpointUnsure({ endpoint }: Pricing): boolean {
  return endpoint?.isRegional === null;
}

/** Returns the rates of a part, with all multipliers; `null` if the model is not sold in that mode. */
export function ratesFor(price: Price, part: UsagePart, { batch, geo }: Mode): Rates | null {
  const name = cardName(price, part);
  const card = name && price.cards[name];
  if (card === null) return null;
  const pair = geo === null ? card : (card.byGeo.get(geo) ?? card);
  return batch ? pair.batch : pair.standard;
}

/** Nothing of any kind. */
export const NO_TOKENS: Tokens = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  output: 0,
  output_estimated: 0,
  input_estimated: 0,
};

/** The counts of the answer alone: without compaction, advisors, and attempts that were declined. */
export function answerTokens(parts: readonly UsagePart[]): Tokens {
  if (parts.length === 1 && parts[0]?.role === 'answer') return parts[0].tokens;
  const [first, ...others] = parts.filter(({ role }) => role === 'answer');
  if (first === undefined) return NO_TOKENS;
  const sums: Record<TokenKind, number> = { ...first.tokens };
  for (const { tokens } of others) for (const kind of TOKEN_KINDS) sums[kind] += tokens[kind];
  return sums;
}

/** Tells whether the server reported anything of a usage: else all of it is an estimate of prompts that were left. */
export function isReported({ parts }: Usage): boolean {
  return parts.some(({ role }) => role !== 'left');
}

/** Counts the tokens of a prompt: input, cache reads and cache writes. */
export function promptTokens(tokens: Tokens): number {
  return tokens.input + tokens.input_estimated + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;
}

/** Returns the rate card that a part is charged by; `null` if none is published for its speed and length. */
export function cardName({ longContextAboveTokens }: Price, { speed, tokens }: UsagePart): CardName | null {
  const isLong = promptTokens(tokens) > longContextAboveTokens;
  // No model has both fast mode and a price by prompt length, so the price of both together is unknown.
  if (speed === 'fast') return isLong ? null : 'fast';
  if (speed !== null && speed !== 'standard') return null;
  return isLong ? 'long_context' : 'standard';
}

const NO_COST: Cost = { ...NO_TOKENS, server_tools: 0 };

/** Returns the cost of tokens by kind, with server tools at 0. A kind is NaN if `charge` returns NaN. */
export function tokenCost(tokens: Tokens, rates: Rates): Cost {
  return {
    input: charge(tokens.input, rates.input),
    cache_read: charge(tokens.cache_read, rates.cache_read),
    cache_write_5m: charge(tokens.cache_write_5m, rates.cache_write_5m),
    cache_write_1h: charge(tokens.cache_write_1h, rates.cache_write_1h),
    output: charge(tokens.output, rates.output),
    output_estimated: charge(tokens.output_estimated, rates.output_estimated),
    input_estimated: charge(tokens.input_estimated, rates.input_estimated),
    server_tools: 0,
  };
}

/**
 * Sums the nano-dollars of all kinds. Not a safe integer if any kind is not one: each is 0 or more, and NaN stays NaN.
 */
export function sumOfKinds(cost: Cost): number {
  const cached = cost.cache_read + cost.cache_write_5m + cost.cache_write_1h;
  const estimated = cost.input_estimated + cost.output_estimated;
  return cost.input + cached + cost.output + estimated + cost.server_tools;
}

/**
 * Returns the cost of `count` units in whole nano-dollars: the exact product, rounded half up once. NaN if the count is
 * not a whole number of 0 or more, or if the result exceeds the exact range of a double.
 */
export function charge(count: number, per: Rate): number {
  if (count === 0) return 0;
  if (!Number.isSafeInteger(count) || count < 0) return Number.NaN;
  if (count > per.exactUpTo) return chargeExactly(BigInt(count), per);
  const product = count * per.fastNum;
  if (per.fastDen === 1) return product;
  const rest = product % per.fastDen;
  const floor = (product - rest) / per.fastDen;
  return rest * 2 >= per.fastDen ? floor + 1 : floor;
}

function chargeExactly(count: bigint, { num, den }: Rate): number {
  const nanoUsd = (count * num * 2n + den) / (den * 2n);
  return nanoUsd <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(nanoUsd) : Number.NaN;
}

interface ServerToolsCost {
  readonly nanoUsd: number;
  /** Whether every tool that was used has a price. */
  readonly priced: boolean;
}

const NO_SERVER_TOOLS: ServerToolsCost = Object.freeze({ nanoUsd: 0, priced: true });

function serverToolsCost(uses: Usage['serverToolUses'], { prices, atMs }: Pricing): ServerToolsCost {
  const tools = Object.keys(uses);
  if (tools.length === 0) return NO_SERVER_TOOLS;
  let nanoUsd = 0;
  let isPriced = true;
  for (const tool of tools) {
    const count = uses[tool] ?? 0;
    if (count === 0) continue;
    const price = prices.toolPriceAt(tool, atMs);
    const sum = price === null ? Number.NaN : nanoUsd + charge(count, price.perUse);
    if (Number.isSafeInteger(sum)) nanoUsd = sum;
    else isPriced = false;
  }
  return { nanoUsd, priced: isPriced };
}
