/** What each value of the closed sets means, for the reference pages. A new value compiles once it has its line here. */
import type { BudgetMode } from '../src/budget/budget.ts';
import type {
  ConfigurationLoad,
  FailoverReason,
  FailoverWay,
  GatewayRefusal,
  KeyState,
  RedisStore,
  ResendCause,
} from '../src/record/metrics/catalogue-gateway.ts';
import type { Stage } from '../src/record/metrics/metric.ts';
import type { ReadOutcome } from '../src/organization/admin-client.ts';
import type { Cause } from '../src/organization/causes.ts';
import type {
  BatchOutcome,
  CacheMissReason,
  CostDoubt,
  FallbackBy,
  RefusalBilling,
  RefusalCategory,
} from '../src/answers.ts';
import type { ProblemKind } from '../src/errors.ts';
import type { RedisOutage } from '../src/redis-address.ts';
import type { PaceCause } from '../src/pace/ask.ts';
import type { TurnEndName } from '../src/pace/turn.ts';
import type { Outcome, RateLimitReason, RetryDenial, SpendScope } from '../src/vocabulary.ts';

type Meanings<Value extends string> = Readonly<Record<Value, string>>;

export const OUTCOME_MEANINGS: Meanings<Outcome> = {
  ok: 'the response is complete',
  rate_limited: 'the last attempt got a 429, or a 200 whose body reported a rate limit',
  spend_limited: 'refused because a spend limit is reached',
  overloaded: 'the last attempt got a 529, or a 200 whose body reported an overload',
  server_error: 'another status from 500 up, the same error in the body of a 200, or a response that could not be read',
  timeout: 'no response in time, a 408, or an abort by the deadline of `AbortSignal.timeout()`',
  connection_error: 'the connection failed, or broke in the response',
  invalid_request: '400, or another status from 400 up without an outcome of its own',
  unauthorized: '401 or 403',
  not_found: '404',
  too_large: '413',
  out_of_credit: 'the account has no credit left: 400 “credit balance is too low”',
  payment_required: 'the account cannot be billed: 402, or another status with a `billing_error`',
  cancelled: 'the caller aborted it or left the stream before its end, or its own middleware threw',
  stream_error: 'the body of a 200 reported an error of a type that is not known',
  truncated: 'the stream ended without its last event',
  abandoned: 'the caller dropped the response without reading it to its end',
  blocked: 'refused by a guard or a budget, before it was sent',
  failed_over: 'refused, and sent another way by the gateway, as a call of its own: its client saw no refusal',
};

export const REASON_MEANINGS: Meanings<RateLimitReason> = {
  requests: 'the limit on requests per minute',
  input_tokens: 'the limit on input tokens per minute',
  output_tokens: 'the limit on output tokens per minute',
  tokens: 'a limit that input and output tokens share',
  fast_mode: 'the limits of fast mode',
  acceleration: "traffic grew too fast, regardless of the limits (the API's `ramp_limit_exceeded`)",
  concurrency: 'too many connections at once',
  prompt_too_large: 'the prompt alone is larger than the limit on input tokens per minute: no retry can succeed',
  long_context: 'the account has no right to prompts of this length: no retry can succeed',
  spend_limit:
    'the monthly spend cap of the tier, or another spend limit or lack of credit: `anthropic_spend_limited_total` says whose',
  contract_spend_limit: 'the spend limit of a contract',
  client_limit: 'a limit that a plimsoll gateway keeps for its client or its owner: none of the API',
  unknown: 'the response does not say',
};

export const BUDGET_MODE_MEANINGS: Meanings<BudgetMode> = {
  observe: 'measures, and warns of nothing',
  warn: 'counts the calls that go over, and refuses none',
  block: 'refuses calls before they are sent',
};

export const SCOPE_MEANINGS: Meanings<SpendScope> = {
  tier: 'the monthly cap of the usage tier',
  contract: 'the limit of a contract',
  organization: 'the limit that the organization set for itself',
  workspace: 'the limit of a workspace',
  linked_organization: 'the limit of a linked organization',
  account: 'the monthly limit of a subscription account',
  gateway: 'a limit that a gateway in front of the API keeps for this caller',
  credit: 'no limit: the prepaid credit is used up',
  billing: 'no limit: the account cannot be billed',
};

export const DENIAL_MEANINGS: Meanings<RetryDenial> = {
  spend_limit: 'a spend limit is reached: no retry can succeed',
  retry_budget: 'the process has used up its share of retries',
  deadline: "the wait would go beyond the call's deadline",
  retry_after: 'the server asks for a longer wait than is allowed',
  not_retryable: 'the same request would be refused again',
};

