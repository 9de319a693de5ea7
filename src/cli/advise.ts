import { adviceOn } from '../advice/advice.ts';
import type { AdviceItem } from '../advice/item.ts';
import type { Sample } from '../advice/samples.ts';
import { defaultPrices, loadPrices } from '../pricing/prices.ts';
import { models } from '../routing/models.ts';
import { defineCommand, print, printable, wrapped, type CommandIo } from './command.ts';
import { metricsPage } from './metrics-page.ts';

const DEFAULT_PLACE = 'http://127.0.0.1:9464/metrics';

const USAGE = [
  'plimsoll advise [options]             what to do about budgets, limits and',
  '                                      routes, most important first',
  '  --metrics PLACE     the metrics of a running service: a URL, a file, or - for',
  `                      standard input (${DEFAULT_PLACE})`,
  '  --json              for programs, with the figures behind each piece of advice',
  '',
  'Reads the metrics once and sends nothing. It looks at',
  '  budgets   that are spent, or will be',
  '  the tier  its cap, and the rate limits that refuse requests',
  '  routes    short, simple calls to an expensive model, and what a cheaper one',
  '            would have cost; responses cut off at max_tokens; calls above their',
  "            route's ceiling",
  '  caches    by client of a gateway: how much of its prompts the prompt cache',
  '            serves, what that saves, and what was written and never read',
  'It sees only counts, never prompts or responses. It chooses among the models in',
  'ANTHROPIC_DEFAULT_MODEL, ANTHROPIC_REASONING_MODEL, ANTHROPIC_CRITICAL_MODEL.',
  '',
  'Exit code: 0 done, with or without advice; 1 no metrics, 2 wrong arguments.',
];

const OPTIONS = {
  metrics: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** `plimsoll advise`. */
export const command = defineCommand({
  name: 'advise',
  usage: USAGE,
  options: OPTIONS,
  async run({ values: { metrics, json } }, io) {
    if (metrics === undefined) io.err(`Reading ${DEFAULT_PLACE}. Choose another page with --metrics.`);
    const place = metrics ?? DEFAULT_PLACE;
    const items = itemsOf(await metricsPage(place, io), io);
    if (json) return print([JSON.stringify({ metrics: place, advice: items }, null, 2)], io);
    return print(adviceLines(items, place, io), io);
  },
});

function itemsOf(samples: readonly Sample[], io: CommandIo): readonly AdviceItem[] {
  const path = io.env['PLIMSOLL_PRICES']?.trim() ?? '';
  const prices = path === '' ? defaultPrices() : loadPrices(path);
  return adviceOn(samples, { models: models(io.env), prices, nowMs: io.now() });
}

const WIDEST = 80;

const NARROWEST = 40;

function adviceLines(items: readonly AdviceItem[], place: string, io: CommandIo): readonly string[] {
  const width = Math.min(WIDEST, Math.max(NARROWEST, io.columns));
  const since = [`Counted since the counters started, from ${place}`];
  if (items.length === 0) {
    const nothing = 'Nothing to advise: according to the counters, budgets, limits and routes are fine.';
    return [...wrapped(nothing, width), '', ...since];
  }
  const texts = items.flatMap(({ severity, about, text }) => [
    `${severity.toUpperCase()}, ${about}`,
    ...wrapped(printable(text), width - 2).map((line) => `  ${line}`),
    '',
  ]);
  return [...texts, ...since];
}
