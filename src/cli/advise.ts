import { parseArgs } from 'node:util';
import { ConfigurationError } from '../configuration-error.ts';
import { loadPrices } from '../pricing/load-prices.ts';
import { defaultPrices } from '../pricing/prices.ts';
import { models } from '../routing/models.ts';
import { inOrder, type AdviceItem } from './advice-item.ts';
import { budgetItems } from './advise-budgets.ts';
import { routeItems } from './advise-routes.ts';
import { tierItems } from './advise-tier.ts';
import type { Command, CommandIo } from './command.ts';
import type { Sample } from './exposition-samples.ts';
import { metricsPage, MetricsPageError } from './metrics-page.ts';
import { wrapped } from './wrapped.ts';
import { argumentProblem, refused, shown } from './replies.ts';

const DEFAULT_PLACE = 'http://127.0.0.1:9464/metrics';

const USAGE = [
  'plimsoll advise [options]             what to do about budgets, limits and',
  '                                      routes, most important first',
  '  --metrics PLACE     where a running service shows its metrics: a URL, a file,',
  '                      or - for standard input. Without it:',
  `                      ${DEFAULT_PLACE}`,
  '  --json              for programs, with the figures behind each advice',
  '',
  'Reads the metrics once and sends nothing. Budgets: what is spent, or will be.',
  'Tier: the cap, and the limits that refuse. Routes: short and simple calls on an',
  'expensive model, with what the cheaper one would have cost; answers cut off at',
  'max_tokens; calls above the ceiling of their route. By counts alone: nobody',
  'looks at what is asked or answered. The models to choose from are those of',
  'ANTHROPIC_DEFAULT_MODEL, ANTHROPIC_REASONING_MODEL, ANTHROPIC_CRITICAL_MODEL.',
  '',
  'Exit code: 0 done, whatever the advice; 1 no metrics there, 2 wrong arguments.',
];

const OPTIONS = {
  metrics: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** `plimsoll advise`. */
export const command: Command = {
  name: 'advise',
  summary: 'what to do about the budgets, limits and routes of a running service',
  async run(args, io) {
    const asked = parsed(args);
    if (typeof asked === 'string') return refused([asked], USAGE, io);
    if (asked.help) return shown(USAGE, io);
    if (asked.metrics === undefined) io.err(`Reads ${DEFAULT_PLACE}, as no --metrics is given.`);
    const place = asked.metrics ?? DEFAULT_PLACE;
    try {
      const items = itemsOf(await metricsPage(place, io), io);
      const answer = { metrics: place, advice: items };
      return shown(asked.json ? [JSON.stringify(answer, null, 2)] : lines(items, place, io), io);
    } catch (error) {
      if (!(error instanceof MetricsPageError || error instanceof ConfigurationError)) throw error;
      error.message.split('\n').forEach((line) => wrapped(line, WIDEST).forEach((part) => io.err(part)));
      return 1;
    }
  },
};

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    return argumentProblem(error);
  }
}

function itemsOf(samples: readonly Sample[], io: CommandIo): readonly AdviceItem[] {
  const path = io.env['PLIMSOLL_PRICES']?.trim() ?? '';
  const prices = path === '' ? defaultPrices() : loadPrices(path);
  const nowMs = io.now();
  return inOrder([
    ...budgetItems(samples),
    ...tierItems(samples, nowMs),
    ...routeItems(samples, { models: models(io.env), prices, nowMs }),
  ]);
}

const WIDEST = 80;
const NARROWEST = 40;

function lines(items: readonly AdviceItem[], place: string, io: CommandIo): readonly string[] {
  const width = Math.min(WIDEST, Math.max(NARROWEST, io.columns));
  const since = [`Since the counters began, by ${place}`];
  if (items.length === 0) {
    const nothing = 'Nothing to advise: budgets, limits and routes are as they should be, as far as the counters tell.';
    return [...wrapped(nothing, width), '', ...since];
  }
  const texts = items.flatMap(({ severity, about, text }) => [
    `${severity.toUpperCase()}, ${about}`,
    ...wrapped(text, width - 2).map((line) => `  ${line}`),
    '',
  ]);
  return [...texts, ...since];
}
