import { ConfigurationError, unfit } from '../errors.ts';
import type { SpendGuard } from '../decisions.ts';
import { Account, type AccountStatus, type BudgetView, type ThresholdReached } from './account.ts';
import { BudgetGuard } from './budget-guard.ts';
import { isVolatileInMemory, type Budget, type BudgetCounts, type OnLedgerDown } from './budget.ts';
import { budgetsOf, loadBudgets } from './definition.ts';
import type { BudgetPrices } from './budget-prices.ts';
import { Estimator } from './estimate.ts';
import { LedgerLink } from './ledger-link.ts';
import { LedgerLossError, type LedgerKind } from './ledger.ts';
import { checkedOptions, checkedSettings, type BudgetsOptions, type BudgetsSettings } from './settings.ts';

/** Budgets that share a ledger, for one client or many. */
export interface Budgets {
  readonly all: readonly BudgetView[];
  /** For `instrument()`: reserves on these budgets before each call, and settles after it. */
  attach(host: BudgetHost): SpendGuard;
  /** The ledger, and whether its last answer arrived. Does not ask the ledger. */
  readonly ledger: BudgetsStatus['ledger'];
  /** Reads all budgets from the ledger. Waits up to a second, or `deadlineMs` if that is longer. */
  refresh(): Promise<BudgetsStatus>;
  /**
   * Waits until the ledger has stored the spend of all calls that have ended, for at most 2 s. Resolves with whether it has. A
   * ledger that does not answer gets the rest later, if the process still runs.
   */
  flush(): Promise<boolean>;
  /**
   * Gathers reservations from now on: the calls of one turn of the event loop that only one budget can block reserve in one
   * SQLite transaction, before any of them is sent. For a process with many at once: each waits for the end of its turn.
   */
  gather(): void;
  /** From now on, tells `watch` whenever the ledger begins to fail, and when it answers again. */
  watchLedger(watch: LedgerWatch): void;
  /**
   * Closes the ledger at the end of the process, as soon as it has stored all spend, after at most 2 s. Resolves with
   * whether it has stored everything, also when called again.
   */
  close(): Promise<boolean>;
}

/** Is told when the ledger fails, with its error, and by `null` when it answers again. Must not throw. */
type LedgerWatch = (error: unknown) => void;

export interface BudgetStatus extends AccountStatus {
  readonly budget: Budget;
}

/** What all budgets have spent, hold and have left. Amounts are nano-dollars. */
export interface BudgetsStatus {
  readonly ledger: { readonly kind: LedgerKind; readonly id: string | null; readonly up: boolean };
  readonly budgets: readonly BudgetStatus[];
}

/** The client that budgets are attached to: its prices, and the listener that its budgets report to. */
export interface BudgetHost {
  readonly prices: BudgetPrices;
  readonly listener: BudgetListener;
  /** For budgets in mode `block` that do not say what becomes of calls while the ledger does not answer. Default: `bounded`. */
  readonly onLedgerDown?: OnLedgerDown | undefined;
}

/** Listens to what budgets do. Must not throw. */
export interface BudgetListener {
  /** Returns the counters of a budget for calls of the attached client. */
  counts(budget: Budget): BudgetCounts;
  /** Called once a period for each threshold that a budget reaches. */
  reached(reached: ThresholdReached): void;
  /** The ledger's id is known, or another: it was emptied, and a process that knew no id came first. */
  identified(ledgerId: string): void;
  /** plimsoll's own code, or the ledger, failed. The call goes on as `onLedgerDown` says. */
  failed(stage: 'budget' | 'ledger', error: unknown): void;
}

/**
 * Makes budgets for `instrument(client, { budgets })`. Throws a `ConfigurationError` (`PLIMSOLL_BUDGETS_INVALID`) with
 * every problem of the definitions or of the settings. Warns, with `process.emitWarning`, of budgets that block or last a
 * month while their ledger is in memory, and of budgets for a model without a price.
 *
 * @example
 * const claude = instrument(new Anthropic(), {
 *   budgets: budgets({
 *     definitions: [{ name: 'all', period: 'month', usd: 300, mode: 'block' }],
 *     ledger: sqliteLedger('budgets.db'),
 *   }),
 * });
 */
export function budgets(options: BudgetsOptions): Budgets {
  const { definitions, ...settings } = checkedOptions(options);
  return sharedBudgets(budgetsOf(definitions), settings);
}

/**
 * Makes the budgets of a file, JSON or YAML; by default the file that `PLIMSOLL_BUDGETS` names. Throws as `budgets()`
 * does, and if there is no such file.
 */
export function budgetsFromFile(path = process.env['PLIMSOLL_BUDGETS'], settings: BudgetsSettings = {}): Budgets {
  if (path === undefined || path === '') {
    const wanted = { expected: 'the path of a file', advice: 'pass one, or set PLIMSOLL_BUDGETS' };
    throw new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', [unfit('budgets', undefined, wanted)]);
  }
  return sharedBudgets(loadBudgets(path), settings);
}

/** Makes budgets from parsed definitions; otherwise like `budgets()`. */
export function sharedBudgets(all: readonly Budget[], settings: BudgetsSettings): Budgets {
  return new SharedBudgets(all, settings);
}

const DRAIN_MS = 2_000;

const WARNING = 'PlimsollWarning';

