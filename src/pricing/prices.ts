import { readFileSync } from 'node:fs';
import { unreadable } from '../errors.ts';
import type { RefusalBilling, RefusalCategory } from '../answers.ts';
import { plainModel, regionalGeo, type Platform } from '../platform.ts';
import type { TokenKind } from '../vocabulary.ts';
import {
  dayStartMs,
  priceFileFrom,
  pricesInvalid,
  shippedPriceFile,
  type ListedModel,
  type ListedPlatform,
  type ListedPrice,
  type ListedRates,
  type ListedRefusals,
  type ListedTool,
  type PriceFile,
} from './price-file.ts';
import defaults from './prices.json' with { type: 'json' };
import { rate, times, type Rate, type Ratio } from './rate.ts';

/** Nano-dollars per token by kind. */
export type Rates = Readonly<Record<TokenKind, Rate>>;

/** Rates with and without the batch discount. `batch` is `null` if batches are not sold at this price. */
interface RatePair {
  readonly standard: Rates;
  readonly batch: Rates | null;
}

/** The rates of one model in one mode; a place of inference that costs more has its own pair. */
interface RateCard extends RatePair {
  readonly byGeo: ReadonlyMap<string, RatePair>;
}

/** The rate cards of a model: for usual requests, for fast mode, and for long prompts. */
export type CardName = 'standard' | 'fast' | 'long_context';

/** The ways a model is sold, as the price gauge names them. A batch is a discount on a card. */
export type PriceRate = CardName | 'batch';

/** The price of one model between two days. Immutable. */
export interface Price extends Dated {
  /** The canonical id. */
  readonly model: string;
  /** `null` if the model is not sold in this mode, or no price for it is published. */
  readonly cards: Readonly<Record<CardName, RateCard | null>> & { readonly standard: RateCard };
  /** A request with a longer prompt is charged by the card `long_context`; `Infinity` if there is none. */
  readonly longContextAboveTokens: number;
  /** The price as listed: the amounts in USD per million tokens, how well they are known and from where. */
  readonly listed: ListedPrice;
}

/** The price of one server tool between two days. */
interface ToolPrice extends Dated {
  /** Nano-dollars per use. */
  readonly perUse: Rate;
}

interface Dated {
  /** `-Infinity` if no beginning is known. */
  readonly effectiveFromMs: number;
  /** Exclusive; `Infinity` if no end is known. */
  readonly effectiveToMs: number;
}

/** Prices by model and date. Immutable; made once, used for every call. */
export interface PriceTable {
  /** `default`: as shipped; `file`: at least partly from a user's file. */
  readonly source: 'default' | 'file';
  /** The UTC day on which the figures were last compared with the published ones, `YYYY-MM-DD`. */
  readonly checkedOn: string;
  readonly checkedAtMs: number;
  /** Canonical ids, including those without a price. */
  readonly knownModels: readonly string[];
  /** The models as listed, with their life cycle. */
  readonly models: readonly ListedModel[];
  readonly serverTools: readonly ListedTool[];
  /**
   * Returns the id under which a model is priced and counted: for an alias, a dated id (`…-YYYYMMDD`), and a spelling of
   * Bedrock's or Vertex AI's, the model's own. Any other text is returned unchanged: a family never stands in for a
   * version.
   */
  canonicalModel(id: string): string;
  /** Returns the price in force at that time; `null` if none is known. Takes any id that `canonicalModel` takes. */
  priceAt(model: string, whenMs: number): Price | null;
  /** Tells whether the prices are those of a platform; on others nothing is known to cost anything. */
  isSoldOn(platform: Platform): boolean;
  /** The price of a server tool in force at that time; `null` if none is known. */
  toolPriceAt(tool: string, whenMs: number): ToolPrice | null;
  /** Whether a refusal of this category before any output is billed at that time; `unsure` where no rule is known. */
  refusalBillingAt(category: RefusalCategory, whenMs: number): RefusalBilling;
  /** The share of the list price that a key does not pay, by alias; without the keys that pay all of it. */
  readonly discounts: ReadonlyMap<string, Ratio>;
  /**
   * An amount at list price as it is billed to a key, in whole nano-dollars, rounded half up: without the key's discount.
   * The amount itself where it has none.
   */
  negotiated(nanoUsd: bigint, key: string): bigint;
  /**
   * Tells whether an id of the API's is newer than the table: of a model of a known family with a higher version than all
   * that are listed, or of a family that is not listed. The prices of the table may then be old too.
   */
  isNewer(model: string): boolean;
}

