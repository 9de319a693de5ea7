import { ConfigurationError, got, inside, unfit, type Problem } from '../errors.ts';
import { REFUSAL_CATEGORIES } from '../answers.ts';
import { list, mapOf, object, optional, orEmpty, value, type Read, type Reader } from './json-reader.ts';
import { PLATFORMS } from '../platform.ts';
import { decimal, type Ratio } from './rate.ts';

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The first millisecond of a UTC day written `YYYY-MM-DD`; `null` if there is no such day. */
export function dayStartMs(day: string): number | null {
  const startMs = DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  // Some engines roll 31 February over into March.
  return Number.isFinite(startMs) && new Date(startMs).toISOString().startsWith(day) ? startMs : null;
}

const text = value('a text', (raw) => (typeof raw === 'string' && raw !== '' ? raw : undefined));

const flag = value('true or false', (raw) => (typeof raw === 'boolean' ? raw : undefined));

const tokenCount = value('a whole number ≥ 0', (raw) =>
  Number.isSafeInteger(raw) && Number(raw) >= 0 ? Number(raw) : undefined,
);

const day = value('a day as YYYY-MM-DD', (raw) =>
  typeof raw === 'string' && dayStartMs(raw) !== null ? raw : undefined,
);

const status = value('active, legacy, deprecated or retired', (raw) =>
  raw === 'active' || raw === 'legacy' || raw === 'deprecated' || raw === 'retired' ? raw : undefined,
);

const billing = value('"billed" or "free"', (raw) => (raw === 'billed' || raw === 'free' ? raw : undefined));

const category = value(`one of ${REFUSAL_CATEGORIES.join(', ')}`, (raw) =>
  REFUSAL_CATEGORIES.find((known) => known === raw),
);

const platformName = value(`one of ${PLATFORMS.join(', ')}`, (raw) => PLATFORMS.find((known) => known === raw));

const base = value('"default" or "none"', (raw) => (raw === 'default' || raw === 'none' ? raw : undefined));

/** Takes JSON numbers and decimal texts exactly as written, so 0.1 means one tenth. */
const amount: Reader<Ratio> = (raw, place, problems) => {
  const isNumber = typeof raw === 'number' || (typeof raw === 'string' && raw.trim() !== '');
  const exact = isNumber ? decimal(String(raw)) : null;
  if (exact !== null) return exact;
  const expected =
    isNumber && Number(raw) >= 0 ? 'a decimal of at most 9 digits on either side of the point' : 'a number ≥ 0';
  problems.push(unfit(place, raw, { expected }));
  return undefined;
};

/** Rejects a percentage in place of a factor. */
function factor(most: bigint): Reader<Ratio> {
  return (raw, place, problems) => {
    const exact = amount(raw, place, problems);
    if (exact === undefined || exact.num <= most * exact.den) return exact;
    problems.push(unfit(place, raw, { expected: `a factor from 0 to ${most}` }));
    return undefined;
  };
}

const evidence = { verified: optional(text), source: optional(text), note: optional(text) };

const rates = { input: amount, output: amount, cacheWrite5m: amount, cacheWrite1h: amount, cacheRead: amount };

const period = { effectiveFrom: optional(day), effectiveTo: optional(day) };

const modelPrice = object({
  ...period,
  ...rates,
  batchMultiplier: optional(factor(1n)),
  geoMultipliers: mapOf(factor(10n)),
  longContext: optional(object({ aboveTokens: tokenCount, ...rates, ...evidence })),
  fast: optional(object({ ...rates, batchAllowed: optional(flag), ...evidence })),
  ...evidence,
});

const model = object({
  model: text,
  aliases: orEmpty(list(text)),
  family: optional(text),
  status: optional(status),
  eol: optional(day),
  retiresNotSoonerThan: optional(day),
  note: optional(text),
  prices: list(modelPrice),
});

const serverTool = object({
  tool: text,
  note: optional(text),
  prices: list(object({ ...period, usdPerThousandUses: amount, ...evidence })),
});

const refusals = object({
  ...period,
  billed: orEmpty(list(category)),
  free: orEmpty(list(category)),
  others: optional(billing),
  ...evidence,
});

const platform = object({
  platform: platformName,
  regionalMultiplier: optional(factor(10n)),
  /** Models whose price is the same everywhere. */
  regionalExcept: orEmpty(list(text)),
  ...evidence,
});

const priceFile = object({
  extends: optional(base),
  checkedOn: optional(day),
  models: orEmpty(list(model)),
  serverTools: orEmpty(list(serverTool)),
  refusals: orEmpty(list(refusals)),
  platforms: orEmpty(list(platform)),
  aliases: mapOf(text),
  discounts: mapOf(factor(1n)),
});

/** A price file as written, with exact amounts. */
export type PriceFile = Read<typeof priceFile>;

/** One model of a price file: its ids, its life cycle, and its prices by date, in USD per million tokens. */
export type ListedModel = Read<typeof model>;

