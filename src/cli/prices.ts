import { parseArgs } from 'node:util';
import { ConfigurationError } from '../configuration-error.ts';
import { loadPrices } from '../pricing/load-prices.ts';
import { dayStartMs } from '../pricing/price-file.ts';
import { defaultPrices, type PriceTable } from '../pricing/prices.ts';
import type { Command, CommandIo } from './command.ts';
import { priceListJson, priceListLines } from './price-list.ts';
import { explain } from './prices-explain.ts';
import { argumentProblem, refused, shown } from './replies.ts';

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
  name: 'prices',
  summary: 'the prices in force on a day, and what a response cost, line by line',
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
