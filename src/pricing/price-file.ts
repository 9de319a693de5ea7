import { ConfigurationError, got, gotName, inside, unfit, unknownField, type Problem } from '../errors.ts';
import { decimal, type Ratio } from './rate.ts';

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The first millisecond of a UTC day written `YYYY-MM-DD`; `null` where there is no such day. */
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

const base = value('"default" or "none"', (raw) => (raw === 'default' || raw === 'none' ? raw : undefined));

/** JSON numbers and decimal texts are both taken as they are written, so 0.1 means one tenth. */
const amount: Reader<Ratio> = (raw, place, problems) => {
  const isNumber = typeof raw === 'number' || (typeof raw === 'string' && raw.trim() !== '');
  const exact = isNumber ? decimal(String(raw)) : null;
  if (exact !== null) return exact;
  const expected =
    isNumber && Number(raw) >= 0 ? 'a decimal of at most 9 digits on either side of the point' : 'a number ≥ 0';
  problems.push(unfit(place, raw, { expected }));
  return undefined;
};

/** Catches a percentage in place of a factor. */
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

const priceFile = object({
  extends: optional(base),
  checkedOn: optional(day),
  models: orEmpty(list(model)),
  serverTools: orEmpty(list(serverTool)),
});

type Value<R> = R extends Reader<infer T> ? T : never;

/** A price file as it was written, amounts exact. */
export type PriceFile = Value<typeof priceFile>;

/** One model of a price file: its ids, its life cycle, and its prices by date, in USD per million tokens. */
export type ListedModel = Value<typeof model>;

/** What a model costs between two days, in USD per million tokens. */
export type ListedPrice = Value<typeof modelPrice>;

/** A server tool of a price file. One without prices is known, and cannot be priced. */
export type ListedTool = Value<typeof serverTool>;

/** The five amounts every mode of a model has, in USD per million tokens. */
export type ListedRates = Readonly<Record<keyof typeof rates, Ratio>>;

/** Prices that cannot be used: every problem with the name of the file and its place there. */
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

function unstatedBase({ extends: base, checkedOn }: PriceFile): readonly Problem[] {
  if (base === 'default' || checkedOn !== null) return [];
  const expected = 'a day as YYYY-MM-DD in a file that does not say "extends": "default"';
  return [unfit('checkedOn', undefined, { expected })];
}

function idClashes({ models, serverTools }: PriceFile): readonly Problem[] {
  const ids = models.flatMap(({ model, aliases }, index) => [
    { id: model, place: `models[${index}].model` },
    ...aliases.map((id, alias) => ({ id, place: `models[${index}].aliases[${alias}]` })),
  ]);
  const tools = serverTools.map(({ tool }, index) => ({ id: tool, place: `serverTools[${index}].tool` }));
  return [...repeated(ids), ...repeated(tools)];
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

function overlaps({ models, serverTools }: PriceFile): readonly Problem[] {
  return [
    ...models.flatMap(({ prices }, index) => overlapping(prices, `models[${index}].prices`)),
    ...serverTools.flatMap(({ prices }, index) => overlapping(prices, `serverTools[${index}].prices`)),
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

/**
 * Reads one value of parsed JSON. Says what is wrong with it in `problems`, with its place, and then returns
 * `undefined`; so one pass over a file finds every problem.
 */
export type Reader<T> = (value: unknown, place: string, problems: Problem[]) => T | undefined;

type Read<R> = R extends Reader<infer T> ? T : never;

/** A reader that accepts what `parse` makes something of; `expected` completes "expected …". */
export function value<T>(expected: string, parse: (value: unknown) => T | undefined): Reader<T> {
  return (raw, place, problems) => {
    const parsed = parse(raw);
    if (parsed === undefined) problems.push(unfit(place, raw, { expected }));
    return parsed;
  };
}

/** The same reader, for a field that may be absent or `null`: both read as `null`. */
export function optional<T>(reader: Reader<T>): Reader<T | null> {
  return (raw, place, problems) => (raw === undefined || raw === null ? null : reader(raw, place, problems));
}

/** A list whose items `item` reads. */
export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return (raw, place, problems) => {
    if (!Array.isArray(raw)) {
      problems.push(unfit(place, raw, { expected: 'a list' }));
      return undefined;
    }
    const items = raw.map((entry: unknown, index) => item(entry, `${place}[${index}]`, problems));
    return items.every((entry) => entry !== undefined) ? items : undefined;
  };
}

/** The same list, for a field that may be absent: that reads as empty. */
export function orEmpty<T>(reader: Reader<readonly T[]>): Reader<readonly T[]> {
  return (raw, place, problems) => (raw === undefined ? [] : reader(raw, place, problems));
}

/** An object with any names, whose values `entry` reads; absent reads as empty. */
export function mapOf<T>(entry: Reader<T>): Reader<ReadonlyMap<string, T>> {
  return (raw, place, problems) => {
    if (raw === undefined || raw === null) return new Map<string, T>();
    if (!isObject(raw)) {
      problems.push(unfit(place, raw, { expected: 'an object' }));
      return undefined;
    }
    const read = new Map<string, T>();
    for (const [name, one] of Object.entries(raw)) {
      const parsed = entry(one, at(place, name), problems);
      if (parsed !== undefined) read.set(name, parsed);
    }
    return read;
  };
}

/** An object with exactly these fields; any other is a problem, since a misspelt field would be ignored in silence. */
export function object<S extends Readonly<Record<string, Reader<unknown>>>>(
  fields: S,
): Reader<{ readonly [K in keyof S]: Read<S[K]> }> {
  return (raw, place, problems) => {
    if (!isObject(raw)) {
      problems.push(unfit(place, raw, { expected: 'an object' }));
      return undefined;
    }
    const before = problems.length;
    for (const name of Object.keys(raw)) {
      if (!Object.hasOwn(fields, name)) problems.push(unknownField(at(place, name), Object.keys(fields)));
    }
    const read = Object.entries(fields).map(([name, reader]) => [name, reader(raw[name], at(place, name), problems)]);
    return problems.length === before ? (Object.fromEntries(read) as { [K in keyof S]: Read<S[K]> }) : undefined;
  };
}

function isObject(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

function at(place: string, name: string): string {
  return place === '' ? gotName(name) : `${place}.${gotName(name)}`;
}
