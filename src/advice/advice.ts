import { percent } from '../figures.ts';
import { LIMIT_DIMENSIONS, type LimitDimension } from '../limiter.ts';
import { advice } from '../tier/advice.ts';
import { tierProgress, type MonthSpend, type TierProgress } from '../tier/progress.ts';
import { tierVerdict, type SeenLimit, type TierVerdict } from '../tier/verdict.ts';
import { LIMITED_BY, RATE_LIMIT_REASONS } from '../vocabulary.ts';
import { budgetItems } from './budgets.ts';
import { cacheItems } from './cache.ts';
import { inOrder, type AdviceItem, type Severity } from './item.ts';
import { routeItems, type RouteJudging } from './routes.ts';
import { label, samplesOf, sums, type Sample } from './samples.ts';

/** Advises on the budgets, the tier, the routes and the clients' prompt caches of a metrics page, most important first; empty if all are fine. */
export function adviceOn(samples: readonly Sample[], judging: RouteJudging): readonly AdviceItem[] {
  return inOrder([
    ...budgetItems(samples),
    ...tierItems(samples, judging.nowMs),
    ...routeItems(samples, judging),
    ...cacheItems(samples, judging),
  ]);
}

/**
 * Advises on tier, cap and limits, from a metrics page. Only the service itself knows its last week, so advice on
 * throttled minutes is left out.
 */
function tierItems(samples: readonly Sample[], atMs: number): readonly AdviceItem[] {
  const { verdict, progress } = tierSeen(samples, atMs);
  const given = advice({ atMs, verdict, progress, tierChangedAtMs: null, week: [], peaks: [], monthBudgets: [] });
  return [...given.map((one) => ({ about: 'tier' as const, ...one })), ...throttledItems(samples)];
}

/** The usage tier that the limits of a metrics page show, and how far its cap is. */
export function tierSeen(
  samples: readonly Sample[],
  atMs: number,
): { readonly verdict: TierVerdict; readonly progress: TierProgress | null } {
  const limits = limitsOf(samples);
  const [info] = samplesOf(samples, 'anthropic_tier_info');
  const named = info !== undefined && label(info, 'source') === 'config' ? label(info, 'tier') : null;
  const verdict = tierVerdict({ limits, named, atMs });
  return { verdict, progress: tierProgress({ tier: verdict.tier, spend: spendOf(samples), limits, atMs }) };
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
