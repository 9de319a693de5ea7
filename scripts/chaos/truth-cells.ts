import type { BilledPart, RefusedStep, TruthBatchItem, TruthRequest } from 'plimsoll/simulator';
import { bill, totalNanoUsd } from '../../src/simulator/billing.ts';
import { Tally, type Cells } from './cells.ts';
import { neverAnswers } from './faults.ts';
import type { SeenCall, SeenRequest } from './wire.ts';

/** What the server knows, told apart by whether the client could know it too. */
export interface TruthAccount {
  readonly cells: Cells;
  /** Billed and never reached the client: answers that were lost, and what a stream made after its last word of usage. */
  readonly unseen: Cells;
}

const INPUT_KINDS = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h'] as const;

/** The catalogue's numbers as they should be, worked out from what the server did and from nothing of plimsoll's. */
export function truthAccount(calls: readonly SeenCall[], items: readonly TruthBatchItem[]): TruthAccount {
  const tally = new Tally();
  const unseen = new Tally();
  for (const call of calls) {
    countCall(tally, call);
    countUnpricedLeft(tally, call);
    for (const [index, request] of call.entries()) {
      countAttempt(tally, request, call[index - 1]);
      countUsage(tally, unseen, request.truth);
    }
  }
  for (const item of items) countItem(tally, unseen, item);
  return { cells: tally.cells, unseen: unseen.cells };
}

/** The id that a model is counted under: without its date. */
function label(model: string | null): string {
  return model?.replace(/-20\d{6}$/, '') ?? '';
}

function countCall(tally: Tally, call: SeenCall): void {
  const last = call.at(-1);
  if (last === undefined) return;
  const { operation } = last.truth;
  tally.add('requests', { model: answering(last.truth), operation, outcome: lastOutcome(last) });
}

/** The model that no table of prices has. */
const UNHEARD_OF = 'claude-heard-of-by-nobody';

/** The prompt of an attempt that was left has no price where its model has none. A call is unpriced once. */
function countUnpricedLeft(tally: Tally, call: SeenCall): void {
  const isTold = call.some(
    ({ truth }) => truth.usageReported !== 'none' && truth.billed.some(({ nanoUsd }) => nanoUsd === null),
  );
  const left = call.find((request) => label(request.truth.requestedModel) === UNHEARD_OF && isLeft(request));
  if (left !== undefined && !isTold) tally.add('unpriced', { model: UNHEARD_OF });
}

/** The client went away before the server had said what it read. */
function isLeft(request: SeenRequest): boolean {
  const { operation, status, usageReported } = request.truth;
  if (operation !== 'messages.create' && operation !== 'messages.stream') return false;
  if (status !== null && (status !== 200 || usageReported !== 'none')) return false;
  const how = outcome(request);
  return how === 'cancelled' || how === 'timeout';
}

/** The model that answered, as far as the client was told, or else the one asked for. */
function answering({ model, requestedModel, usageReported }: TruthRequest): string {
  return label(usageReported === 'none' ? requestedModel : model);
}

/** A caller who leaves while the SDK waits for the next try ends the call as cancelled. */
function lastOutcome(last: SeenRequest): string {
  const waits = last.signal.aborted && last.truth.status !== null && last.truth.status !== 200;
  return waits ? 'cancelled' : outcome(last);
}

function countAttempt(tally: Tally, request: SeenRequest, before: SeenRequest | undefined): void {
  const { operation, status, requestedModel, errorCode, fault } = request.truth;
  const model = label(requestedModel);
  tally.add('attempts', { model, operation, status: String(status ?? outcome(request)) });
  if (status === 429) tally.add('rate_limited', { model, reason: reasonOf(operation, errorCode ?? fault ?? '') });
  if (status === 529) tally.add('overloaded', { model });
  const scope = scopeOf(request.truth);
  if (scope !== undefined) tally.add('spend_limited', { model, scope });
  if (status === 200) countErrorInBody(tally, request.truth);
  if (before !== undefined) tally.add('retries', { model, reason: outcome(before) });
}

