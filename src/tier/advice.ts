import { ADVICE_KINDS, SEVERITIES, type Advice, type AdviceBasis } from './advice-basis.ts';
import { spendAdvice } from './spend-advice.ts';
import { stagnationAdvice } from './stagnation-advice.ts';
import { throttleAdvice } from './throttle-advice.ts';
import { sentence } from './wording.ts';

/** What to do about limits, tier and caps, most important first; empty where there is nothing to say. */
export function advice(basis: AdviceBasis): readonly Advice[] {
  return [...spendAdvice(basis), ...stagnationAdvice(basis), ...throttleAdvice(basis), ...unknownAdvice(basis)]
    .toSorted(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        ADVICE_KINDS.indexOf(a.kind) - ADVICE_KINDS.indexOf(b.kind) ||
        share(b) - share(a),
    )
    .map((one) => ({ ...one, text: sentence(one.text) }));
}

function share({ evidence }: Advice): number {
  return Number(evidence['share'] ?? evidence['usedRatio'] ?? 0);
}

function unknownAdvice({ verdict: { tier, doubt, evidence } }: AdviceBasis): readonly Advice[] {
  if (tier !== null) return [];
  const why = evidence.length === 0 ? 'no limit that tells it was seen yet' : 'the limits seen are those of no tier';
  const text = `The tier is not known: ${why}. Name it in the options: tier: { name: 'Build' }.`;
  return [{ kind: 'tier_unknown', severity: 'info', text, evidence: { doubt, limitsSeen: evidence.length } }];
}
