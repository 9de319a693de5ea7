import type { CallCost, Cost, PricedPart, Tokens, Usage, UsagePart } from '../vocabulary.ts';
import type { Price, RateCard, Rates, ToolPrice } from './price.ts';
import type { PriceTable } from './prices.ts';
import { charge } from './rate.ts';

/** By which prices a usage is priced, and as of when. */
export interface Pricing {
  readonly prices: PriceTable;
  /** When the call was made: its price is the one in force then. */
  readonly atMs: number;
  /** The usage is of a batch result, whatever its service tier says. */
  readonly batch?: boolean;
}

/**
 * What a usage costs, each part at its own model, in whole nano-dollars: the exact product of tokens, rate and
 * multipliers, rounded half up once for each part and kind. `output_estimated` costs what output does.
 *
 * Loudly unpriced, never zero and never a guess: a part whose model has no price at that time, a speed or service
 * tier the table does not sell for it (fast on a model without a fast price), counts that are no counts; and
 * `priced` is false too for a server tool used whose price is not known. Never throws.
 *
 * `priority` costs what `standard` does. A geo without a multiplier for the model costs what `global` does. Server
 * tools are charged per use, without multipliers.
 */
export function cost(usage: Usage, pricing: Pricing): CallCost {
  return priced(usage, pricing, null);
}

/**
 * What the same usage would have cost on `model`: every part at its prices, everything else as it was.
 * An answer about the same number of tokens, not about the same text: models since Opus 4.7 and Haiku 5.5 make about 30 % more
 * tokens of a text than those before, so a comparison across that line flatters the newer model by as much.
 */
export function costOn(usage: Usage, model: string, pricing: Pricing): CallCost {
  return priced(usage, pricing, model);
}

function priced(usage: Usage, { prices, atMs, batch = false }: Pricing, substitute: string | null): CallCost {
  const isBatch = batch || usage.serviceTier === 'batch';
  const tools = toolCharge(usage.serverToolUses, prices, atMs);
  const parts: PricedPart[] = [];
  let serverTools = tools.nanoUsd;
  let totalNanoUsd = 0;
  let isPriced = tools.priced;
  for (const part of usage.parts) {
    const model = substitute ?? part.model;
    const price = model === null ? null : prices.priceAt(model, atMs);
    const rates = price && ratesFor(price, part, usage, isBatch);
    const partCost = rates && tokenCost(part.tokens, rates, serverTools);
    const total = partCost === null ? Number.NaN : totalNanoUsd + sum(partCost);
    const fits = Number.isSafeInteger(total);
    parts.push({ model: price?.model ?? model, cost: fits ? partCost : null });
    if (fits) [totalNanoUsd, serverTools] = [total, 0];
    else isPriced = false;
  }
  return { parts, totalNanoUsd, priced: isPriced };
}

/** What the table does not know is not sold as standard: `null`. */
function ratesFor(price: Price, part: UsagePart, usage: Usage, isBatch: boolean): Rates | null {
  const card = cardFor(price, part);
  if (card === null || !isKnownTier(usage.serviceTier)) return null;
  const pair = usage.inferenceGeo === null ? card : (card.byGeo.get(usage.inferenceGeo) ?? card);
  return isBatch ? pair.batch : pair.standard;
}

function cardFor({ base, fast, longContext }: Price, { speed, tokens }: UsagePart): RateCard | null {
  const isLong = longContext !== null && promptTokens(tokens) > longContext.aboveTokens;
  // No model sells fast mode beside a price by prompt length, so nobody says what both together cost.
  if (speed === 'fast') return isLong ? null : fast;
  if (speed !== null && speed !== 'standard') return null;
  return isLong ? longContext.card : base;
}

function isKnownTier(serviceTier: string | null): boolean {
  return serviceTier === null || serviceTier === 'standard' || serviceTier === 'priority' || serviceTier === 'batch';
}

function promptTokens(tokens: Tokens): number {
  return tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;
}

function tokenCost(tokens: Tokens, rates: Rates, serverTools: number): Cost {
  return {
    input: charge(tokens.input, rates.input),
    cache_read: charge(tokens.cache_read, rates.cache_read),
    cache_write_5m: charge(tokens.cache_write_5m, rates.cache_write_5m),
    cache_write_1h: charge(tokens.cache_write_1h, rates.cache_write_1h),
    output: charge(tokens.output, rates.output),
    output_estimated: charge(tokens.output_estimated, rates.output_estimated),
    server_tools: serverTools,
  };
}

/** Not a safe integer where any kind is not: all are 0 or more, and NaN stays NaN. */
function sum(cost: Cost): number {
  const cached = cost.cache_read + cost.cache_write_5m + cost.cache_write_1h;
  return cost.input + cached + cost.output + cost.output_estimated + cost.server_tools;
}

interface ToolCharge {
  readonly nanoUsd: number;
  readonly priced: boolean;
}

const NO_TOOLS: ToolCharge = { nanoUsd: 0, priced: true };

function toolCharge(uses: Usage['serverToolUses'], prices: PriceTable, atMs: number): ToolCharge {
  let charged = NO_TOOLS;
  for (const [tool, count] of Object.entries(uses)) {
    if (count !== 0) charged = plusTool(charged, count, prices.toolPriceAt(tool, atMs));
  }
  return charged;
}

function plusTool(before: ToolCharge, count: number, price: ToolPrice | null): ToolCharge {
  const nanoUsd = before.nanoUsd + (price === null ? Number.NaN : charge(count, price.perUse));
  return Number.isSafeInteger(nanoUsd) ? { nanoUsd, priced: before.priced } : { ...before, priced: false };
}