/** What a limit or an overload did after the head was sent. In a stream, the limit is named; a document names none. */
function countErrorInBody(tally: Tally, truth: TruthRequest): void {
  const { errorType, delivery } = truth;
  if (delivery === 'cancelled') return;
  const model = answering(truth);
  if (errorType === 'overloaded_error') tally.add('overloaded', { model });
  if (errorType === 'billing_error') tally.add('spend_limited', { model, scope: 'billing' });
  if (errorType === 'rate_limit_error') tally.add('rate_limited', { model, reason: 'output_tokens' });
}

/** Requests that only count tokens have no limit on tokens, and so no headers that show it untouched. */
function reasonOf(operation: string, name: string): string {
  if (name === 'prompt_over_limit' && operation !== 'messages.create' && operation !== 'messages.stream')
    return 'input_tokens';
  return REASONS[name] ?? 'unknown';
}

/** By the error's code, else by the name of the fault. A plain `error` of the scenario has an empty token bucket. */
const REASONS: Readonly<Record<string, string>> = {
  requests_limit: 'requests',
  batch_queue_limit: 'requests',
  input_tokens_limit: 'input_tokens',
  output_tokens_limit: 'output_tokens',
  error_event: 'output_tokens',
  error: 'tokens',
  fast_mode_limit: 'fast_mode',
  concurrency_limit: 'concurrency',
  prompt_over_limit: 'prompt_too_large',
  long_context: 'long_context',
  account_spend_limit: 'spend_limit',
  gateway_spend_limit: 'spend_limit',
  ramp_limit_exceeded: 'acceleration',
  enforced_spend_limit_reached: 'spend_limit',
  contract_spend_limit_reached: 'contract_spend_limit',
};

const SPEND_SCOPES: Readonly<Record<string, string>> = {
  tier_spend_cap: 'tier',
  contract_spend_cap: 'contract',
  organization_spend_limit: 'organization',
  workspace_spend_limit: 'workspace',
  linked_organization_spend_limit: 'linked_organization',
  account_spend_limit: 'account',
  gateway_spend_limit: 'gateway',
  no_credit: 'credit',
  billing: 'billing',
  linked_organization_billing: 'billing',
};

/** Of a refusal. An error in place of an event, where there are no events, is a refusal of its type. */
function scopeOf({ fault, status, errorType }: TruthRequest): string | undefined {
  if (fault === 'error_event') return status === 402 && errorType === 'billing_error' ? 'billing' : undefined;
  return SPEND_SCOPES[fault ?? ''];
}

const OUTCOMES: Readonly<Record<number, string>> = {
  401: 'unauthorized',
  402: 'payment_required',
  403: 'unauthorized',
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  429: 'rate_limited',
  529: 'overloaded',
};

/** What a request came to. */
function outcome(request: SeenRequest): string {
  const { status } = request.truth;
  if (status === null) return noAnswer(request);
  if (status === 200) return answered(request.truth);
  const scope = scopeOf(request.truth);
  if (scope === 'credit') return 'out_of_credit';
  if (scope === 'billing') return 'payment_required';
  if (scope !== undefined) return 'spend_limited';
  return OUTCOMES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request');
}

function noAnswer({ truth, fault, signal }: SeenRequest): string {
  if (truth.delivery !== 'cancelled') return 'connection_error';
  return neverAnswers(fault) && !signal.aborted ? 'timeout' : 'cancelled';
}

/** An error in the body of a 200 is what its type says. */
const OUTCOME_OF_TYPE: Readonly<Record<string, string>> = {
  overloaded_error: 'overloaded',
  api_error: 'server_error',
  timeout_error: 'server_error',
  rate_limit_error: 'rate_limited',
  invalid_request_error: 'invalid_request',
  billing_error: 'payment_required',
};

