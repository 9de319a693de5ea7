import type { Attributes } from '@opentelemetry/api';
import { usdOf } from '../../figures.ts';
import { answerTokens, isReported } from '../../pricing/cost.ts';
import type { Attempt, Call, CallCost, Rejection, Usage } from '../../vocabulary.ts';
import {
  OPERATION_NAME,
  PROVIDER_NAME,
  REQUEST_MODEL,
  RESPONSE_MODEL,
  attributionAttributes,
  errorType,
  isChat,
  providerName,
  serverAttributes,
  shown,
  shownName,
  tokenSums,
} from './instruments.ts';

/**
 * The name of a span that plimsoll opens: `chat {model}` by the conventions, and `anthropic.{operation}`, as the SDK
 * names its spans, for operations that the conventions do not name. Bounded except for the model, which is the
 * requested one.
 */
export function spanName(call: Call): string {
  if (!isChat(call)) return `anthropic.${call.operation}`;
  return call.requestedModel === null ? 'chat' : `chat ${shownName(call.requestedModel)}`;
}

/** The first attributes of a span that plimsoll opens, for samplers to see. */
export function requestAttributes(call: Call): Attributes {
  const attributes: Attributes = { ...serverAttributes(call.baseUrl), [PROVIDER_NAME]: providerName(call) };
  if (isChat(call)) attributes[OPERATION_NAME] = 'chat';
  if (call.requestedModel !== null) attributes[REQUEST_MODEL] = shownName(call.requestedModel);
  if (call.maxTokens !== null) attributes['gen_ai.request.max_tokens'] = call.maxTokens;
  if (call.operation === 'messages.stream') attributes['gen_ai.request.stream'] = true;
  const { conversationId = null, reasoningLevel = null, serviceTier = null } = call.details ?? {};
  if (conversationId !== null) attributes['gen_ai.conversation.id'] = shown(conversationId);
  if (reasoningLevel !== null) attributes['gen_ai.request.reasoning.level'] = shownName(reasoningLevel);
  if (serviceTier !== null) attributes['anthropic.request.service_tier'] = shownName(serviceTier);
  return attributes;
}

/** The attributes of a response that the SDK's own span has, for calls without such a span. */
export function responseAttributes(call: Call): Attributes {
  const attributes: Attributes = call.usage === null ? {} : usageAttributes(call.usage, call.outcome === 'ok');
  const error = errorType(call);
  if (error !== null) attributes['error.type'] = error;
  if (call.model !== null) attributes[RESPONSE_MODEL] = shownName(call.model);
  const id = call.details?.responseId ?? null;
  if (id !== null) attributes['gen_ai.response.id'] = shown(id);
  if (call.stopReason !== null) attributes['gen_ai.response.finish_reasons'] = [shownName(call.stopReason)];
  if (call.firstTokenSeconds !== null) attributes['gen_ai.response.time_to_first_chunk'] = call.firstTokenSeconds;
  if (call.attempts > 1) attributes['http.request.resend_count'] = call.attempts - 1;
  return attributes;
}

/** Tokens. What the server did not report is left out, as in the SDK's span. */
export function usageAttributes(usage: Usage, isComplete: boolean): Attributes {
  if (!isReported(usage)) return {};
  const tokens = answerTokens(usage.parts);
  const sums = tokenSums(tokens);
  const attributes: Attributes = {
    'gen_ai.usage.input_tokens': sums.input,
    'gen_ai.usage.cache_read.input_tokens': sums.cacheRead,
    'gen_ai.usage.cache_write.input_tokens': sums.cacheWrite,
  };
  if (sums.estimatedOutput === 0 && (isComplete || sums.output > 0)) {
    attributes['gen_ai.usage.output_tokens'] = sums.output;
  }
  if (usage.thinkingTokens > 0) attributes['gen_ai.usage.reasoning.output_tokens'] = usage.thinkingTokens;
  if (usage.serviceTier !== null) attributes['anthropic.response.service_tier'] = shownName(usage.serviceTier);
  if (sums.cacheWrite > 0 && !usage.cacheSplitAssumed) {
    attributes['anthropic.usage.cache_creation.ephemeral_5m_input_tokens'] = tokens.cache_write_5m;
    attributes['anthropic.usage.cache_creation.ephemeral_1h_input_tokens'] = tokens.cache_write_1h;
  }
  if (usage.parts.length > 1) addCompaction(attributes, usage);
  return attributes;
}

