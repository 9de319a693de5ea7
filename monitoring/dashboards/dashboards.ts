import { bill } from './bill.ts';
import { budget } from './budget.ts';
import { callsDashboard } from './calls.ts';
import { overview } from './overview.ts';
import type { Dashboard } from './panel.ts';
import { tier } from './tier.ts';

/** Every dashboard that is shipped. */
export const DASHBOARDS: readonly Dashboard[] = [overview, budget, tier, bill, callsDashboard];
