import { usdOf } from '../figures.ts';
import type { Admission, BatchResult, Call, Guard, GuardedRequest, Recorder } from '../vocabulary.ts';
import type { Account } from './account.ts';
import { BudgetExceededError, type BudgetRefusal } from './budget-exceeded.ts';
import { canonicalScope, inScope, shareOf, spanAt, type Budget, type Decision, type Scope } from './budget.ts';
import type { Estimate, Estimator } from './estimate.ts';
import type { Balance, Eventually } from './ledger.ts';
import type { Verdict } from './reservations.ts';

export interface BudgetGuardOptions {
  readonly accounts: readonly Account[];
  readonly estimator: Estimator;
  readonly onDecision: (budget: Budget, decision: Decision) => void;
}

/** A budget, and the calls that count for it. */
interface Scoped {
  readonly account: Account;
  /** A model is named canonically. */
  readonly scope: Scope;
}

/** What a call holds of a budget. */
interface Claim {
  readonly account: Account;
  /** `null`: the model has no price. */
  readonly expectedNanoUsd: bigint | null;
  heldNanoUsd: bigint;
}

interface Claims {
  readonly estimate: Estimate;
  readonly claims: readonly Claim[];
}

/** What a budget says to one call. */
interface Answer {
  readonly claim: Claim;
  readonly decision: Decision;
  readonly refusal: BudgetRefusal | null;
  readonly balance: Balance | null;
}

/** Holds what a call will probably cost before it is sent, and puts the truth in its place when it has ended. */
export class BudgetGuard implements Guard, Recorder {
  readonly #scoped: readonly Scoped[];
  readonly #estimator: Estimator;
  readonly #onDecision: BudgetGuardOptions['onDecision'];
  readonly #claims = new WeakMap<Call, Claims>();

  constructor({ accounts, estimator, onDecision }: BudgetGuardOptions) {
    this.#scoped = accounts.map((account) => ({
      account,
      scope: canonicalScope(account.budget.scope, (id) => estimator.canonicalModel(id)),
    }));
    this.#estimator = estimator;
    this.#onDecision = onDecision;
  }

  /** All budgets that the call counts for must allow it. Throws or rejects with a `BudgetExceededError`. */
  admit(call: Call, request: GuardedRequest): Admission | Promise<Admission> {
    const estimate = this.#estimator.estimate(call, request);
    if (estimate === null) return undefined;
    const claims = this.#scoped.flatMap((scoped) => claimOn(scoped, call, estimate));
    this.#claims.set(call, { estimate, claims });
    const answers = claims.map((claim) => asked(claim, call.startedAtMs));
    const waits = answers.some((answer) => answer instanceof Promise);
    if (!waits) return this.#decide(call, answers as readonly Answer[]);
    return Promise.all(answers.map(async (answer) => answer)).then((heard) => this.#decide(call, heard));
  }

  /** What was spent is counted for every budget of the call, whether or not it was asked before. */
  finished(call: Call): void {
    const admitted = this.#claims.get(call);
    this.#claims.delete(call);
    const { cost } = call;
    for (const { account, scope } of this.#scoped) {
      const held = admitted?.claims.find((claim) => claim.account === account)?.heldNanoUsd ?? 0n;
      const spent = cost === null ? 0n : shareOf(scope, call, cost);
      if (held !== 0n || spent !== 0n) account.settle(call.startedAtMs, held, spent);
    }
    if (admitted !== undefined && cost !== null) this.#estimator.learn(admitted.estimate, cost);
  }

  /** What a batch cost is known, and counted, when its results are read. */
  batchResult(call: Call, { cost }: BatchResult): void {
    if (cost === null) return;
    for (const { account, scope } of this.#scoped) {
      const spent = shareOf(scope, call, cost);
      if (spent !== 0n) account.settle(call.startedAtMs, 0n, spent);
    }
  }

  #decide(call: Call, answers: readonly Answer[]): undefined {
    for (const { claim, decision } of answers) this.#onDecision(claim.account.budget, decision);
    const refused = answers.filter(({ refusal }) => refusal !== null);
    const isOver = !this.#claims.has(call);
    if (refused.length > 0 || isOver) for (const { claim } of answers) letGo(claim, call.startedAtMs);
    if (refused.length > 0) throw strictest(refused, call.startedAtMs);
    return undefined;
  }
}

