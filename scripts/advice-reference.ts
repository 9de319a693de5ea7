/** Writes the table of advice in `docs/tiers.md`: each kind, and a sentence that the program says. */
import { ADVICE_KINDS, type Advice } from '../src/tier/advice-basis.ts';
import { ADVICE_CASES, adviceOn } from '../testing/tier/advice-cases.ts';

const SEVERITIES: Readonly<Record<Advice['kind'], string>> = {
  spend_cap_reached: 'critical',
  spend_cap_ahead: 'critical within 3 days, else warning',
  budget_above_cap: 'warning',
  tier_stagnation: 'warning',
  throttled: 'critical from 10%, warning from 1%',
  acceleration: 'as `throttled`',
  limits_near: 'info',
  tier_unknown: 'info',
  limits_ample: 'info',
  budget_below_cap: 'info',
  next_threshold: 'info',
};

/** The table, with the first of the cases that has advice of the kind. */
export function adviceReference(): string {
  const examples = ADVICE_CASES.flatMap(({ situation }) => adviceOn(situation));
  const rows = ADVICE_KINDS.map((kind) => {
    const example = examples.find((advice) => advice.kind === kind);
    if (example === undefined)
      throw new Error(`No case of testing/tier/advice-cases.ts has advice of the kind ${kind}.`);
    return `| \`${kind}\` | ${SEVERITIES[kind]} | ${example.text} |`;
  });
  return ['| kind | severity | for example |', '| --- | --- | --- |', ...rows].join('\n');
}