/** The price of a model between two days, in USD per million tokens. */
export type ListedPrice = Read<typeof modelPrice>;

/** A server tool of a price file. A tool without prices is known, but cannot be priced. */
export type ListedTool = Read<typeof serverTool>;

/**
 * Which refusals before any output are billed between two days, by category; `others` says what holds for the rest, and
 * `null` that nothing is known of them.
 */
export type ListedRefusals = Read<typeof refusals>;

/** A platform that sells Claude at the listed prices, times `regionalMultiplier` where a request stays in a region. */
export type ListedPlatform = Read<typeof platform>;

/** The five amounts every mode of a model has, in USD per million tokens. */
export type ListedRates = Readonly<Record<keyof typeof rates, Ratio>>;

/** Makes the error for unusable prices: every problem with the name of the file and its place there. */
export function pricesInvalid(name: string, problems: readonly Problem[]): ConfigurationError {
  return new ConfigurationError('PLIMSOLL_PRICES_INVALID', inside(name, problems));
}

/**
 * Checks parsed JSON as a price file. Throws a `ConfigurationError` (`PLIMSOLL_PRICES_INVALID`) with all problems at
 * once: wrong or unknown fields, missing amounts, ids given twice, periods that overlap. `name` is what the error calls the file.
 */
export function priceFileFrom(parsed: unknown, name: string): PriceFile {
  const problems: Problem[] = [];
  const file = priceFile(parsed, '', problems);
  if (file !== undefined) problems.push(...idClashes(file), ...overlaps(file), ...unstatedBase(file));
  if (file === undefined || problems.length > 0) throw pricesInvalid(name, problems);
  return file;
}

/** Reads the shipped prices, which the tests check as a price file is checked. */
export function shippedPriceFile(parsed: unknown): PriceFile {
  const file = priceFile(parsed, '', []);
  if (file === undefined) throw new TypeError('the shipped prices cannot be read');
  return file;
}

function unstatedBase({ extends: base, checkedOn }: PriceFile): readonly Problem[] {
  if (base === 'default' || checkedOn !== null) return [];
  const expected = 'a day as YYYY-MM-DD in a file that does not say "extends": "default"';
  return [unfit('checkedOn', undefined, { expected })];
}

function idClashes({ models, serverTools, platforms }: PriceFile): readonly Problem[] {
  const ids = models.flatMap(({ model, aliases }, index) => [
    { id: model, place: `models[${index}].model` },
    ...aliases.map((id, alias) => ({ id, place: `models[${index}].aliases[${alias}]` })),
  ]);
  const tools = serverTools.map(({ tool }, index) => ({ id: tool, place: `serverTools[${index}].tool` }));
  const names = platforms.map(({ platform: id }, index) => ({ id, place: `platforms[${index}].platform` }));
  return [...repeated(ids), ...repeated(tools), ...repeated(names)];
}

function repeated(ids: readonly { readonly id: string; readonly place: string }[]): readonly Problem[] {
  const first = new Map<string, string>();
  return ids.flatMap(({ id, place }) => {
    const earlier = first.get(id);
    if (earlier === undefined) first.set(id, place);
    if (earlier === undefined) return [];
    return [conflict(place, 'an id of its own', `${got(id)}, which ${earlier} has`)];
  });
}

function conflict(field: string, expected: string, got: string): Problem {
  return { kind: 'conflict', field, expected, got, advice: null };
}

interface Period {
  readonly effectiveFrom: string | null;
  readonly effectiveTo: string | null;
}

function overlaps({ models, serverTools, refusals }: PriceFile): readonly Problem[] {
  return [
    ...models.flatMap(({ prices }, index) => overlapping(prices, `models[${index}].prices`)),
    ...serverTools.flatMap(({ prices }, index) => overlapping(prices, `serverTools[${index}].prices`)),
    ...overlapping(refusals, 'refusals'),
  ];
}

function overlapping(periods: readonly Period[], place: string): readonly Problem[] {
  const backwards = periods.flatMap(({ effectiveFrom, effectiveTo }, index) =>
    effectiveFrom !== null && effectiveTo !== null && effectiveTo <= effectiveFrom
      ? [conflict(`${place}[${index}].effectiveTo`, `a day after ${effectiveFrom}`, effectiveTo)]
      : [],
  );
  const inOrder = periods
    .map((period, index) => ({ ...period, index }))
    .sort((a, b) => ((a.effectiveFrom ?? '') < (b.effectiveFrom ?? '') ? -1 : 1));
  const shared = inOrder.slice(1).flatMap(({ effectiveFrom, index }, position) => {
    const before = inOrder[position];
    if (before === undefined || (before.effectiveTo !== null && before.effectiveTo <= (effectiveFrom ?? ''))) return [];
    const from = effectiveFrom ?? 'no day';
    const to = before.effectiveTo ?? 'no day';
    const expected = `${place}[${before.index}] to have ended`;
    return [conflict(`${place}[${index}].effectiveFrom`, expected, `${from} before ${to}`)];
  });
  return [...backwards, ...shared];
}
