import type { CallCost, Cost, PricedPart, Tokens, Usage, UsagePart } from '../vocabulary.ts';
import type { PriceTable } from './prices.ts';
import { modeOf, ratesFor, type Mode, type Rates, type ToolPrice } from './rate-choice.ts';
import { charge } from './rate.ts';

/** By which prices a usage is priced, and as of when. */
export interface Pricing {
  readonly prices: PriceTable;
  /** When the call was made: its price is the one in force then. */
  readonly atMs: number;
  /** The model that answered: parts that do not name their own are priced by it. */
  readonly model?: string | null;
  /** The usage is of a batch result, whatever its service tier says. */
  readonly batch?: boolean;
}

/**
 * What a usage costs, each part at its own model, in whole nano-dollars: the exact product of tokens, rate and
 * multipliers, rounded half up once for each part and kind. `output_estimated` costs what output does.
 *
 * Loudly unpriced, never zero and never a guess: a part whose model has no price at that time, a speed or service
 * tier that the table does not sell for it (fast on a model without a fast price), counts that are no counts.
 * `priced` is false too where a server tool was used whose price is not known. Never throws.
 *
 * The length of the prompt is the part's own. A geo without a multiplier for the model costs what `global` does.
 * Server tools are charged per use, without multipliers.
 */
export function cost(usage: Usage, pricing: Pricing): CallCost {
  const mode = usage.malformed ? null : modeOf(usage, pricing.batch === true);
  const tools = toolCharge(usage.serverToolUses, pricing);
  const parts: PricedPart[] = [];
  let serverToolsLeft = tools.nanoUsd;
  let totalNanoUsd = 0;
  let isPriced = tools.priced;
  for (const part of usage.parts) {
    const priced = pricedPart(part, mode, pricing);
    const charged = priced.cost && { ...priced.cost, server_tools: serverToolsLeft };
    const total = charged === null ? Number.NaN : totalNanoUsd + sum(charged);
    const fits = Number.isSafeInteger(total);
    parts.push(fits ? { model: priced.model, cost: charged } : { model: priced.model, cost: null });
    if (fits) [totalNanoUsd, serverToolsLeft] = [total, 0];
    else isPriced = false;
  }
  return { parts, totalNanoUsd, priced: isPriced };
}

/**
 * What the same usage would have cost on `model`: every part at its prices, everything else as it was, so unpriced
 * where that model is not sold that way. An answer about the same number of tokens, not about the same text: models
 * since Opus 4.7, and Haiku 5.5, make about 30 % more tokens of a text than those before, so a comparison across
 * that line flatters the newer model by as much.
 */
export function costOn(usage: Usage, model: string, pricing: Pricing): CallCost {
  return cost({ ...usage, parts: usage.parts.map((part) => ({ ...part, model })) }, pricing);
}

function pricedPart(part: UsagePart, mode: Mode | null, { prices, atMs, model = null }: Pricing): PricedPart {
  const id = part.model ?? model;
  if (id === null) return { model: null, cost: null };
  const price = prices.priceAt(id, atMs);
  const rates = price === null || mode === null ? null : ratesFor(price, part, mode);
  return { model: price?.model ?? prices.canonicalModel(id), cost: rates && tokenCost(part.tokens, rates) };
}

function tokenCost(tokens: Tokens, rates: Rates): Cost {
  return {
    input: charge(tokens.input, rates.input),
    cache_read: charge(tokens.cache_read, rates.cache_read),
    cache_write_5m: charge(tokens.cache_write_5m, rates.cache_write_5m),
    cache_write_1h: charge(tokens.cache_write_1h, rates.cache_write_1h),
    output: charge(tokens.output, rates.output),
    output_estimated: charge(tokens.output_estimated, rates.output_estimated),
    server_tools: 0,
  };
}

/** No safe integer where any kind is none: each is 0 or more, and NaN stays NaN. */
function sum(cost: Cost): number {
  const cached = cost.cache_read + cost.cache_write_5m + cost.cache_write_1h;
  return cost.input + cached + cost.output + cost.output_estimated + cost.server_tools;
}

interface ToolCharge {
  readonly nanoUsd: number;
  readonly priced: boolean;
}

const NO_TOOLS: ToolCharge = { nanoUsd: 0, priced: true };

function toolCharge(uses: Usage['serverToolUses'], { prices, atMs }: Pricing): ToolCharge {
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
