import { WORKER_EXITS, type FaultPart, type WorkerExit } from '../record/metrics/catalogue-gateway.ts';
import { OUTCOMES, RATE_LIMIT_REASONS, type Outcome, type RateLimitReason, type SpendScope } from '../vocabulary.ts';

/**
 * Which alert covers what: a new reason, scope or outcome compiles only after somebody has decided which alert covers
 * it. The runbook of that alert says what to do.
 */

/** The alert on 429s of each reason. */
export const ALERT_OF_REASON = {
  requests: 'PlimsollRateLimited',
  input_tokens: 'PlimsollRateLimited',
  output_tokens: 'PlimsollRateLimited',
  tokens: 'PlimsollRateLimited',
  fast_mode: 'PlimsollRateLimited',
  acceleration: 'PlimsollAccelerationLimited',
  concurrency: 'PlimsollRateLimited',
  prompt_too_large: 'PlimsollRateLimited',
  long_context: 'PlimsollRateLimited',
  spend_limit: 'PlimsollSpendCapReached',
  contract_spend_limit: 'PlimsollSpendCapReached',
  client_limit: 'PlimsollRateLimited',
  unknown: 'PlimsollRateLimited',
} as const satisfies Readonly<Record<RateLimitReason, `Plimsoll${string}`>>;

/** The alert on refusals by each spend limit. */
export const ALERT_OF_SCOPE = {
  tier: 'PlimsollSpendCapReached',
  contract: 'PlimsollSpendCapReached',
  organization: 'PlimsollSpendCapReached',
  workspace: 'PlimsollSpendCapReached',
  linked_organization: 'PlimsollSpendCapReached',
  account: 'PlimsollSpendCapReached',
  gateway: 'PlimsollSpendCapReached',
  credit: 'PlimsollSpendCapReached',
  billing: 'PlimsollSpendCapReached',
} as const satisfies Readonly<Record<SpendScope, `Plimsoll${string}`>>;

/** The alert on calls that end so; `null` if calls end as their caller made them end, which is no incident. */
export const ALERT_OF_OUTCOME = {
  ok: null,
  rate_limited: 'PlimsollErrorBudgetBurn',
  spend_limited: 'PlimsollSpendCapReached',
  overloaded: 'PlimsollErrorBudgetBurn',
  server_error: 'PlimsollErrorBudgetBurn',
  timeout: 'PlimsollErrorBudgetBurn',
  connection_error: 'PlimsollErrorBudgetBurn',
  invalid_request: null,
  unauthorized: 'PlimsollUnauthorized',
  not_found: null,
  too_large: null,
  out_of_credit: 'PlimsollSpendCapReached',
  payment_required: 'PlimsollSpendCapReached',
  cancelled: null,
  stream_error: 'PlimsollErrorBudgetBurn',
  truncated: 'PlimsollErrorBudgetBurn',
  abandoned: null,
  blocked: 'PlimsollBudgetBlocks',
  failed_over: null,
} as const satisfies Readonly<Record<Outcome, `Plimsoll${string}` | null>>;

/** The alert on faults of each part that a gateway needs. */
export const ALERT_OF_PART = {
  api: 'PlimsollGatewayFaults',
  key: 'PlimsollGatewayFaults',
  ledger: 'PlimsollLedgerDown',
  tokens: 'PlimsollGatewayRefuses',
} as const satisfies Readonly<Record<FaultPart, `Plimsoll${string}`>>;

/** The alert on gateway workers that end this way; `null` for an end that was asked for. */
export const ALERT_OF_WORKER_EXIT = {
  hung: 'PlimsollGatewayWorkers',
  killed: 'PlimsollGatewayWorkers',
  failed: 'PlimsollGatewayWorkers',
  left: 'PlimsollGatewayWorkers',
  replaced: null,
} as const satisfies Readonly<Record<WorkerExit, `Plimsoll${string}` | null>>;

/** Causes of exits that nobody asked for, as a matcher. */
export const UNWANTED_EXITS = WORKER_EXITS.filter((cause) => ALERT_OF_WORKER_EXIT[cause] !== null).join('|');

/** Outcomes that count as failures of the API or the network, as a matcher. Spend limits, missing credit, 401s and budgets have alerts of their own. */
export const FAILED = OUTCOMES.filter((outcome) => ALERT_OF_OUTCOME[outcome] === 'PlimsollErrorBudgetBurn').join('|');

/** Reasons of 429s that PlimsollRateLimited does not cover, as a matcher. */
export const NOT_RATE_LIMITS = RATE_LIMIT_REASONS.filter(
  (reason) => ALERT_OF_REASON[reason] !== 'PlimsollRateLimited',
).join('|');
