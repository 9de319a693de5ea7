import { cost, type Pricing } from '../pricing/cost.ts';
import type { Price } from '../pricing/price.ts';
import { approximately, charge, usdPerMillion } from '../pricing/rate.ts';
import { type Mode, modeOf, promptTokens, rateName, ratesFor } from '../pricing/rate-choice.ts';
import { TOKEN_KINDS, type TokenKind, type Usage, type UsagePart } from '../vocabulary.ts';
import type { FoundUsage } from './usage-input.ts';

/** One kind of tokens of a part, all multipliers in its price. */
export interface KindLine {
  readonly kind: TokenKind;
  readonly tokens: number;
  readonly usdPerMillionTokens: number;
  readonly nanoUsd: number;
}

/** How one part of a usage was priced: `how` names the rate and what multiplied it, or says why there is none. */
export interface PartExplanation {
  readonly model: string | null;
  readonly priced: boolean;
  readonly how: string;
  readonly effectiveFrom: string | null;
  readonly verified: string | null;
  readonly source: string | null;
  readonly lines: readonly KindLine[];
}

/** What a server tool was charged; the amounts are `null` where no price is known. */
export interface ToolLine {
  readonly tool: string;
  readonly uses: number;
  readonly usdPerThousandUses: number | null;
  readonly nanoUsd: number | null;
}

/** A usage priced line by line. The lines add up to the total. */
export interface Explanation {
  readonly parts: readonly PartExplanation[];
  readonly serverTools: readonly ToolLine[];
  readonly notes: readonly string[];
  readonly totalNanoUsd: number;
  readonly priced: boolean;
}

/** Prices what was found and says of each line how. */
export function explanation(found: FoundUsage, pricing: Pricing): Explanation {
  const { usage } = found;
  const batch = found.batch || pricing.batch === true;
  const { parts, totalNanoUsd, priced } = cost(usage, {
    ...pricing,
    batch,
    model: found.model ?? pricing.model ?? null,
  });
  const mode = modeOf(usage, batch);
  return {
    parts: usage.parts.map((part, index) => {
      const model = parts[index]?.model ?? null;
      const price = model === null ? null : pricing.prices.priceAt(model, pricing.atMs);
      return partExplanation({ part, usage, model, price, mode });
    }),
    serverTools: toolLines(usage, pricing),
    notes: notes(found),
    totalNanoUsd,
    priced,
  };
}

interface Priceable {
  readonly part: UsagePart;
  readonly usage: Usage;
  readonly model: string | null;
  readonly price: Price | null;
  readonly mode: Mode | null;
}

function partExplanation(priceable: Priceable): PartExplanation {
  const { part, usage, model, price, mode } = priceable;
  const rates = price && mode && !usage.malformed ? ratesFor(price, part, mode) : null;
  const listed = price?.listed ?? { effectiveFrom: null, verified: null, source: null };
  const used = TOKEN_KINDS.filter((kind) => part.tokens[kind] !== 0);
  return {
    model,
    priced: rates !== null,
    how: price && mode && rates ? how(price, part, mode) : whyNot(priceable),
    effectiveFrom: listed.effectiveFrom,
    verified: listed.verified,
    source: listed.source,
    lines: rates === null ? [] : used.map((kind) => kindLine(kind, part.tokens[kind], rates[kind])),
  };
}

function kindLine(kind: TokenKind, tokens: number, rate: Parameters<typeof charge>[1]): KindLine {
  return { kind, tokens, usdPerMillionTokens: usdPerMillion(rate), nanoUsd: charge(tokens, rate) };
}

function how(price: Price, part: UsagePart, { batch, geo }: Mode): string {
  const name = rateName(price, part) ?? '';
  const listed = price.listed;
  const geoMultiplier = geo === null ? undefined : listed.geoMultipliers.get(geo);
  return [
    `${name} rate`,
    ...(name === 'long_context' ? [`prompt of ${promptTokens(part.tokens)} tokens`] : []),
    ...(batch && listed.batchMultiplier ? [`batch x ${approximately(listed.batchMultiplier)}`] : []),
    ...(geoMultiplier ? [`${geo} x ${approximately(geoMultiplier)}`] : []),
  ].join(', ');
}

function whyNot({ part, usage, model, price, mode }: Priceable): string {
  if (usage.malformed) return 'unpriced: the usage has numbers that are no counts';
  if (model === null) return 'unpriced: no model is named, give --model';
  if (price === null) return 'unpriced: no price is known for that day';
  if (mode === null) return `unpriced: the service tier ${usage.serviceTier} is not known`;
  return `unpriced: not sold at speed ${part.speed ?? 'standard'}${mode.batch ? ' in a batch' : ''}`;
}

function toolLines({ serverToolUses }: Usage, { prices, atMs }: Pricing): readonly ToolLine[] {
  return Object.entries(serverToolUses).map(([tool, uses]) => {
    const price = prices.toolPriceAt(tool, atMs);
    if (price === null) return { tool, uses, usdPerThousandUses: null, nanoUsd: null };
    // Nano-dollars per use are millionths of dollars per thousand uses.
    return { tool, uses, usdPerThousandUses: approximately(price.perUse) / 1e6, nanoUsd: charge(uses, price.perUse) };
  });
}

function notes({ usage, cut }: FoundUsage): readonly string[] {
  return [
    ...(cut ? ['The stream ends before its final usage: the output is estimated.'] : []),
    ...(usage.cacheSplitAssumed ? ['Cache writes came without their 5 m / 1 h split: all count as 5 m.'] : []),
    ...(usage.thinkingTokens > 0 ? [`Of the output, ${usage.thinkingTokens} tokens were thinking.`] : []),
  ];
}
