import { parseArgs } from 'node:util';
import { ConfigurationError } from '../errors.ts';
import { dayStartMs, type ListedModel, type ListedRates } from '../pricing/price-file.ts';
import { defaultPrices, loadPrices, type Price, type PriceTable } from '../pricing/prices.ts';
import { approximately, type Ratio } from '../pricing/rate.ts';
import { argumentProblem, refused, shown, type Command, type CommandIo } from './command.ts';
import { explain } from './prices-explain.ts';

const USAGE = [
  'plimsoll prices [options]             the prices in force',
  'plimsoll prices explain [options]     prices standard input line by line: a',
  "                                      response, its events, a batch's results",
  '  --date YYYY-MM-DD   the prices of that day, not of today',
  '  --file PRICES       a price file; else PLIMSOLL_PRICES names one, else those',
  '                      shipped hold',
  '  --json              for programs, with the source of every figure',
  '  --model ID          explain: the model of a usage that names none',
  '  --batch             explain: at the price of a batch',
  '  --on ID             explain: and what it would have cost on that model',
];

const OPTIONS = {
  date: { type: 'string' },
  json: { type: 'boolean', default: false },
  file: { type: 'string' },
  model: { type: 'string' },
  batch: { type: 'boolean', default: false },
  on: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const DAY_MS = 86_400_000;

const OLD_AFTER_DAYS = 45;

/** `plimsoll prices` and `plimsoll prices explain`. */
export const command: Command = {
  async run(args, io) {
    const asked = parsed(args);
    if (typeof asked === 'string') return refused([asked], USAGE, io);
    const { values, action } = asked;
    if (values.help) return shown(USAGE, io);
    const atMs = values.date === undefined ? io.now() : dayStartMs(values.date);
    if (atMs === null) return refused([`--date: expected a day as YYYY-MM-DD, got ${values.date}.`], USAGE, io);
    const prices = table(values.file ?? io.env['PLIMSOLL_PRICES'], io);
    if (prices === null) return 1;
    warnIfOld(prices, io);
    if (action === 'list') return shown(values.json ? [priceListJson(prices, atMs)] : priceListLines(prices, atMs), io);
    const pricing = { prices, atMs, model: values.model ?? null, batch: values.batch };
    return explain({ pricing, json: values.json, on: values.on ?? null }, io);
  },
};

/** What is asked for, or what is wrong with it. */
function parsed(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    const [action = 'list', ...rest] = positionals;
    if ((action !== 'list' && action !== 'explain') || rest.length > 0) {
      return `Expected explain or nothing, got ${positionals.join(' ')}.`;
    }
    return { values, action };
  } catch (error) {
    return argumentProblem(error);
  }
}

function table(path: string | undefined, io: CommandIo): PriceTable | null {
  if (path === undefined || path === '') return defaultPrices();
  try {
    return loadPrices(path);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    error.message.split('\n').forEach((line) => io.err(line));
    return null;
  }
}

function warnIfOld({ checkedAtMs, checkedOn }: PriceTable, io: CommandIo): void {
  const days = Math.floor((io.now() - checkedAtMs) / DAY_MS);
  if (days <= OLD_AFTER_DAYS) return;
  io.err(`The prices were last checked on ${checkedOn}, ${days} days ago:`);
  io.err('update plimsoll, or give newer ones with PLIMSOLL_PRICES.');
}

/** The table in force as JSON: every model with its life cycle, the price of that day (`null`: none) and its sources. */
export function priceListJson(prices: PriceTable, atMs: number): string {
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
export function priceListLines(prices: PriceTable, atMs: number): readonly string[] {
  return [
    `Prices on ${dayOf(atMs)}, in USD per million tokens`,
    `${prices.source === 'default' ? 'the shipped table' : 'a table of your own'}, checked ${prices.checkedOn}`,
    '',
    columns('model', ['input', 'output', 'write5m', 'write1h', 'read', 'batch', 'geo']),
    ...prices.models.flatMap((model) => modelLines(model, prices, atMs)),
    '',
    ...prices.serverTools.map(({ tool }) => toolLine(tool, perThousand(prices, tool, atMs))),
    '~ not every figure was seen on a page of Anthropic: --json has the sources',
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

/** A file that says nothing of it is its writer's own business. */
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
