import { ConfigurationError } from '../configuration-error.ts';
import type { Guard, Recorder } from '../vocabulary.ts';
import { Account, type AccountStatus, type BudgetView, type ThresholdReached } from './account.ts';
import { BudgetGuard } from './budget-guard.ts';
import type { BudgetPrices } from './budget-prices.ts';
import type { Budget, Decision } from './budget.ts';
import { loadBudgets } from './budget-file.ts';
import { checkedSettings, type BudgetsSettings } from './budget-settings.ts';
import { warnOfUnknownModels, warnOfVolatile } from './budget-warnings.ts';
import { budgetsOf, type BudgetDefinition } from './definition.ts';
import { Estimator } from './estimate.ts';
import type { LedgerKind } from './ledger.ts';
import { LedgerLink } from './ledger-link.ts';

export interface BudgetsOptions extends BudgetsSettings {
  readonly definitions: readonly BudgetDefinition[];
}

/** Where budgets are shown and counted: `instrument()` gives one for its client. */
export interface BudgetHost {
  readonly prices: BudgetPrices;
  readonly listener: BudgetListener;
}

/** Told of what budgets do. Must not throw. */
export interface BudgetListener {
  decided(budget: Budget, decision: Decision): void;
  reached(reached: ThresholdReached): void;
  /** The ledger's id is known. */
  identified(ledgerId: string): void;
  failed(stage: 'budget' | 'ledger', error: unknown): void;
}

export interface BudgetStatus extends AccountStatus {
  readonly budget: Budget;
}

export interface BudgetsStatus {
  readonly ledger: { readonly kind: LedgerKind; readonly id: string | null; readonly up: boolean };
  readonly budgets: readonly BudgetStatus[];
}

/** Budgets that share a ledger, for one client or many. */
export interface Budgets {
  readonly all: readonly BudgetView[];
  /** For `instrument()`: the guard that asks these budgets, and the recorder that settles what was spent. */
  attach(host: BudgetHost): Guard & Recorder;
  /** The ledger, and whether it answers; without asking it. */
  readonly ledger: BudgetsStatus['ledger'];
  /** What the ledger says now, waited for up to a second, or the deadline where that is longer. */
  refreshed(): Promise<BudgetsStatus>;
  /**
   * Waits until the ledger has what was spent, up to 2 s, and closes it: for the end of the process.
   * Comes back with whether the ledger has taken all; called again, with the same.
   */
  close(): Promise<boolean>;
}

/**
 * Budgets for `instrument(client, { budgets })`. Throws a `ConfigurationError` (`PLIMSOLL_BUDGETS_INVALID`) with every
 * problem of the definitions or of the settings. Warns, by `process.emitWarning`, of budgets that block or last a month in a ledger that
 * each process has for itself, and of those of a model without a price.
 *
 * @example
 * const claude = instrument(new Anthropic(), {
 *   budgets: budgets({
 *     definitions: [{ name: 'all', period: 'month', usd: 300, mode: 'block' }],
 *     ledger: sqliteLedger('budgets.db'),
 *   }),
 * });
 */
export function budgets({ definitions, ...settings }: BudgetsOptions): Budgets {
  return sharedBudgets(budgetsOf(definitions), settings);
}

/**
 * The budgets of a file, JSON or YAML; by default of the one that `PLIMSOLL_BUDGETS` names. Throws as `budgets()` does,
 * and where there is no such file.
 */
export function budgetsFromFile(path = process.env['PLIMSOLL_BUDGETS'], settings: BudgetsSettings = {}): Budgets {
  if (path === undefined || path === '') {
    throw new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', [
      'budgets: expected the path of a file, got nothing: pass one, or set PLIMSOLL_BUDGETS',
    ]);
  }
  return sharedBudgets(loadBudgets(path), settings);
}

/** As `budgets()`, of budgets that were read already. */
export function sharedBudgets(all: readonly Budget[], settings: BudgetsSettings): Budgets {
  return new SharedBudgets(all, settings);
}

const CLOSE_MS = 2_000;

class SharedBudgets implements Budgets {
  readonly all: readonly Account[];
  readonly #link: LedgerLink;
  readonly #onThreshold: BudgetsSettings['onThreshold'];
  readonly #listeners = new Set<BudgetListener>();
  readonly #estimators = new WeakMap<BudgetPrices, Estimator>();
  #identified = false;
  #closed: Promise<boolean> | undefined;

  constructor(definitions: readonly Budget[], settings: BudgetsSettings) {
    const { ledger, clock, timers, random, deadlineMs, holdMs } = checkedSettings(settings);
    this.#onThreshold = settings.onThreshold;
    this.#link = new LedgerLink({
      ...{ ledger, clock, timers, random, deadlineMs, holdMs },
      onError: (error) => this.#failed('ledger', error),
      onUp: () => this.#identify(),
    });
    this.all = definitions.map((budget) => new Account(budget, this.#link, (reached) => this.#reached(reached)));
    if (ledger.kind === 'memory') warnOfVolatile(definitions);
  }

  get ledger(): BudgetsStatus['ledger'] {
    const { ledger, up } = this.#link;
    return { kind: ledger.kind, id: ledger.id(), up };
  }

  attach({ prices, listener }: BudgetHost): Guard & Recorder {
    this.#listeners.add(listener);
    const id = this.#link.ledger.id();
    if (id !== null) listener.identified(id);
    else void this.refreshed().then(() => this.#identify());
    let estimator = this.#estimators.get(prices);
    if (estimator === undefined) {
      estimator = new Estimator(prices);
      this.#estimators.set(prices, estimator);
      warnOfUnknownModels(
        this.all.map(({ budget }) => budget),
        prices,
        this.#link.clock.epochMs(),
      );
    }
    const onDecision = (budget: Budget, decision: Decision): void => listener.decided(budget, decision);
    return new BudgetGuard({ accounts: this.all, estimator, onDecision });
  }

  async refreshed(): Promise<BudgetsStatus> {
    const statuses = await Promise.all(
      this.all.map(async (account) => ({ budget: account.budget, ...(await account.refreshed()) })),
    );
    return { ledger: this.ledger, budgets: statuses };
  }

  close(): Promise<boolean> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<boolean> {
    const isTaken = await this.#link.drained(CLOSE_MS);
    this.#link.close();
    await this.#link.ledger.close();
    return isTaken;
  }

  #identify(): void {
    const id = this.#link.ledger.id();
    if (id === null || this.#identified) return;
    this.#identified = true;
    for (const listener of this.#listeners) listener.identified(id);
  }

  #reached(reached: ThresholdReached): void {
    for (const listener of this.#listeners) listener.reached(reached);
    const failed = (error: unknown): void => this.#failed('budget', error);
    try {
      void Promise.resolve(this.#onThreshold?.(reached)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  #failed(stage: 'budget' | 'ledger', error: unknown): void {
    for (const listener of this.#listeners) listener.failed(stage, error);
  }
}
