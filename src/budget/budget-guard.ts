import type { SeenBatch } from '../answers.ts';
import type { CallSpend, GuardedRequest, SpendGuard } from '../decisions.ts';
import type { Attempt, BatchResult, Call } from '../vocabulary.ts';
import type { Account } from './account.ts';
import { exceededError, type BudgetRefusal } from './budget-exceeded.ts';
import {
  canonicalScope,
  costInScope,
  costsItsHold,
  expectedInScope,
  dueCost,
  inScope,
  spanAt,
  type Budget,
  type BudgetCounts,
  type Decision,
  type OnLedgerDown,
  type Scope,
} from './budget.ts';
import type { Estimate, Estimator } from './estimate.ts';
import type { Balance, Verdict } from './ledger.ts';
import type { HoldRequest } from './reservations.ts';

interface BudgetGuardOptions {
  readonly accounts: readonly Account[];
  readonly estimator: Estimator;
  /** Returns the counters of a budget; called once for each account. Default: nothing is counted. */
  readonly counts?: (budget: Budget) => BudgetCounts;
  /**
   * What a call costs that was left before its end: `seen`, what was seen of it, or `held`, all that it held, so that who
   * leaves pays the most.
   */
  readonly leftCalls?: 'seen' | 'held';
  /** For budgets that do not say. */
  readonly onLedgerDown: OnLedgerDown;
}

const UNCOUNTED: BudgetCounts = { decided: () => undefined, spent: () => undefined };

/** An account, and the calls that count for it. */
interface ScopedAccount {
  readonly account: Account;
  readonly counts: BudgetCounts;
  /** Models have their canonical ids. */
  readonly scope: Scope;
}

const NONE: readonly Reservation[] = [];

/** Reserves the expected cost of a call before it is sent, and settles its actual cost when it has ended. */
export class BudgetGuard implements SpendGuard {
  readonly #accounts: readonly ScopedAccount[];
  readonly #options: BudgetGuardOptions;

  constructor(options: BudgetGuardOptions) {
    const { accounts, estimator, counts } = options;
    this.#options = options;
    this.#accounts = accounts.map((account) => ({
      account,
      counts: counts?.(account.budget) ?? UNCOUNTED,
      scope: canonicalScope(account.budget.scope, (id) => estimator.canonicalModel(id)),
    }));
  }

  started(call: Call): CallSpend {
    let reservations: Reservation[] | null = null;
    for (const { account, counts, scope } of this.#accounts) {
      if (!inScope(scope, call)) continue;
      const reservation = { account, counts, scope, askedNanoUsd: null, request: null, heldNanoUsd: 0n, atMs: null };
      if (reservations === null) reservations = [reservation];
      else reservations.push(reservation);
    }
    return new BudgetedCall(call, reservations ?? NONE, this.#options);
  }
}

/** The amount that a call reserves on one budget. */
interface Reservation extends ScopedAccount {
  /** What it asks for; `null` where nothing of the call counts for the budget. */
  askedNanoUsd: bigint | null;
  /** Where all were requested together. */
  request: HoldRequest | null;
  heldNanoUsd: bigint;
  /** The start of the call by the clock of the ledger; `null` before the ledger was asked for anything. */
  atMs: number | null;
}

/** The refusal of one budget. */
interface Refused {
  readonly reservation: Reservation;
  readonly reason: BudgetRefusal;
  readonly balance: Balance | null;
}

/** One call, with its reservations on the budgets that count it. */
class BudgetedCall implements CallSpend {
  readonly #call: Call;
  readonly #reservations: readonly Reservation[];
  readonly #options: BudgetGuardOptions;
  /**
   * Only one budget can block the call. With several, those that grant would keep their amount from the calls gathered behind
   * this one until another has refused.
   */
  readonly #mayGather: boolean;
  #estimate: Estimate | null = null;
  #isHolding = false;
  #wasAsked = false;
  /** A budget that refuses what is being decided. */
  #refused: Refused | null = null;
  #isAnswered = false;
  /** Attempts that were sent, and left before an answer. */
  #left = 0;
  /** Those of them that were charged with what they held. */
  #covered = 0;
  #isOver = false;

  constructor(call: Call, reservations: readonly Reservation[], options: BudgetGuardOptions) {
    this.#call = call;
    this.#reservations = reservations;
    this.#options = options;
    let blocking = 0;
    for (const { account } of reservations) if (account.budget.mode === 'block') blocking += 1;
    this.#mayGather = blocking === 1;
  }