class SharedBudgets implements Budgets {
  readonly all: readonly Account[];
  readonly #link: LedgerLink;
  readonly #onThreshold: BudgetsSettings['onThreshold'];
  readonly #unseenTokens: number;
  readonly #listeners = new Set<BudgetListener>();
  readonly #watches = new Set<LedgerWatch>();
  readonly #estimators = new WeakMap<BudgetPrices, Estimator>();
  #identified: string | null = null;
  #hasLost = false;
  #closed: Promise<boolean> | undefined;

  constructor(definitions: readonly Budget[], settings: BudgetsSettings) {
    const { ledger, clock, timers, random, deadlineMs, holdMs, unseenTokens } = checkedSettings(settings);
    this.#onThreshold = settings.onThreshold;
    this.#unseenTokens = unseenTokens;
    this.#link = new LedgerLink({
      ledger,
      clock,
      timers,
      random,
      deadlineMs,
      holdMs,
      onError: (error) => this.#ledgerFailed(error),
      onUp: () => this.#ledgerAnswers(),
      onLoss: (lostNanoUsd) => this.#ledgerLost(lostNanoUsd),
    });
    this.all = definitions.map((budget) => new Account(budget, this.#link, (reached) => this.#reached(reached)));
    if (ledger.kind === 'memory') warnOfVolatile(definitions);
  }

  get ledger(): BudgetsStatus['ledger'] {
    const { ledger, up } = this.#link;
    return { kind: ledger.kind, id: ledger.id(), up };
  }

  attach({ prices, listener, onLedgerDown = 'bounded' }: BudgetHost): SpendGuard {
    this.#listeners.add(listener);
    const id = this.#link.ledger.id();
    if (id !== null) listener.identified(id);
    else void this.refresh().then(() => this.#identify());
    let estimator = this.#estimators.get(prices);
    if (estimator === undefined) {
      estimator = new Estimator(prices, { unseenTokens: this.#unseenTokens });
      this.#estimators.set(prices, estimator);
      warnOfUnknownModels(
        this.all.map(({ budget }) => budget),
        prices,
        this.#link.nowMs(),
      );
    }
    const counts = (budget: Budget): BudgetCounts => listener.counts(budget);
    return new BudgetGuard({ accounts: this.all, estimator, counts, onLedgerDown });
  }

  async refresh(): Promise<BudgetsStatus> {
    const statuses = await Promise.all(
      this.all.map(async (account) => ({ budget: account.budget, ...(await account.refresh()) })),
    );
    return { ledger: this.ledger, budgets: statuses };
  }

  gather(): void {
    this.#link.gathers = this.#link.ledger.kind === 'sqlite';
  }

  watchLedger(watch: LedgerWatch): void {
    this.#watches.add(watch);
  }

  #ledgerFailed(error: unknown): void {
    this.#failed('ledger', error);
    for (const watch of this.#watches) watch(error);
  }

  #ledgerAnswers(): void {
    this.#identify();
    for (const watch of this.#watches) watch(null);
  }

  #ledgerLost(lostNanoUsd: bigint): void {
    const loss = new LedgerLossError(lostNanoUsd);
    this.#failed('ledger', loss);
    const detail = 'Keep the file, or set "maxmemory-policy noeviction" and "appendonly yes" in Redis.';
    if (!this.#hasLost) process.emitWarning(loss.message, { type: WARNING, code: loss.code, detail });
    this.#hasLost = true;
    void this.refresh().then(() => this.#identify());
  }

  flush(): Promise<boolean> {
    return this.#link.drain(DRAIN_MS);
  }

  close(): Promise<boolean> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<boolean> {
    const isTaken = await this.#link.drain(DRAIN_MS);
    this.#link.close();
    await this.#link.ledger.close();
    return isTaken;
  }

  #identify(): void {
    const id = this.#link.ledger.id();
    if (id === null || id === this.#identified) return;
    this.#identified = id;
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

function warnOfVolatile(budgets: readonly Budget[]): void {
  warn(budgets.filter(isVolatileInMemory), {
    says: 'Budgets kept in memory: each replica enforces separately; lost on restart',
    code: 'PLIMSOLL_VOLATILE_LEDGER',
    detail: 'Pass a ledger that outlives the process: sqliteLedger(path) on one machine, redisLedger(url) for a fleet.',
  });
}

/** Warns of budgets for models without a price: such a name may be a typo that no call will ever match. */
function warnOfUnknownModels(budgets: readonly Budget[], prices: BudgetPrices, atMs: number): void {
  const isUnknown = ({ scope }: Budget): boolean =>
    scope.kind === 'model' && prices.priceAt(prices.canonicalModel(scope.model), atMs) === null;
  warn(budgets.filter(isUnknown), {
    says: 'Budgets of a model that the price table does not know: they may count nothing',
    code: 'PLIMSOLL_BUDGET_MODEL_UNKNOWN',
    detail: 'Check the id of the model against `plimsoll prices`, or give it a price.',
  });
}

interface Warning {
  readonly says: string;
  readonly code: string;
  readonly detail: string;
}

function warn(budgets: readonly Budget[], { says, code, detail }: Warning): void {
  if (budgets.length === 0) return;
  const names = budgets.map(({ name }) => name).join(', ');
  process.emitWarning(`${says} (${names}).`, { type: WARNING, code, detail });
}
