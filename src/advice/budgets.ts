import { day, percent, usd } from '../figures.ts';
import type { AdviceItem } from './item.ts';
import { label, samplesOf, sums, type Sample } from './samples.ts';

interface BudgetFigures {
  readonly budget: string;
  readonly limitUsd: number;
  readonly spentUsd: number;
  readonly expectedUsd: number | null;
  /** Calls that were refused in the current period. */
  readonly blocked: number;
  /** `null` on pages of versions that do not say. */
  readonly mode: string | null;
  readonly endMs: number | null;
}

/** Advises on the budgets of a metrics page: those that are spent, will be spent, or are not reliable. */
export function budgetItems(samples: readonly Sample[]): readonly AdviceItem[] {
  return [...budgetsOf(samples).flatMap(budgetItem), ...ledgerItems(samples)];
}

const byBudget = (sample: Sample): string => label(sample, 'budget');

/** A page covers one process: if a budget has several ledgers, each counts its own spend. */
function budgetsOf(samples: readonly Sample[]): readonly BudgetFigures[] {
  const of = (name: string) => sums(samples, name, byBudget);
  const limits = new Map(samplesOf(samples, 'anthropic_budget_limit_usd').map((one) => [byBudget(one), one.value]));
  const spent = of('anthropic_budget_spent_usd');
  const expected = of('anthropic_budget_forecast_usd');
  const ends = new Map(
    samplesOf(samples, 'anthropic_budget_period_end_timestamp_seconds').map((one) => [byBudget(one), one.value]),
  );
  const modes = new Map(samplesOf(samples, 'anthropic_budget_info').map((one) => [byBudget(one), label(one, 'mode')]));
  const blockedBy = of('anthropic_budget_blocked_in_period');
  return [...limits].flatMap(([budget, limitUsd]) => {
    const [spentUsd, end] = [spent.get(budget), ends.get(budget)];
    if (spentUsd === undefined) return [];
    const blocked = blockedBy.get(budget) ?? 0;
    return [
      {
        budget,
        limitUsd,
        spentUsd,
        blocked,
        mode: modes.get(budget) ?? null,
        expectedUsd: expected.get(budget) ?? null,
        endMs: end === undefined ? null : end * 1_000,
      },
    ];
  });
}

function budgetItem(figures: BudgetFigures): readonly AdviceItem[] {
  const { budget, limitUsd, spentUsd, expectedUsd, blocked, mode, endMs } = figures;
  const evidence = { ...figures };
  if (spentUsd >= limitUsd || blocked > 0) {
    const ends = endMs === null ? '' : `, and the period ends on ${day(endMs)}`;
    const refused = blocked > 0 ? ` ${blocked.toLocaleString('en-US')} calls were refused.` : refusesNone(mode);
    const text = `Budget ${budget}: ${usd(spentUsd)} of ${usd(limitUsd)} is spent${ends}.${refused}`;
    return [{ about: 'budget', kind: 'budget_spent', severity: 'critical', text, evidence }];
  }
  if (expectedUsd === null || expectedUsd <= limitUsd) return [];
  const by = endMs === null ? '' : ` by ${day(endMs)}`;
  const over = percent(expectedUsd / limitUsd - 1);
  const text =
    `Budget ${budget}: ${usd(spentUsd)} of ${usd(limitUsd)} is spent, and at this pace ${usd(expectedUsd)} will be spent` +
    `${by}, ${over} over the limit. Raise the budget, or see in the attribution labels what spends it.`;
  return [{ about: 'budget', kind: 'budget_ahead', severity: 'warning', text, evidence }];
}

/** Says why a spent budget refuses nothing. */
function refusesNone(mode: string | null): string {
  if (mode === 'warn') return ' It warns, and refuses no call: set its mode to block if it should.';
  return mode === 'observe' ? ' It measures, and refuses no call.' : ' No calls were refused.';
}

function ledgerItems(samples: readonly Sample[]): readonly AdviceItem[] {
  const down = samplesOf(samples, 'anthropic_budget_ledger_up').filter(({ value }) => value === 0);
  const volatile = [...new Set(samplesOf(samples, 'anthropic_budget_volatile_ledger').map(byBudget))];
  return [
    ...down.map((sample): AdviceItem => {
      const ledger = label(sample, 'ledger');
      const text = `The ${ledger} ledger of the budgets does not respond: spend is not counted, and onLedgerDown decides about calls.`;
      return { about: 'budget', kind: 'ledger_down', severity: 'critical', text, evidence: { ledger } };
    }),
    ...(volatile.length === 0 ? [] : [volatileItem(volatile)]),
  ];
}

function volatileItem(budgets: readonly string[]): AdviceItem {
  const [which, keeps] = budgets.length === 1 ? ['Budget', 'is'] : ['Budgets', 'are'];
  const text =
    `${which} ${budgets.join(', ')} ${keeps} kept in memory: each replica counts separately, and a restart loses the count. ` +
    'Use an SQLite or Redis ledger.';
  return {
    about: 'budget',
    kind: 'ledger_volatile',
    severity: 'info',
    text,
    evidence: { budgets: budgets.join(', ') },
  };
}
