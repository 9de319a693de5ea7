import { advice } from '../tier/advice.ts';
import { tierProgress, type MonthSpend } from '../tier/progress.ts';
import type { SeenLimit } from '../tier/implied-tier.ts';
import { tierVerdict } from '../tier/tier-verdict.ts';
import { percent } from '../tier/wording.ts';
import { LIMIT_DIMENSIONS, type LimitDimension } from '../vocabulary.ts';
import type { AdviceItem, Severity } from './advice-item.ts';
import type { Sample } from './exposition-samples.ts';
import { label, samplesOf, sums } from './sample-sums.ts';

/**
 * Advice on tier, cap and limits, as far as a metrics page tells: how the last week went is known to the service alone,
 * so what it says of minutes is left out.
 */
export function tierItems(samples: readonly Sample[], atMs: number): readonly AdviceItem[] {
  const limits = limitsOf(samples);
  const [info] = samplesOf(samples, 'anthropic_tier_info');
  const isTold = info !== undefined && label(info, 'source') !== 'headers';
  const told = isTold ? { name: label(info, 'tier'), source: 'config' as const } : null;
  const verdict = tierVerdict({ limits, told, atMs });
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

/** What plimsoll saw counts from the start of the process, where that is known. */
function spendOf(samples: readonly Sample[]): MonthSpend | null {
  const [found] = samplesOf(samples, 'anthropic_tier_spend_usd').toSorted(
    (one, other) => Number(label(other, 'source') === 'organization') - Number(label(one, 'source') === 'organization'),
  );
  if (found === undefined) return null;
  const [started] = samplesOf(samples, 'process_start_time_seconds');
  const source = label(found, 'source') === 'organization' ? 'organization' : 'ledger';
  return { usd: found.value, source, countedSinceMs: started === undefined ? 0 : started.value * 1_000 };
}

const FEWEST_REFUSALS = 10;
const CRITICAL_SHARE = 0.1;
const WARNING_SHARE = 0.01;
/** A tier's cap is told of its own; it is no limit that a slower pace would keep. */
const FOR_SPEND = /spend_limit$/;

/** Which limits refused how much of what was asked of a model, since the counters began. */
function throttledItems(samples: readonly Sample[]): readonly AdviceItem[] {
  const asked = sums(samples, 'anthropic_attempts_total', (one) => label(one, 'model'));
  const refused = sums(samples, 'anthropic_rate_limited_total', (one) =>
    JSON.stringify([label(one, 'model'), label(one, 'reason')]),
  );
  return [...refused].flatMap(([key, count]) => {
    const [model = '', reason = ''] = JSON.parse(key) as readonly string[];
    const share = count / (asked.get(model) ?? Infinity);
    if (FOR_SPEND.test(reason) || count < FEWEST_REFUSALS || share < WARNING_SHARE) return [];
    const severity: Severity = share >= CRITICAL_SHARE ? 'critical' : 'warning';
    const text =
      `${percent(share)} of the requests to ${model} were refused by the limit of ${reason.replaceAll('_', ' ')} ` +
      `(${count.toLocaleString('en-US')} since the counters began). Spread the load, or ask for a higher limit.`;
    return [
      { about: 'tier', kind: 'rate_limited', severity, text, evidence: { model, reason, refused: count, share } },
    ];
  });
}