function answered({ delivery, fault, streamed, operation, errorType }: TruthRequest): string {
  const isLines = operation === 'messages.batches.results';
  if (delivery === 'cancelled') return 'cancelled';
  if (fault === 'error_body') return OUTCOME_OF_TYPE[errorType ?? ''] ?? 'stream_error';
  if (delivery === 'complete') return fault === 'malformed_json' && !streamed && !isLines ? 'server_error' : 'ok';
  if (fault === 'error_event') return OUTCOME_OF_TYPE[errorType ?? ''] ?? 'stream_error';
  if (fault === 'body_reset') return 'connection_error';
  if (streamed) return 'truncated';
  return isLines ? 'ok' : 'server_error';
}

function countUsage(tally: Tally, unseen: Tally, truth: TruthRequest): void {
  const { billed, usageReported, fault, delivery } = truth;
  if (billed.length === 0) return;
  if (usageReported === 'none') return lost(unseen, billed, fault ?? delivery);
  countCacheMiss(tally, truth);
  if (usageReported === 'full') {
    countVerdict(tally, truth, truth.operation);
    if (isUnsplit(truth) && billed.some(isPriced))
      tally.add('doubts', { model: label(truth.model), doubt: 'cache_split' });
    return countBill(tally, truth, true);
  }
  const told = { ...truth, billed: toldAtStart(truth) };
  countBill(tally, told, false);
  cut(unseen, truth, told);
}

/** What `message_start` told of: no steps, no server tools, and a placeholder for the output. */
function toldAtStart({ model, verdict, startedAtMs }: TruthRequest): readonly BilledPart[] {
  if (model === null || verdict === null) return [];
  return bill({ model, usage: { ...verdict.startUsage, output_tokens: 0 }, atMs: startedAtMs, betas: [] });
}

/** Cache writes that `message_start` split are others at the end: nobody says how. Steps have a split of their own. */
function isUnsplit({ streamed, verdict, usage }: TruthRequest): boolean {
  const before = verdict?.startUsage.cache_creation_input_tokens;
  if (!streamed || before === undefined || usage?.iterations !== undefined) return false;
  return before !== usage?.cache_creation_input_tokens;
}

const isPriced = ({ nanoUsd }: BilledPart): boolean => nanoUsd !== null;

/** What an answer says of itself besides its tokens. */
function countVerdict(tally: Tally, { verdict, model, billed }: Judged, operation: string): void {
  if (verdict === null) return;
  const named = label(model);
  tally.add('stop_reasons', { model: named, operation, stop_reason: verdict.stopReason });
  let isUnsure = false;
  for (const [index, refused] of verdict.refusals.entries()) {
    const part = billed[index];
    if (refused === null || part === undefined) continue;
    const billing = billingOf(refused, part);
    if (billing === 'unsure' && part.nanoUsd !== null) isUnsure = true;
    tally.add('refusals', { model: label(part.model), category: categoryOf(refused), billing });
  }
  if (isUnsure) tally.add('doubts', { model: named, doubt: 'refusal' });
  const { fallbackFrom } = verdict;
  if (fallbackFrom === null) return;
  tally.add('fallbacks', { model: label(fallbackFrom), fallback_model: named, by: 'server' });
}

/** Told with the head of an answer, a stream's in its first event. */
function countCacheMiss(tally: Tally, { verdict, model }: Pick<TruthRequest, 'verdict' | 'model'>): void {
  if (verdict === null || verdict.cacheMiss === null) return;
  const { type: reason, tokens } = verdict.cacheMiss;
  tally.add('cache_misses', { model: label(model), reason });
  tally.add('cache_missed_tokens', { model: label(model), reason }, tokens ?? 0);
}

type Judged = Pick<TruthRequest, 'verdict' | 'model' | 'billed'>;

const NAMED = ['cyber', 'bio', 'frontier_llm', 'reasoning_extraction', 'general_harms'];

function categoryOf({ category }: RefusedStep): string {
  if (category === undefined) return 'unstated';
  return category === null ? 'none' : NAMED.includes(category) ? category : 'other';
}

