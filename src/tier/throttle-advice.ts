import type { Advice, AdviceBasis, Severity } from './advice-basis.ts';
import { remedy } from './remedy.ts';
import type { PeakUse, Throttling } from './throttle-history.ts';
import { limitName, throttledShare, total } from './throttled-minutes.ts';
import { PUBLISHED_DIMENSIONS } from './tiers.ts';
import { className, percent } from './wording.ts';

/** Fewer refused minutes in a week are chance. */
const FEWEST_MINUTES = 3;
const CRITICAL_SHARE = 0.1;
const WARNING_SHARE = 0.01;
const NEAR = 0.8;
const AMPLE = 0.5;

/** What the limits do to calls: those that refuse, those that are near, or that there is room enough. */
export function throttleAdvice(basis: AdviceBasis): readonly Advice[] {
  return [
    ...basis.week.flatMap((throttling) => throttledAdvice(throttling, basis)),
    ...basis.peaks.flatMap((peak) => nearAdvice(peak, basis)),
    ...ampleAdvice(basis),
  ];
}

function throttledAdvice({ modelClass, reason, days }: Throttling, basis: AdviceBasis): readonly Advice[] {
  const minutes = total(days);
  if (minutes.throttledMinutes < FEWEST_MINUTES) return [];
  const share = throttledShare(minutes);
  const severity = severityOf(share);
  const evidence = { modelClass, reason, share, ...minutes };
  const where = `on ${className(modelClass)} for ${percent(share)} of active minutes this week`;
  if (reason === 'acceleration') {
    const text = `Refused for acceleration ${where}: raise the load step by step; a higher tier does not change that.`;
    return [{ kind: 'acceleration', severity, text, evidence }];
  }
  const limit = limitName(reason);
  if (limit === null) return [];
  const more = remedy({ modelClass, limit: reason }, basis);
  const text = `Throttled by ${limit} ${where}${more.text}.`;
  return [{ kind: 'throttled', severity, text, evidence: { ...evidence, ...more.evidence } }];
}

function severityOf(share: number): Severity {
  if (share >= CRITICAL_SHARE) return 'critical';
  return share >= WARNING_SHARE ? 'warning' : 'info';
}

function nearAdvice({ modelClass, dimension, usedRatio }: PeakUse, basis: AdviceBasis): readonly Advice[] {
  const limit = PUBLISHED_DIMENSIONS.find((one) => one === dimension);
  if (limit === undefined || usedRatio < NEAR) return [];
  const isThrottled = basis.week.some(
    (one) =>
      one.modelClass === modelClass && one.reason === limit && total(one.days).throttledMinutes >= FEWEST_MINUTES,
  );
  if (isThrottled) return [];
  const more = remedy({ modelClass, limit }, basis);
  const used = `${percent(usedRatio)} of the ${limitName(limit)} of ${className(modelClass)}`;
  return [
    {
      kind: 'limits_near',
      severity: 'info',
      text: `Up to ${used} were in use this week${more.text}.`,
      evidence: { modelClass, dimension, usedRatio, ...more.evidence },
    },
  ];
}

function ampleAdvice({ week, peaks, verdict: { tier, nextTier } }: AdviceBasis): readonly Advice[] {
  const isThrottled = week.some(({ reason, days }) => limitName(reason) !== null && total(days).throttledMinutes > 0);
  const highest = peaks.toSorted((a, b) => b.usedRatio - a.usedRatio)[0];
  if (isThrottled || highest === undefined || highest.usedRatio >= AMPLE) return [];
  const need = nextTier === null ? 'no need for higher limits' : `no need for ${nextTier}`;
  const text = `At ${percent(highest.usedRatio)} of the limits at most this week: ${need}.`;
  return [{ kind: 'limits_ample', severity: 'info', text, evidence: { ...highest, tier } }];
}
