import type { AlertCase } from '../promtool.ts';
import { BILL_CASES } from './bill-cases.ts';
import { BUDGET_CASES } from './budget-cases.ts';
import { CACHE_CASES } from './cache-cases.ts';
import { LIMIT_CASES } from './limit-cases.ts';
import { MONEY_CASES } from './money-cases.ts';
import { OWN_CASES } from './own-cases.ts';
import { SLO_CASES } from './slo-cases.ts';
import { STOP_CASES } from './stop-cases.ts';

/** Every case of every alert. */
export const CASES: readonly AlertCase[] = [
  ...SLO_CASES,
  ...STOP_CASES,
  ...LIMIT_CASES,
  ...BUDGET_CASES,
  ...MONEY_CASES,
  ...CACHE_CASES,
  ...BILL_CASES,
  ...OWN_CASES,
];

export function casesOf(alert: string): readonly AlertCase[] {
  return CASES.filter((each) => each.alert === alert);
}