/** Of a category that nobody has described the client cannot know what the server billed. */
function billingOf(refused: RefusedStep, { isFree }: BilledPart): string {
  if (isFree) return 'free';
  const isKnown = !refused.wroteNothing || NAMED.includes(refused.category ?? '');
  return isKnown ? 'billed' : 'unsure';
}

/** Batch results carry the type of their error. */
const OUTCOME_OF_ERROR: Readonly<Record<string, string>> = { overloaded_error: 'overloaded' };

/** The model whose price depends on the length of a prompt, and that length. */
const BANDED = { model: 'claude-haiku-5-5', over: 100_000 };

/** Of what was not reported whole, the input side counts. */
function countBill(tally: Tally, { billed, model, usage }: Bill, isWhole: boolean): void {
  for (const part of billed) countPart(tally, part, isWhole);
  if (!isWhole || usage?.iterations === undefined) countBand(tally, billed);
  const unpriced = billed.filter(({ nanoUsd }) => nanoUsd === null).map((part) => label(part.model));
  for (const name of new Set(unpriced)) tally.add('unpriced', { model: name });
  if (!isWhole) return;
  tally.add('thinking_tokens', { model: label(model) }, usage?.output_tokens_details?.thinking_tokens ?? 0);
  for (const tool of ['web_search', 'web_fetch'] as const) {
    tally.add('server_tool_uses', { model: label(model), tool }, usage?.server_tool_use?.[`${tool}_requests`] ?? 0);
  }
}

/** A prompt that is long as a whole may have been several short ones. */
function countBand(tally: Tally, billed: readonly BilledPart[]): void {
  for (const { model, tokens } of billed) {
    const prompt = INPUT_KINDS.reduce((sum, kind) => sum + tokens[kind], 0);
    if (model === BANDED.model && prompt > BANDED.over) tally.add('doubts', { model, doubt: 'prompt_band' });
  }
}

type Bill = Pick<TruthRequest, 'billed' | 'model' | 'usage'>;

function countPart(tally: Tally, { model, tokens, nanoUsd }: BilledPart, isWhole: boolean): void {
  const kinds = isWhole ? ([...INPUT_KINDS, 'output'] as const) : INPUT_KINDS;
  for (const kind of kinds) {
    tally.add('tokens', { model: label(model), kind }, tokens[kind]);
    tally.add('nano_usd', { model: label(model), kind }, nanoUsd?.[kind] ?? 0);
  }
  if (isWhole) tally.add('nano_usd', { model: label(model), kind: 'server_tools' }, nanoUsd?.server_tools ?? 0);
}

/** What a cut stream was billed beyond what its `message_start` told: its output, and steps that nobody heard of. */
function cut(unseen: Tally, truth: TruthRequest, told: Pick<TruthRequest, 'billed'>): void {
  const model = label(truth.model);
  const output = truth.billed.reduce((sum, { tokens }) => sum + tokens.output, 0);
  unseen.add('output_tokens_of_cut_streams', { model }, output);
  unseen.add('nano_usd_of_cut_streams', { model }, totalNanoUsd(truth.billed) - totalNanoUsd(told.billed));
}

function lost(unseen: Tally, billed: readonly BilledPart[], how: string): void {
  unseen.add('answers_lost', { how });
  unseen.add('nano_usd_lost', { how }, totalNanoUsd(billed));
}

function countItem(tally: Tally, unseen: Tally, item: TruthBatchItem): void {
  const { wasRead: told, result, model, billed } = item;
  if (!told && billed.length > 0) lost(unseen, billed, 'batch result not read');
  if (!told) return;
  const error = item.errorType === null ? '' : (OUTCOME_OF_ERROR[item.errorType] ?? 'invalid_request');
  tally.add('batch_results', { model: label(model), result, error });
  countVerdict(tally, item, 'messages.batches.results');
  countCacheMiss(tally, item);
  if (billed.length > 0) countBill(tally, item, true);
}