export const CATEGORY_MEANINGS: Meanings<RefusalCategory> = {
  cyber: 'could enable cyber harm',
  bio: 'could enable biological harm',
  frontier_llm: 'could assist the development of competing models',
  reasoning_extraction: 'asks for the reasoning itself',
  general_harms: 'another harmful area',
  none: 'the API gives the category `null`',
  unstated: 'the API gives no details',
  other: 'a category that this version does not know',
};

export const BILLING_MEANINGS: Meanings<RefusalBilling> = {
  billed: 'costs what any call does',
  free: 'came before any output, in a category that is not billed: its tokens count, its cost is zero',
  unsure: 'the price table has no rule for it: priced as billed',
};

export const CACHE_MISS_MEANINGS: Meanings<CacheMissReason> = {
  messages_changed: 'the messages differ from those of the earlier request',
  system_changed: 'the system prompt differs',
  tools_changed: 'the tools differ',
  model_changed: 'the model or the speed differs',
  previous_message_not_found: 'the API no longer has the earlier request, or never stored it',
  unavailable: 'the API cannot say',
  other: 'a reason that this version does not know',
};

export const DOUBT_MEANINGS: Meanings<CostDoubt> = {
  refusal: 'whether the refusal is billed; priced as billed',
  prompt_band: 'whether a long prompt was several short ones, which cost less; priced as one',
  cache_split: 'how long cache writes last; priced as 5-minute writes',
  endpoint: 'whether the endpoint is regional; priced as one that is',
};

export const CHOOSER_MEANINGS: Meanings<FallbackBy> = {
  policy: 'the retry policy',
  server: 'the API, after the model refused',
};

export const BATCH_RESULT_MEANINGS: Meanings<BatchOutcome> = {
  succeeded: 'answered, and billed',
  errored: 'refused; costs nothing',
  canceled: 'the batch was canceled before it was sent; costs nothing',
  expired: 'not sent within 24 hours; costs nothing',
};

export const GATEWAY_REFUSAL_MEANINGS: Meanings<GatewayRefusal> = {
  missing: 'no token',
  malformed: 'not a gateway token',
  unknown: 'a token that the gateway does not know',
  expired: 'a token that has expired',
  revoked: 'a token that was revoked',
  wrong_origin: 'a token that is bound to another origin',
  unavailable: 'the token store does not respond',
  not_found: 'a path that the gateway does not forward',
  invalid: 'a request that could not be read',
  too_large: 'a body above the limit',
  overloaded: 'as many requests as allowed are already in progress',
  busy: 'a token that has as many requests in progress as it may have',
  draining: 'the gateway is shutting down',
};

export const REDIS_STORE_MEANINGS: Meanings<RedisStore> = {
  tokens: 'tokens, rate limits, and the spend of minted tokens',
  ledger: "the budgets' spend",
  totals: 'the daily totals',
  reports: "what was read of the organization's bill",
};

export const REDIS_OUTAGE_MEANINGS: Meanings<RedisOutage> = {
  timeout: 'Redis did not answer in time',
  disconnected: 'there is no connection to Redis',
  not_ready: 'Redis loads its data, has become a replica, or is part of an incomplete Cluster',
};

export const RESEND_CAUSE_MEANINGS: Meanings<ResendCause> = {
  closed: 'the API had closed the connection',
  reset: 'the API had reset the connection',
  broken_pipe: 'the connection could no longer be written to',
};

export const FAILOVER_REASON_MEANINGS: Meanings<FailoverReason> = {
  rate_limited: 'a 429 of a rate limit',
  spend_limited: 'a spend limit or cap is reached, or the credit is used up, whatever the status',
  unauthorized: '401: the key is not valid any more',
  overloaded: '529',
  unreachable: 'no connection to the API could be made; nothing was sent',
};

export const FAILOVER_WAY_MEANINGS: Meanings<FailoverWay> = {
  pool: 'another key of the same pool',
  key: 'by a rule of the client, another key or pool',
  model: 'by a rule of the client, another model',
};

export const KEY_STATE_MEANINGS: Meanings<KeyState> = {
  closed: 'it is asked',
  half_open: 'it rested, and one request tries it',
  rate_limited: 'a model class of it rests until the limit has refilled',
  spend_limited: 'it rests for a minute at first, for ten at most',
  unauthorized: 'the same; a new key in its place is asked at once',
  overloaded: 'a model class of it rests for a second at first, for half a minute at most',
  unreachable: 'it rests for a second at first, for half a minute at most',
};