function letGo(claim: Claim, atMs: number): void {
  if (claim.heldNanoUsd !== 0n) claim.account.settle(atMs, claim.heldNanoUsd, 0n);
  claim.heldNanoUsd = 0n;
}

function claimOn({ account, scope }: Scoped, call: Call, { parts }: Estimate): readonly Claim[] {
  if (!inScope(scope, call)) return [];
  const counted = scope.kind === 'model' ? parts.filter(({ model }) => model === scope.model) : parts;
  if (counted.length === 0) return [];
  let expectedNanoUsd: bigint | null = 0n;
  for (const { nanoUsd } of counted) {
    expectedNanoUsd = expectedNanoUsd === null || nanoUsd === null ? null : expectedNanoUsd + nanoUsd;
  }
  return [{ account, expectedNanoUsd, heldNanoUsd: 0n }];
}

function asked(claim: Claim, atMs: number): Eventually<Answer> {
  const { account, expectedNanoUsd } = claim;
  const { mode, onUnknownPrice } = account.budget;
  if (expectedNanoUsd === null && onUnknownPrice === 'block' && mode === 'block') {
    return { claim, decision: 'blocked', refusal: 'unknown_price', balance: account.known(atMs) };
  }
  const nanoUsd = expectedNanoUsd ?? 0n;
  const verdict = account.reserve(nanoUsd, atMs);
  if (!(verdict instanceof Promise)) return answer(claim, nanoUsd, verdict);
  if (mode === 'block') return verdict.then((heard) => answer(claim, nanoUsd, heard));
  // Nothing depends on the answer but a count: the call does not wait for it.
  claim.heldNanoUsd = nanoUsd;
  return unasked(claim, nanoUsd, account.known(atMs));
}

function answer(claim: Claim, nanoUsd: bigint, { kind, balance }: Verdict): Answer {
  const { budget } = claim.account;
  if (kind !== 'refused') claim.heldNanoUsd = nanoUsd;
  if (kind === 'refused') return { claim, decision: 'blocked', refusal: 'exceeded', balance };
  if (kind === 'unavailable') {
    const isClosed = budget.mode === 'block' && budget.onLedgerDown === 'closed';
    return { claim, decision: 'unavailable', refusal: isClosed ? 'ledger_unavailable' : null, balance };
  }
  return { claim, decision: isOver(budget, balance, 0n) ? 'warned' : 'allowed', refusal: null, balance };
}

function unasked(claim: Claim, nanoUsd: bigint, balance: Balance | null): Answer {
  const isWarned = isOver(claim.account.budget, balance, nanoUsd);
  return { claim, decision: isWarned ? 'warned' : 'allowed', refusal: null, balance };
}

function isOver({ mode, limitNanoUsd }: Budget, balance: Balance | null, besides: bigint): boolean {
  if (mode !== 'warn' || balance === null) return false;
  return balance.spentNanoUsd + balance.reservedNanoUsd + besides > limitNanoUsd;
}

/** Of several budgets that refuse, the one that resets last says when another try makes sense. */
function strictest(refused: readonly Answer[], atMs: number): BudgetExceededError {
  const errors = refused.map(({ claim, refusal, balance }) => {
    const { name, limitNanoUsd, period } = claim.account.budget;
    return new BudgetExceededError({
      reason: refusal ?? 'exceeded',
      budget: name,
      limitUsd: usdOf(limitNanoUsd),
      spentUsd: balance && usdOf(balance.spentNanoUsd),
      reservedUsd: balance && usdOf(balance.reservedNanoUsd),
      resetsAt: new Date(spanAt(period, atMs).endMs),
    });
  });
  return errors.reduce((latest, error) => (error.resetsAt > latest.resetsAt ? error : latest));
}