  /**
   * Reserves on all budgets that the call counts for, unless it still holds what it reserved for an attempt before. Throws
   * or rejects with a `BudgetExceededError` where one refuses. What another organization pays is nothing to a budget.
   */
  admit(request: GuardedRequest): undefined | Promise<undefined> {
    if (this.#isHolding || this.#call.isBilledToAnother) return undefined;
    this.#isHolding = true;
    this.#estimate = this.#options.estimator.estimate(this.#call, request);
    if (this.#estimate === null) return undefined;
    for (const reservation of this.#reservations) this.#ask(reservation, this.#estimate);
    // Those that would grant the amount would keep it from other calls for the time of a round trip.
    if (this.#refused !== null) return this.#conclude();
    if (this.#reservations.length > 1) this.#requestTogether();
    let waiting: Promise<undefined>[] | null = null;
    for (const reservation of this.#reservations) {
      const answer = this.#reserve(reservation);
      if (answer !== undefined) (waiting ??= []).push(answer);
    }
    return waiting === null ? this.#conclude() : Promise.all(waiting).then(() => this.#conclude());
  }

  /** Says what the call may cost the budget, and refuses where that is known not to fit. */
  #ask(reservation: Reservation, estimate: Estimate): void {
    const { account, scope } = reservation;
    const nanoUsd = expectedInScope(scope, estimate);
    reservation.askedNanoUsd = nanoUsd === undefined ? null : nanoUsd === null ? 0n : this.#negotiated(nanoUsd);
    if (account.budget.mode !== 'block' || nanoUsd === undefined) return;
    // A ledger that has not told its time yet has told nothing.
    const isKnown = account.time() === undefined;
    if (nanoUsd === null) {
      if (account.budget.onUnknownPrice !== 'block') return;
      const balance = isKnown ? account.known(this.#atMs(reservation)) : null;
      this.#refuse({ reservation, reason: 'unknown_price', balance }, 'blocked');
    } else if (isKnown) {
      const balance = account.usedUp(reservation.askedNanoUsd ?? 0n, this.#atMs(reservation));
      if (balance !== null) this.#refuse({ reservation, reason: 'exceeded', balance }, 'blocked');
    }
  }

  /**
   * Releases what was held where the attempt was refused: nothing can be spent on it, however long the wait for the next.
   * After a failure the server may still be at work, so the hold stays.
   */
  attemptOver(status: Attempt['status'] | 'unsent'): void {
    if (status === 'cancelled' || status === 'timeout') this.#left += 1;
    if (status === 'unsent') this.#release();
    if (typeof status !== 'number') return;
    this.#isAnswered = status < 400;
    if (!this.#isAnswered) this.#release();
  }

  promptTokens(): number | null {
    return this.#estimate?.promptTokens ?? null;
  }

  /** The next attempt reserves anew. One that may have been billed is taken to have cost what it held. */
  retried(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#covered = this.#left;
    for (const reservation of this.#reservations) {
      const { account, counts, heldNanoUsd } = reservation;
      reservation.heldNanoUsd = 0n;
      if (heldNanoUsd === 0n) continue;
      account.settle(this.#atMs(reservation), heldNanoUsd, heldNanoUsd);
      counts.spent(heldNanoUsd);
    }
  }

  /** Settles what the call cost on every budget that it counts for, whether or not the budget was asked before. */
  finished(): void {
    this.#isOver = true;
    const chargesAll = this.#options.leftCalls === 'held';
    const { cost, outcome, stopReason, isBilledToAnother } = this.#call;
    const isSent = this.#isAnswered || (this.#left > 0 && chargesAll);
    const chargesHold = costsItsHold(this.#call, isSent, chargesAll);
    const due = isBilledToAnother ? null : dueCost(this.#call, this.#covered);
    for (const reservation of this.#reservations) {
      const { account, counts, scope, heldNanoUsd } = reservation;
      const knownNanoUsd = due === null ? this.#leftNanoUsd(scope) : this.#negotiated(costInScope(scope, due));
      const spentNanoUsd = chargesHold && heldNanoUsd > knownNanoUsd ? heldNanoUsd : knownNanoUsd;
      reservation.heldNanoUsd = 0n;
      if (heldNanoUsd !== 0n || spentNanoUsd !== 0n) account.settle(this.#atMs(reservation), heldNanoUsd, spentNanoUsd);
      if (spentNanoUsd !== 0n) counts.spent(spentNanoUsd);
    }
    if (outcome !== 'ok' || stopReason === 'refusal' || this.#estimate === null || cost === null) return;
    this.#options.estimator.learn(this.#estimate, cost);
  }

  /** The prompts that were left of calls whose cost does not have them: the API has read them, and says nothing. */
  #leftNanoUsd(scope: Scope): bigint {
    const left = this.#left - this.#covered;
    if (left === 0 || this.#estimate === null) return 0n;
    let sum = 0n;
    for (const { model, promptNanoUsd } of this.#estimate.parts) {
      if (scope.kind !== 'model' || model === scope.model) sum += BigInt(promptNanoUsd);
    }
    return this.#negotiated(sum * BigInt(left));
  }

  /** Settles the cost of a batch result, which is known and counted when the result is read. */
  batchResult({ cost }: BatchResult): void {
    if (cost === null) return;
    for (const reservation of this.#reservations) {
      const { account, counts, scope } = reservation;
      const spentNanoUsd = this.#negotiated(costInScope(scope, cost));
      if (spentNanoUsd === 0n) continue;
      account.settle(this.#atMs(reservation), 0n, spentNanoUsd);
      counts.spent(spentNanoUsd);
    }
  }

  /** Budgets run on what the key pays, not on the list price. */
  #negotiated(nanoUsd: bigint): bigint {
    return this.#options.estimator.negotiated(nanoUsd, this.#call.key);
  }

  /**
   * A batch that was made holds what its requests may cost until its results are read, or until it has ended without any
   * that are billed. Of an ended one only the requests that succeeded hold anything.
   */
  batchSeen({ id, hasEnded, wasRead, counts }: SeenBatch): void {
    const isNew = this.#call.operation === 'messages.batches.create';
    for (const reservation of this.#reservations) {
      const { account, heldNanoUsd } = reservation;
      const atMs = this.#atMs(reservation);
      if (isNew) {
        if (heldNanoUsd !== 0n) account.holdBatch(id, heldNanoUsd, atMs);
      } else if (wasRead || (hasEnded && counts?.succeeded === 0)) account.releaseBatch(id, atMs);
      else if (hasEnded && counts !== null) account.keepBatch(id, counts.succeeded, counts.requests);
    }
  }

  /** A file is written once for all budgets, before the call is sent. */
  #requestTogether(): void {
    const [first] = this.#reservations;
    if (first?.account.groups !== true) return;
    first.account.together(() => {
      for (const reservation of this.#reservations) {
        const { account, askedNanoUsd } = reservation;
        if (askedNanoUsd !== null) reservation.request = account.request(askedNanoUsd, this.#atMs(reservation));
      }
    });
  }

  /** Returns a promise where the ledger does not answer at once. */
  #reserve(reservation: Reservation): undefined | Promise<undefined> {
    const { account, askedNanoUsd, request } = reservation;
    if (askedNanoUsd === null) return undefined;
    const { mode } = account.budget;
    const timed = account.time();
    if (timed !== undefined) return timed.then(() => this.#reserve(reservation));
    const atMs = this.#atMs(reservation);
    const verdict =
      request === null
        ? account.reserve(askedNanoUsd, atMs, mode === 'block' && this.#mayGather)
        : account.answer(request, atMs);
    reservation.request = null;
    if (!(verdict instanceof Promise)) return this.#answered(reservation, verdict);
    if (mode === 'block') return verdict.then((late) => this.#answered(reservation, late));
    // Nothing depends on the answer but a count: the call does not wait for it.
    reservation.heldNanoUsd = askedNanoUsd;
    return this.#allow(reservation, account.known(atMs), askedNanoUsd);
  }

  #answered(reservation: Reservation, { kind, balance, isCovered }: Verdict): undefined {
    if (kind === 'refused') return this.#refuse({ reservation, reason: 'exceeded', balance }, 'blocked');
    reservation.heldNanoUsd = reservation.askedNanoUsd ?? 0n;
    if (kind === 'granted') return this.#allow(reservation, balance, 0n);
    const { mode, onLedgerDown } = reservation.account.budget;
    const rule = mode === 'block' ? (onLedgerDown ?? this.#options.onLedgerDown) : 'open';
    if (rule === 'closed' || (rule === 'bounded' && !isCovered))
      return this.#refuse({ reservation, reason: 'ledger_unavailable', balance }, 'unavailable');
    reservation.counts.decided('unavailable');
    return undefined;
  }

  /**
   * Of a call that is sent again, only what is another answer counts. `besides`: what is reserved for the call and not yet
   * part of the balance.
   */
  #allow({ account, counts }: Reservation, balance: Balance | null, besides: bigint): undefined {
    if (this.#wasAsked) return;
    const { mode, limitNanoUsd } = account.budget;
    const isOver =
      mode === 'warn' && balance !== null && balance.spentNanoUsd + balance.reservedNanoUsd + besides > limitNanoUsd;
    counts.decided(isOver ? 'warned' : 'allowed');
  }

  /** Of several that refuse, the last to reset is named. */
  #refuse(refused: Refused, decision: Decision): undefined {
    refused.reservation.counts.decided(decision);
    if (this.#refused === null || this.#resetsAtMs(refused) > this.#resetsAtMs(this.#refused)) this.#refused = refused;
  }

  #conclude(): undefined {
    const refused = this.#refused;
    this.#refused = null;
    this.#wasAsked = true;
    if (refused !== null || this.#isOver) this.#release();
    if (refused !== null) throw exceededError(refused.reservation.account.budget, refused, this.#resetsAtMs(refused));
    return undefined;
  }

  #release(): void {
    this.#isHolding = false;
    for (const reservation of this.#reservations) {
      if (reservation.heldNanoUsd === 0n) continue;
      reservation.account.settle(this.#atMs(reservation), reservation.heldNanoUsd, 0n);
      reservation.heldNanoUsd = 0n;
    }
  }

  #resetsAtMs({ reservation }: Refused): number {
    return spanAt(reservation.account.budget.period, this.#atMs(reservation)).endMs;
  }

  /** The start of the call by the clock of the ledger: the same for all that is held and settled. */
  #atMs(reservation: Reservation): number {
    return (reservation.atMs ??= reservation.account.ledgerTimeOf(this.#call.startedAtMs));
  }
}
