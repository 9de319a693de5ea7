import { unfit } from '../errors.ts';
import { dayStartMs, type ListedModel, type ListedRates } from '../pricing/price-file.ts';
import { unknownModel } from '../environment/models.ts';
import { defaultPrices, loadPrices, type Price, type PriceTable } from '../pricing/prices.ts';
import { approximately, type Ratio } from '../pricing/rate.ts';
import { wordsOf, wrongArguments } from './arguments.ts';
import { defineCommand, print, type CommandIo } from './command.ts';
import { explain } from './prices-explain.ts';

const USAGE = [
  'plimsoll prices [options]             lists the prices in force',
  'plimsoll prices explain [options]     prices what is on standard input, line by',
  '                                      line: a response, an event stream or the',
  '                                      results of a batch',
  '  --date YYYY-MM-DD   use the prices of that day (today)',
  '  --file PRICES       use this price file (PLIMSOLL_PRICES, or the shipped file)',
  '  --json              for programs, with the source of every figure',
  '  --model ID          explain: the model, for a usage that names none',
  '  --batch             explain: use the batch price',
  '  --on ID             explain: also show the cost on this model',
];

const ACTIONS = ['list', 'explain'];

const OPTIONS = {
  date: { type: 'string' },
  json: { type: 'boolean', default: false },
  file: { type: 'string' },
  model: { type: 'string' },
  batch: { type: 'boolean', default: false },
  on: { type: 'string' },
} as const;

const DAY_MS = 86_400_000;

const OLD_AFTER_DAYS = 45;

/** `plimsoll prices`. `plimsoll prices explain` has its own file. */
export const command = defineCommand({
  name: 'prices',
  usage: USAGE,
  options: OPTIONS,
  actions: ACTIONS,
  async run({ values, positionals }, io) {
    const [action = 'list', ...rest] = positionals;
    if (rest.length > 0)
      throw wrongArguments(unfit('prices', wordsOf(positionals), { expected: 'explain or nothing' }));
    const { date, file, model = null, batch, on = null, json } = values;
    const atMs = date === undefined ? io.now() : dayStartMs(date);
    if (atMs === null) throw wrongArguments(unfit('--date', date, { expected: 'a day as YYYY-MM-DD' }));
    const path = file ?? io.env['PLIMSOLL_PRICES'] ?? '';
    const prices = path === '' ? defaultPrices() : loadPrices(path);
    warnIfOld(prices, io);
    warnIfUnknown([model, on], { prices, atMs }, io);
    if (action === 'explain') return explain({ pricing: { prices, atMs, model, batch }, json, on }, io);
    return print(json ? [priceListJson(prices, atMs)] : priceListLines(prices, atMs), io);
  },
});

function warnIfOld({ checkedAtMs, checkedOn }: PriceTable, io: CommandIo): void {
  const days = Math.floor((io.now() - checkedAtMs) / DAY_MS);
  if (days <= OLD_AFTER_DAYS) return;
  io.err(`The prices were last checked on ${checkedOn}, ${days} days ago:`);
  io.err('update plimsoll, or set newer ones with PLIMSOLL_PRICES.');
}

/** Says that a day is before the table, and which of the models it does not list. */
function warnIfUnknown(
  models: readonly (string | null)[],
  { prices, atMs }: { readonly prices: PriceTable; readonly atMs: number },
  io: CommandIo,
): void {
  const firstDay = firstDayOf(prices);
  if (dayOf(atMs) < firstDay) io.err(`The price table begins on ${firstDay}: it has no prices of earlier days.`);
  const unknown = models.map((model) => (model === null ? null : unknownModel(model, prices)));
  unknown.filter((text) => text !== null).forEach((text) => io.err(text));
}

/** The first day with a price; empty where a price holds from ever. */
function firstDayOf(prices: PriceTable): string {
  const days = prices.models.flatMap((model) => model.prices.map(({ effectiveFrom }) => effectiveFrom ?? ''));
  return days.sort()[0] ?? '';
}