export const CONFIGURATION_LOAD_MEANINGS: Meanings<ConfigurationLoad> = {
  loaded: 'in force from the next request on',
  invalid: 'the file has problems; nothing has changed',
  needs_restart: 'it changes what only a start can change; nothing has changed',
};

export const STAGE_MEANINGS: Meanings<Stage> = {
  middleware: 'watching a request',
  guard:
    'a guard that failed instead of allowing or refusing; the call went on, or was refused if the guard fails closed',
  body: 'reading a response while its caller reads it',
  usage: 'a usage figure that is not a valid count',
  pricing: 'working out a cost',
  recorder: 'a recorder that threw',
  registry: 'registering the metrics',
  scrape: 'writing the metrics page',
  attribution: 'a function that gives attribution labels',
  budget: "the callback for a budget's thresholds",
  ledger: 'the ledger of the budgets',
  pace: 'the pace or its store; the call was sent without waiting',
  retry: 'the retry policy',
  gateway: 'the gateway itself',
  on_call: 'the callback `onCall`',
  organization: "reading the organization's reports, or keeping what was read",
};

export const READ_OUTCOME_MEANINGS: Meanings<ReadOutcome> = {
  ok: 'read',
  unauthorized: 'the admin key is refused, or there is none',
  forbidden: 'the key has no access to the Admin API; individual accounts have none',
  not_available: 'there is no Admin API at this address',
  rate_limited: 'read too often, by whomever; the wait that the API asks for is kept',
  invalid: 'the API refused the question',
  server_error: 'the API has an error of its own',
  connection_error: 'the API cannot be reached',
  malformed: 'the answer is not what it is documented to be',
};

export const CAUSE_MEANINGS: Meanings<Cause> = {
  rounding: 'recorded costs are rounded for each call',
  open: 'days for which the report is not complete: never shown here, for they are not compared',
  discount: 'from list price to what is billed',
  code_execution: 'code execution, which no response tells',
  session_time: 'session time of Managed Agents',
  other_costs: 'costs of other types',
  no_key: 'use without a key: the Console, or logins',
  unwatched_keys: 'use by keys that plimsoll does not watch',
  no_such_key: 'calls under aliases that are joined with no key of the organization',
  priority: 'Priority Tier, which is paid as a commitment',
  unpriced: 'models or modes without a price here',
  folded: 'use of models that the daily totals have folded into one line',
  refusals: 'refusals that the report bills otherwise',
  day_boundary: 'calls that the report has on another day',
  lost: 'use while plimsoll is known to have lost what it saw',
  no_usage: 'answers that never told their usage',
  cut: 'output of streams that were cut, estimated here',
  counted: 'the same calls with other token counts',
  not_seen: 'calls on watched keys that plimsoll did not see: another program, or lost telemetry',
  not_in_report: 'calls that the report has not',
  inseparable: 'several causes in one place, of which only the sum can be told',
  price: 'list prices that differ from the table',
  price_band: 'list prices of long prompts that differ from the table',
  price_or_discount: 'prices or discounts, which the older reports do not tell apart',
  revision: 'amounts that were corrected without other tokens',
  unexplained: 'what is left',
};

export const TURN_END_MEANINGS: Meanings<TurnEndName> = {
  at_once: 'sent without waiting',
  waited: 'sent after a wait',
  unpaced: 'sent without asking, because the store of the pace did not answer',
  given_up: 'its caller gave it up while it waited',
  never_fits: "refused: its prompt is larger than a minute's limit",
  max_wait: 'refused: it has waited as long as it may',
  queue_full: 'refused: too many wait already',
};

export const PACE_CAUSE_MEANINGS: Meanings<PaceCause> = {
  requests: 'the limit on requests',
  input_tokens: 'the limit on input tokens',
  output_tokens: 'the limit on output tokens',
  start: 'the first answer, which shows the limits',
  priority: 'interactive calls of other processes, which wait too',
};

export const PROBLEM_MEANINGS: Meanings<ProblemKind> = {
  missing: 'nothing stands where a value is needed',
  invalid: 'the value cannot be used',
  unknown_field: 'no option or field has this name',
  conflict: 'two settings exclude each other, or two things have one name',
  unreadable: 'a file cannot be opened, read or parsed',
  no_key: 'there is no API key',
  wrong_key: 'the key is no API key, a placeholder, or not whole',
  gateway_token: 'a token of a plimsoll gateway stands where an API key is needed',
  retired_model: 'the API no longer answers for this model',
  not_installed: 'an optional package is needed and not installed',
  too_old: 'Node, the SDK or plimsoll itself is too old',
};
