import { percent } from '../figures.ts';
import { defaultPrices, loadPrices } from '../pricing/prices.ts';
import { models } from '../routing/models.ts';
import { advice } from '../tier/advice.ts';
import { tierProgress, type MonthSpend } from '../tier/progress.ts';
import { tierVerdict, type SeenLimit } from '../tier/verdict.ts';
import { LIMIT_DIMENSIONS, type LimitDimension } from '../limiter.ts';
import { LIMITED_BY, RATE_LIMIT_REASONS } from '../vocabulary.ts';
import { budgetItems, inOrder, type AdviceItem, type Severity } from './advise-budgets.ts';
import { routeItems } from './advise-routes.ts';
import { defineCommand, print, printable, wrapped, type CommandIo } from './command.ts';
import { label, metricsPage, samplesOf, sums, type Sample } from './metrics-page.ts';

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
  'It sees only counts, never prompts or responses. It chooses among the models in',
  'ANTHROPIC_DEFAULT_MODEL, ANTHROPIC_REASONING_MODEL, ANTHROPIC_CRITICAL_MODEL.',
  '',
  'Exit code: 0 done, with or without advice; 1 no metrics, 2 wrong arguments.',
];

const OPTIONS = {
  metrics: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** `plimsoll advise`. Advice on budgets and on routes has its own files. */
export const command = defineCommand({
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
  const nowMs = io.now();
  return inOrder([
    ...budgetItems(samples),
    ...tierItems(samples, nowMs),
    ...routeItems(samples, { models: models(io.env), prices, nowMs }),
  ]);
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

/**
 * Advises on tier, cap and limits, from a metrics page. Only the service itself knows its last week, so advice on
 * throttled minutes is left out.
 */
function tierItems(samples: readonly Sample[], atMs: number): readonly AdviceItem[] {
  const limits = limitsOf(samples);
  const [info] = samplesOf(samples, 'anthropic_tier_info');
  const named = info !== undefined && label(info, 'source') === 'config' ? label(info, 'tier') : null;
  const verdict = tierVerdict({ limits, named, atMs });
  const progress = tierProgress({ tier: verdict.tier, spend: spendOf(samples), limits, atMs });
  const given = advice({ atMs, verdict, progress, tierChangedAtMs: null, week: [], peaks: [], monthBudgets: [] });
  return [...given.map((one) => ({ about: 'tier' as const, ...one })), ...throttledItems(samples)];
}

function limitsOf(samples: readonly Sample[]): readonly SeenLimit[] {
  return samplesOf(samples, 'anthropic_ratelimit_limit').flatMap((sample) => {
    const dimension = label(sample, 'dimension');
    if (!isDimension(dimension)) return [];
    return [{ modelClass: label(sample, 'model_class'), dimension, limit: sample.value }];
  });
}

function isDimension(name: string): name is LimitDimension {
  return (LIMIT_DIMENSIONS as readonly string[]).includes(name);
}

/** The month's spend; plimsoll counts from the start of the process, if that is known. */
function spendOf(samples: readonly Sample[]): MonthSpend | null {
  const [found] = samplesOf(samples, 'anthropic_tier_spend_usd');
  if (found === undefined) return null;
  const [started] = samplesOf(samples, 'process_start_time_seconds');
  return { usd: found.value, countedSinceMs: started === undefined ? 0 : started.value * 1_000 };
}

const FEWEST_REFUSALS = 10;

const CRITICAL_SHARE = 0.1;

const WARNING_SHARE = 0.01;

/** Reasons whose limits a slower pace would keep: a spend cap is reported by itself, and a prompt can be too large at any pace. */
const KEPT_BY_PACE: ReadonlySet<string> = new Set(
  RATE_LIMIT_REASONS.filter((reason) => LIMITED_BY[reason] === 'rate' || LIMITED_BY[reason] === 'growth'),
);

/** The limits that refused a notable share of a model's requests, since the counters started. */
function throttledItems(samples: readonly Sample[]): readonly AdviceItem[] {
  const asked = sums(samples, 'anthropic_attempts_total', (one) => label(one, 'model'));
  const refused = sums(samples, 'anthropic_rate_limited_total', (one) =>
    JSON.stringify([label(one, 'model'), label(one, 'reason')]),
  );
  return [...refused].flatMap(([key, count]) => {
    const [model = '', reason = ''] = JSON.parse(key) as readonly string[];
    const share = count / (asked.get(model) ?? Infinity);
    if (!KEPT_BY_PACE.has(reason) || count < FEWEST_REFUSALS || share < WARNING_SHARE) return [];
    const severity: Severity = share >= CRITICAL_SHARE ? 'critical' : 'warning';
    const text =
      `${percent(share)} of the requests to ${model} were refused by the limit on ${reason.replaceAll('_', ' ')} ` +
      `(${count.toLocaleString('en-US')} since the counters started). Spread the load, or ask for a higher limit.`;
    return [
      { about: 'tier', kind: 'rate_limited', severity, text, evidence: { model, reason, refused: count, share } },
    ];
  });
}