let shipped: PriceTable | undefined;

/** Returns the prices shipped with this version: read at the first call, and the same table from then on. */
export function defaultPrices(): PriceTable {
  shipped ??= priceTable(shippedPriceFile(defaults), 'default');
  return shipped;
}

/**
 * Makes a table from parsed JSON in the form of a price file. With `"extends": "default"`, a listed model or tool
 * replaces the shipped one with all its periods, and the others stay; otherwise only listed ones have a price. Throws a
 * `ConfigurationError` (`PLIMSOLL_PRICES_INVALID`) with every problem; `name` is the file's name in it.
 */
export function pricesFrom(parsed: unknown, name = 'the prices'): PriceTable {
  const file = priceFileFrom(parsed, name);
  return priceTable(file.extends === 'default' ? extended(file) : file, 'file');
}

/**
 * Reads a table from a JSON file synchronously: `{ "extends": "default" | "none", "checkedOn": "YYYY-MM-DD", "models":
 * […], "serverTools": […] }`, with models as in the shipped `prices.json`. Throws a `ConfigurationError`
 * (`PLIMSOLL_PRICES_INVALID`) with every problem.
 */
export function loadPrices(path: string): PriceTable {
  return pricesIn(path, () => readFileSync(path, 'utf8'));
}

/** Makes a table of the text that `read` returns; `null` for the shipped prices. Throws as `loadPrices` does. */
export function pricesIn(path: string, read: () => string | null): PriceTable {
  let text: string | null;
  try {
    text = read();
  } catch (error) {
    throw pricesInvalid(path, [{ field: '', ...unreadable(error) }]);
  }
  return text === null ? defaultPrices() : pricesFrom(parsed(text, path), path);
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // The parser's own message quotes the text, which may be a file of secrets passed by mistake.
    throw pricesInvalid(path, [
      { kind: 'unreadable', field: '', expected: 'JSON', got: 'a text that cannot be parsed', advice: null },
    ]);
  }
}

function extended(file: PriceFile): PriceFile {
  const under = shippedPriceFile(defaults);
  const models = new Map(under.models.map((model) => [model.model, model]));
  const tools = new Map(under.serverTools.map((tool) => [tool.tool, tool]));
  for (const model of file.models) models.set(model.model, withLifeCycle(model, models.get(model.model)));
  for (const tool of file.serverTools) tools.set(tool.tool, tool);
  return {
    ...file,
    checkedOn: file.checkedOn ?? under.checkedOn,
    models: [...models.values()],
    serverTools: [...tools.values()],
    refusals: file.refusals.length > 0 ? file.refusals : under.refusals,
    platforms: [...new Map([...under.platforms, ...file.platforms].map((one) => [one.platform, one])).values()],
    aliases: file.aliases,
    discounts: file.discounts,
  };
}

/** A negotiated price changes neither the name of a model nor its retirement. */
function withLifeCycle(own: ListedModel, under: ListedModel | undefined): ListedModel {
  if (under === undefined) return own;
  return {
    ...own,
    aliases: [...new Set([...under.aliases, ...own.aliases])],
    family: own.family ?? under.family,
    status: own.status ?? under.status,
    eol: own.eol ?? under.eol,
    retiresNotSoonerThan: own.retiresNotSoonerThan ?? under.retiresNotSoonerThan,
  };
}

