import { budgets, sqliteLedger, type BudgetDefinition, type Budgets, type BudgetsSettings } from 'plimsoll/budget';
import { workbench, type Workbench, type WorkbenchOptions } from '../client-workbench.ts';

/** The real SDK on a simulator, held to budgets. */
export interface BudgetedClient extends Workbench {
  readonly held: Budgets;
  /** Spent and reserved of a budget in nano-dollars, as its ledger has it. */
  balance(name?: string): Promise<{ readonly spent: bigint; readonly reserved: bigint }>;
  /** What the simulator charges for all requests so far, in nano-dollars. */
  billed(): bigint;
}

export interface BudgetedOptions extends WorkbenchOptions {
  readonly budgets?: BudgetsSettings;
}

export function budgeted(definitions: readonly BudgetDefinition[], options: BudgetedOptions = {}): BudgetedClient {
  // As quick as the ledger in memory, which warns of itself in every test.
  const held = budgets({ ledger: sqliteLedger(':memory:'), ...options.budgets, definitions });
  const bench = workbench({ ...options, instrument: { ...options.instrument, budgets: held } });
  return {
    ...bench,
    held,
    async balance(name = definitions[0]?.name ?? '') {
      const { budgets: all } = await held.refresh();
      const balance = all.find(({ budget }) => budget.name === name)?.balance;
      return { spent: balance?.spentNanoUsd ?? -1n, reserved: balance?.reservedNanoUsd ?? -1n };
    },
    billed: () =>
      BigInt([...bench.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0)),
  };
}

/** Reads what there is to its end. */
export async function readAll(items: AsyncIterable<unknown>): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}