/** The tokens of compaction, which are billed and in no other sum of the span. */
function addCompaction(attributes: Attributes, { parts }: Usage): void {
  const compaction = parts.filter(({ role }) => role === 'compaction').map(({ tokens }) => tokenSums(tokens));
  if (compaction.length === 0) return;
  attributes['anthropic.usage.compaction.input_tokens'] = compaction.reduce((sum, { input }) => sum + input, 0);
  attributes['anthropic.usage.compaction.output_tokens'] = compaction.reduce((sum, { output }) => sum + output, 0);
}

/** The owner of a call, known from its start. `declared` are the attribution labels that may be shown. */
export function ownerAttributes(call: Call, declared: readonly string[]): Attributes {
  const attributes = attributionAttributes(call, declared);
  attributes['plimsoll.key'] = call.key;
  return attributes;
}

/** The attributes of a call so far that the SDK does not know. `reasons` are those of its 429s. */
export function callAttributes(call: Call, reasons: readonly string[]): Attributes {
  const attributes: Attributes = { 'plimsoll.attempts': call.attempts };
  if (call.attempts > 1) attributes['plimsoll.retry.wait_seconds'] = call.waitSeconds;
  if (reasons.length > 0) attributes['plimsoll.rate_limited.reasons'] = [...reasons];
  if (call.fallbackFrom !== null) attributes['plimsoll.fallback_from'] = shownName(call.fallbackFrom);
  if (call.serverFallbackFrom !== null)
    attributes['plimsoll.server_fallback_from'] = shownName(call.serverFallbackFrom);
  if (call.cacheMiss !== null) attributes['plimsoll.cache_miss.reason'] = call.cacheMiss.reason;
  if (call.usage !== null) addUsage(attributes, call.usage);
  if (call.cost === null) return attributes;
  if (call.isBilledToAnother) return addCostToOthers(attributes, call.cost);
  // Unknown values are left out: a cost of 0 would be taken as a real one.
  if (call.cost.priced || call.cost.totalNanoUsd > 0) attributes['plimsoll.cost_usd'] = usdOf(call.cost.totalNanoUsd);
  if (!call.cost.priced) attributes['plimsoll.unpriced'] = true;
  if (call.cost.doubts.length > 0) attributes['plimsoll.cost.doubts'] = [...call.cost.doubts];
  return attributes;
}

/** The span has no cost of the organization's own, and none that is missing. */
function addCostToOthers(attributes: Attributes, { totalNanoUsd, priced }: CallCost): Attributes {
  if (priced) attributes['plimsoll.cost_billed_to_others_usd'] = usdOf(totalNanoUsd);
  return attributes;
}

/** What the usage says of the answer beyond the tokens that the SDK reports. */
function addUsage(attributes: Attributes, { parts }: Usage): void {
  const estimated = answerTokens(parts).output_estimated;
  if (estimated > 0) attributes['plimsoll.usage.estimated_output_tokens'] = estimated;
  let unsaid = 0;
  let categories: string[] | null = null;
  for (const { tokens, refusal } of parts) {
    unsaid += tokens.input_estimated;
    if (refusal !== null) (categories ??= []).push(refusal.category);
  }
  if (unsaid > 0) attributes['plimsoll.usage.estimated_input_tokens'] = unsaid;
  if (categories !== null) attributes['plimsoll.refusal.categories'] = categories;
}

/** One HTTP request: its outcome, the reason of its refusal, and its wait. */
export function attemptAttributes(attempt: Attempt): Attributes {
  const { status, rejection, index } = attempt;
  const attributes: Attributes = { 'plimsoll.headers_seconds': attempt.durationSeconds };
  if (typeof status === 'number') attributes['http.response.status_code'] = status;
  if (isFailure(attempt)) attributes['error.type'] = String(status);
  if (index > 0) attributes['http.request.resend_count'] = index;
  if (attempt.retryReason !== null) {
    attributes['plimsoll.retry.reason'] = attempt.retryReason;
    attributes['plimsoll.retry.wait_seconds'] = attempt.waitSeconds;
  }
  return rejection === null ? attributes : { ...attributes, ...rejectionAttributes(rejection) };
}

/** Why an attempt came to nothing. */
export function rejectionAttributes({ outcome, rateLimitReason, spendScope }: Rejection): Attributes {
  const attributes: Attributes = { 'plimsoll.attempt.outcome': outcome };
  if (rateLimitReason !== null) attributes['plimsoll.rate_limited.reason'] = rateLimitReason;
  if (spendScope !== null) attributes['plimsoll.spend_limited.scope'] = spendScope;
  return attributes;
}

/** Tells whether an attempt is an error in a trace: a cancelled one is not. */
export function isFailure({ status, rejection }: Attempt): boolean {
  return rejection !== null && status !== 'cancelled';
}