/** The table in force as JSON: every model with its life cycle, the price of that day (`null`: none) and its sources. */
function priceListJson(prices: PriceTable, atMs: number): string {
  const models = prices.models.map(({ prices: _all, ...model }) => ({
    ...model,
    price: prices.priceAt(model.model, atMs)?.listed ?? null,
  }));
  const serverTools = prices.serverTools.map(({ prices: _all, ...tool }) => ({
    ...tool,
    usdPerThousandUses: perThousand(prices, tool.tool, atMs),
  }));
  const { source, checkedOn } = prices;
  return JSON.stringify({ date: dayOf(atMs), source, checkedOn, models, serverTools }, plain, 2);
}

/** Amounts as JSON numbers, maps as objects. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value);
  return isRatio(value) ? approximately(value) : value;
}

function isRatio(value: unknown): value is Ratio {
  return typeof value === 'object' && value !== null && 'num' in value && 'den' in value;
}

/** The table in force for people, at most 80 columns wide. Models past their end of life are left out. */
function priceListLines(prices: PriceTable, atMs: number): readonly string[] {
  return [
    `Prices on ${dayOf(atMs)}, in USD per million tokens`,
    `${prices.source === 'default' ? 'the shipped table' : 'a table of your own'}, checked ${prices.checkedOn}`,
    '',
    columns('model', ['input', 'output', 'write5m', 'write1h', 'read', 'batch', 'geo']),
    ...prices.models.flatMap((model) => modelLines(model, prices, atMs)),
    '',
    ...prices.serverTools.map(({ tool }) => toolLine(tool, perThousand(prices, tool, atMs))),
    '~ some figures come from third-party sources: see --json',
  ];
}

function modelLines(model: ListedModel, prices: PriceTable, atMs: number): readonly string[] {
  const { model: name, eol } = model;
  if (eol !== null && (dayStartMs(eol) ?? 0) <= atMs) return [];
  const price = prices.priceAt(name, atMs);
  if (price === null) return model.prices.length === 0 ? [columns(name, ['unpriced'])] : [];
  return [...priceLines(price), ...(eol === null ? [] : [`  ends ${eol}`])];
}

function priceLines({ model, listed }: Price): readonly string[] {
  const { batchMultiplier, geoMultipliers, longContext, fast } = listed;
  const geos = [...geoMultipliers].map(([geo, multiplier]) => `${geo} x${approximately(multiplier)}`);
  const batch = batchMultiplier === null ? '' : `x${approximately(batchMultiplier)}`;
  return [
    columns(model + (isConfirmed(listed.verified) ? '' : ' ~'), [...amounts(listed), batch, ...geos]),
    ...(longContext ? [columns(`  over ${longContext.aboveTokens}`, amounts(longContext))] : []),
    ...(fast ? [columns(isConfirmed(fast.verified) ? '  fast' : '  fast ~', amounts(fast))] : []),
  ];
}

/** A file without this field is the responsibility of its author. */
function isConfirmed(verified: string | null): boolean {
  return verified === null || verified === 'VERIFIED';
}

function amounts(rates: ListedRates): readonly string[] {
  const { input, output, cacheWrite5m, cacheWrite1h, cacheRead } = rates;
  return [input, output, cacheWrite5m, cacheWrite1h, cacheRead].map((amount) => String(approximately(amount)));
}

function columns(name: string, cells: readonly string[]): string {
  const widths = [6, 7, 8, 8, 6, 6, 8];
  const padded = cells.map((cell, index) => cell.padStart(widths[index] ?? 9));
  return (name.padEnd(26) + padded.join('')).trimEnd();
}

function toolLine(tool: string, usdPerThousand: number | null): string {
  return `${tool.padEnd(26)}${usdPerThousand === null ? 'unpriced' : `${usdPerThousand} per 1,000 uses`}`;
}

function perThousand(prices: PriceTable, tool: string, atMs: number): number | null {
  const price = prices.toolPriceAt(tool, atMs);
  // Nano-dollars per use are millionths of dollars per thousand uses.
  return price === null ? null : approximately(price.perUse) / 1e6;
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