function priceTable(file: PriceFile, source: PriceTable['source']): PriceTable {
  const byId = pricesById(file);
  const tools = new Map(file.serverTools.map((tool) => [tool.tool, toolPrices(tool)]));
  const own = new Set(file.models.map(({ model }) => model));
  const refusals = file.refusals.map((rule) => ({ ...rule, ...dated(rule.effectiveFrom, rule.effectiveTo) }));
  const newest = newestByFamily(own);
  const listedModel = (id: string): string | undefined => byId.get(id)?.model ?? undated(id, own);
  const canonicalModel = (id: string): string => {
    const listed = listedModel(id);
    if (listed !== undefined) return listed;
    const plain = plainModel(file.aliases.get(id) ?? id);
    return listedModel(plain) ?? plain;
  };
  const platforms = new Set<Platform>(['anthropic', ...file.platforms.map(({ platform }) => platform)]);
  const checkedOn = file.checkedOn ?? '1970-01-01';
  return Object.freeze({
    source,
    checkedOn,
    checkedAtMs: dayStartMs(checkedOn) ?? 0,
    knownModels: [...own],
    models: file.models,
    serverTools: file.serverTools,
    canonicalModel,
    priceAt: (id: string, whenMs: number) => inForce((byId.get(id) ?? byId.get(canonicalModel(id)))?.prices, whenMs),
    isSoldOn: (platform: Platform) => platforms.has(platform),
    toolPriceAt: (tool: string, whenMs: number) => inForce(tools.get(tool), whenMs),
    refusalBillingAt: (category: RefusalCategory, whenMs: number) =>
      refusalBilling(inForce(refusals, whenMs), category),
    discounts: file.discounts,
    negotiated(nanoUsd: bigint, key: string): bigint {
      const discount = file.discounts.get(key);
      return discount === undefined ? nanoUsd : withoutDiscount(nanoUsd, discount);
    },
    isNewer(id: string): boolean {
      const version = versionOf(plainModel(id));
      return version !== null && !own.has(canonicalModel(id)) && version.number > (newest.get(version.family) ?? 0);
    },
  });
}

function withoutDiscount(nanoUsd: bigint, { num, den }: Ratio): bigint {
  return (nanoUsd * (den - num) * 2n + den) / (den * 2n);
}

function refusalBilling(rule: ListedRefusals | null, category: RefusalCategory): RefusalBilling {
  if (rule === null) return 'unsure';
  if (rule.billed.includes(category)) return 'billed';
  return rule.free.includes(category) ? 'free' : (rule.others ?? 'unsure');
}

/** `claude-opus-5-5-20260922`: the family and the version, 5.05. Ids of other forms, as those before version 4, have none. */
const VERSIONED = /^claude-([a-z]+)-(\d{1,2})(?:-(\d{1,2}))?(?:-20\d{6})?$/;

function versionOf(id: string): { readonly family: string; readonly number: number } | null {
  const [, family, major, minor = '0'] = VERSIONED.exec(id) ?? [];
  return family === undefined ? null : { family, number: Number(major) + Number(minor) / 100 };
}

function newestByFamily(models: Iterable<string>): ReadonlyMap<string, number> {
  const newest = new Map<string, number>();
  for (const version of [...models].map(versionOf)) {
    if (version !== null) newest.set(version.family, Math.max(version.number, newest.get(version.family) ?? 0));
  }
  return newest;
}

interface PricedModel {
  readonly model: string;
  readonly prices: readonly Price[];
}

function pricesById({ models, platforms }: PriceFile): ReadonlyMap<string, PricedModel> {
  const entries = models.map((listed) => {
    const regions = regionalMultipliers(listed.model, platforms);
    const prices = listed.prices.map((price) => priced(listed.model, price, regions));
    return { listed, entry: { model: listed.model, prices } };
  });
  const aliases = entries.flatMap(({ listed, entry }) => listed.aliases.map((alias) => [alias, entry] as const));
  // The last one wins: a model of a user's file may be the alias of a shipped one.
  return new Map([...aliases, ...entries.map(({ entry }) => [entry.model, entry] as const)]);
}

function regionalMultipliers(
  model: string,
  platforms: readonly ListedPlatform[],
): readonly (readonly [string, Ratio])[] {
  return platforms.flatMap(({ platform, regionalMultiplier: multiplier, regionalExcept }) =>
    multiplier === null || regionalExcept.includes(model) ? [] : [[regionalGeo(platform), multiplier] as const],
  );
}

function priced(model: string, listed: ListedPrice, regions: readonly (readonly [string, Ratio])[]): Price {
  const { batchMultiplier, longContext, fast } = listed;
  const geoMultipliers = new Map([...listed.geoMultipliers, ...regions]);
  const fastBatch = fast?.batchAllowed === true ? batchMultiplier : null;
  return {
    model,
    ...dated(listed.effectiveFrom, listed.effectiveTo),
    cards: {
      standard: rateCard(listed, batchMultiplier, geoMultipliers),
      fast: fast && rateCard(fast, fastBatch, geoMultipliers),
      long_context: longContext && rateCard(longContext, batchMultiplier, geoMultipliers),
    },
    longContextAboveTokens: longContext?.aboveTokens ?? Infinity,
    listed,
  };
}

const NANO_USD_PER_TOKEN: Ratio = { num: 1000n, den: 1n };

function rateCard(listed: ListedRates, batch: Ratio | null, geos: ReadonlyMap<string, Ratio>): RateCard {
  const pair = (multiplier: Ratio): RatePair => ({
    standard: ratesOf(listed, multiplier),
    batch: batch && ratesOf(listed, times(multiplier, batch)),
  });
  const byGeo = new Map([...geos].map(([geo, multiplier]) => [geo, pair(times(NANO_USD_PER_TOKEN, multiplier))]));
  return { ...pair(NANO_USD_PER_TOKEN), byGeo };
}

function ratesOf(listed: ListedRates, multiplier: Ratio): Rates {
  const input = rate(times(listed.input, multiplier));
  const output = rate(times(listed.output, multiplier));
  return {
    input,
    cache_read: rate(times(listed.cacheRead, multiplier)),
    cache_write_5m: rate(times(listed.cacheWrite5m, multiplier)),
    cache_write_1h: rate(times(listed.cacheWrite1h, multiplier)),
    output,
    output_estimated: output,
    input_estimated: input,
  };
}

const NANO_USD_PER_USE: Ratio = { num: 1_000_000n, den: 1n };

function toolPrices({ prices }: ListedTool): readonly ToolPrice[] {
  return prices.map(({ effectiveFrom, effectiveTo, usdPerThousandUses }) => ({
    ...dated(effectiveFrom, effectiveTo),
    perUse: rate(times(usdPerThousandUses, NANO_USD_PER_USE)),
  }));
}

function dated(from: string | null, to: string | null): Dated {
  return {
    effectiveFromMs: from === null ? -Infinity : (dayStartMs(from) ?? -Infinity),
    effectiveToMs: to === null ? Infinity : (dayStartMs(to) ?? Infinity),
  };
}

const DATE_SUFFIX = /^-20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/;

const DATE_SUFFIX_LENGTH = '-YYYYMMDD'.length;

function undated(id: string, known: ReadonlySet<string>): string | undefined {
  const base = id.slice(0, -DATE_SUFFIX_LENGTH);
  return known.has(base) && DATE_SUFFIX.test(id.slice(-DATE_SUFFIX_LENGTH)) ? base : undefined;
}

function inForce<T extends Dated>(prices: readonly T[] = [], whenMs: number): T | null {
  for (const price of prices) {
    if (price.effectiveFromMs <= whenMs && whenMs < price.effectiveToMs) return price;
  }
  return null;
}
