import { hash } from 'node:crypto';
import { budgetExceeded, type BudgetExceededError } from '../budget/budget-exceeded.ts';
import { admitWithoutBody, isGuardFailed } from '../observe/admission.ts';
import { sendObserved } from '../observe/exchange.ts';
import { LiveCall } from '../observe/live-call.ts';
import type { Observation } from '../observe/observation.ts';
import { callDetails, operation } from '../observe/operation.ts';
import { REFUSAL } from '../decisions.ts';
import { isRateLimited } from './access/rate-limiter.ts';
import { GATEWAY_TRANSPORT, type GatewayAttempt } from './attempt.ts';
import type { GatewayContext } from './context.ts';
import { errorResponse, refusalError, type ApiError } from './errors.ts';
import { apiCause, unansweredError } from './faults.ts';
import type { TokenGuard } from './grant.ts';
import { labelsIn, without } from './headers.ts';
import { NO_FACTS, receiveBody, type ReceiveOptions, type RequestBody } from './receive.ts';
import { BodyTooLargeError } from './request-body.ts';
import type { AuthorizedRequest } from './request.ts';
import type { GatewayResponse } from './response-body.ts';
import { isClientRuleError } from './rules.ts';
import type { UpstreamResponse } from './upstream.ts';

/**
 * Sends a request to the API with its key, and returns the API's response, or an error that says why the request was
 * not sent.
 */
export async function forward(context: GatewayContext, authorized: AuthorizedRequest): Promise<GatewayResponse> {
  const { options, room, turns, upstream, retries, faults, onError, refuse } = context;
  const { request, endpoint, grant } = authorized;
  const key = options.keys.get(grant.key);
  if (key === undefined) {
    onError(new Error('a grant names the alias of a key that the gateway does not have'));
    return errorResponse(NO_KEY);
  }
  if (key.fault !== undefined) faults.set('key', grant.key, key.fault());
  const observation = observationOf(context, authorized);
  const refused = await refuseWithoutBody(context, authorized, observation);
  if (refused !== null) return refused;
  const received = await receiveBody(authorized, { room, turns, reading: readingOf(context, authorized) });
  if ('reason' in received) return refuse(received.reason, received.message);
  const { body, release } = received;
  try {
    const call = callOf(context, authorized, { observation, body });
    const startedMs = observation.clock.monotonicMs();
    const attempt = { ...call, observation, request, endpoint, body, upstream, key, retries, startedMs };
    return await respond(attempt, () => options.publicUrl?.replace(/\/$/, '') ?? request.baseUrl());
  } finally {
    release();
  }
}

const NO_KEY: ApiError = {
  status: 500,
  type: 'api_error',
  message: 'The gateway has no API key for this token. Ask its operator.',
  isRetryable: false,
};

/** Rules and budgets that can refuse decide on the body. A budget that only warns, or nobody, does not. */
function readingOf(context: GatewayContext, { grant }: AuthorizedRequest): ReceiveOptions['reading'] {
  const { observation, options } = context;
  const spendGuards = grant.spendGuards ?? [];
  const isRuled = grant.guards.some(needsBody) || spendGuards.length > 0 || observation.guards.length > 0;
  if (isRuled || (options.budgets?.all ?? []).some(({ budget }) => budget.mode === 'block')) return 'strict';
  return observation.spendGuards.length > 0 ? 'lenient' : null;
}

function needsBody({ needsBody: needs = true }: TokenGuard): boolean {
  return needs;
}

/**
 * Asks the rules of the token that need no body, before any of it is read. The response says what refused; the call ends
 * as `blocked`, without a model.
 */
async function refuseWithoutBody(
  { baseUrl }: GatewayContext,
  { request: { method, target }, grant }: AuthorizedRequest,
  observation: Observation,
): Promise<GatewayResponse | null> {
  const guards = grant.guards.filter((guard) => !needsBody(guard));
  if (guards.length === 0) return null;
  const { model, maxTokens } = NO_FACTS;
  const begun = { model, maxTokens, operation: operation(method, target, false), baseUrl, sdkSpan: undefined };
  const sketch = new LiveCall({ ...observation, recorders: [], spendGuards: [] }, begun);
  try {
    await admitWithoutBody(guards, sketch, observation);
    return null;
  } catch (error) {
    const refusal = guardError(error);
    if (refusal === null) throw error;
    new LiveCall({ ...observation, spendGuards: [] }, begun).end('blocked');
    return errorResponse(refusal);
  }
}

function observationOf({ options, observation }: GatewayContext, authorized: AuthorizedRequest): Observation {
  const { request, grant } = authorized;
  const { recorders, guards, spendGuards } = observation;
  const labels = { ...options.labels, ...labelsIn(request.headers, options.labelHeaders ?? []), ...grant.labels };
  return {
    ...observation,
    key: grant.key,
    client: grant.client,
    attribution: () => labels,
    guards: [...grant.guards.filter(needsBody), ...guards],
    spendGuards: [...(grant.spendGuards ?? []), ...spendGuards],
    recorders: [...recorders, ...grant.recorders],
  };
}

interface Observed {
  readonly observation: Observation;
  readonly body: RequestBody;
}

/** Finds the call that waits for this attempt, or begins a new one. */
function callOf(
  { baseUrl, retries }: GatewayContext,
  { request, grant }: AuthorizedRequest,
  { observation, body }: Observed,
): Pick<GatewayAttempt, 'call' | 'fingerprint'> {
  const { method, target, headers } = request;
  const { stream, ...facts } = body.facts;
  const count = headers.get('x-stainless-retry-count');
  // It joins attempts in the metrics alone: guards are asked about each, whatever its client says of it.
  const fingerprint = (): string => {
    const { raw } = body;
    const start = raw instanceof Uint8Array ? hash('sha256', raw.subarray(0, FINGERPRINTED_BYTES)) : null;
    const content = raw instanceof Uint8Array ? [start, raw.length] : headers.get('content-length');
    return JSON.stringify([grant.tokenId, method, target, content, Object.entries(observation.attribution(null))]);
  };
  const resumed = Number(count ?? 0) > 0 ? retries.resume(fingerprint(), Number(count)) : undefined;
  resumed?.retry();
  const details = callDetails(null, null);
  const begun = { ...facts, operation: operation(method, target, stream), baseUrl, sdkSpan: undefined, details };
  return { fingerprint: count === undefined ? null : fingerprint, call: resumed ?? new LiveCall(observation, begun) };
}

/** A longer body is not hashed as a whole: its client would stop all others for as long as that takes. */
const FINGERPRINTED_BYTES = 64 << 10;

/** `ownUrl` tells the address of the gateway as the client knows it. */
async function respond(attempt: GatewayAttempt, ownUrl: () => string): Promise<GatewayResponse> {
  const { endpoint } = attempt;
  let response: UpstreamResponse;
  try {
    response = await sendObserved(attempt, GATEWAY_TRANSPORT);
    if (response.ok && endpoint.namesResults === true) return await withOwnAddress(response, ownUrl());
  } catch (error) {
    // If it is not the client that left, the gateway stops.
    const ended = attempt.request.isAborted ? refusalError('draining') : null;
    return errorResponse(guardError(error) ?? ended ?? sendError(error));
  }
  const body = response.ok ? response.body : ((await response.whole) ?? response.body);
  return { status: response.status, headers: response.returnedHeaders, body };
}

function sendError(error: unknown): ApiError {
  if (error instanceof BodyTooLargeError)
    return { status: 413, type: 'request_too_large', message: 'The request body is longer than the API accepts.' };
  return unansweredError(apiCause(error));
}

/** A page of the list has at most 1,000 batches, each below 1 KiB. */
const LARGEST_BYTES = 8 << 20;

/** Before the address of results in a response of the API, and within it. */
const [RESULTS_NAME, RESULTS_PATH] = ['"results_url"', '/v1/messages/batches/'];

/** Replaces the addresses before the paths of results. It reads each character a few times at most, whatever they are. */
export function withOwnResults(text: string, own: string): string {
  const pieces: string[] = [];
  let at = 0;
  for (let name = text.indexOf(RESULTS_NAME); name !== -1; name = text.indexOf(RESULTS_NAME, at)) {
    const start = valueStart(text, name + RESULTS_NAME.length);
    const end = text[start] === '"' ? text.indexOf('"', start + 1) : start;
    if (end === -1) break;
    const value = text.slice(start + 1, end);
    const path = /^https?:\/\//.test(value) ? value.indexOf(RESULTS_PATH) : -1;
    pieces.push(text.slice(at, start), path === -1 ? text.slice(start, end) : `"${own}${value.slice(path)}`);
    at = end;
  }
  return [...pieces, text.slice(at)].join('');
}

function valueStart(text: string, after: number): number {
  let at = after;
  while (/[\s:]/.test(text[at] ?? '')) at++;
  return at;
}

/**
 * Replaces the addresses of batch results by the gateway's: the SDKs fetch them from there, with the gateway's token.
 * Rejects if the body is incomplete.
 */
async function withOwnAddress(response: UpstreamResponse, ownUrl: string): Promise<GatewayResponse> {
  const text = (await response.body.collect(LARGEST_BYTES)).toString('utf8');
  const own = JSON.stringify(ownUrl).slice(1, -1);
  const body = Buffer.from(withOwnResults(text, own));
  return { status: response.status, headers: without(response.returnedHeaders, 'content-length'), body };
}

/** The API error for a request that a guard refused; `null` for any other error. */
function guardError(error: unknown): ApiError | null {
  if (typeof error !== 'object' || error === null || (error as { [REFUSAL]?: unknown })[REFUSAL] !== true) return null;
  if (isClientRuleError(error)) return error.apiError;
  if (isGuardFailed(error)) return GUARD_FAILED;
  const budget = budgetExceeded(error);
  if (budget !== null) return budgetError(budget);
  if (isRateLimited(error)) {
    const { message, retryAfterSeconds } = error;
    return { status: 429, type: 'rate_limit_error', message, retryAfterSeconds };
  }
  return { status: 403, type: 'permission_error', message: 'Not sent: a guard of the gateway refused the request.' };
}

const GUARD_FAILED: ApiError = {
  status: 529,
  type: 'overloaded_error',
  message: 'Not sent: the gateway cannot check a rule of this token. Try again in a moment.',
  retryAfterSeconds: 5,
};

/** Puts into words what the error has in fields, which a client over HTTP does not get. */
function budgetError({ message, reason, budget, limitUsd, resetsAt }: BudgetExceededError): ApiError {
  switch (reason) {
    case 'ledger_unavailable':
      return { status: 529, type: 'overloaded_error', message, retryAfterSeconds: 5, cause: 'ledger_unavailable' };
    case 'exceeded': {
      const limit = `the budget "${budget}" of ${dollars(limitUsd)}, which resets at ${resetsAt.toISOString()}`;
      return unpaid(`Not sent: the call would exceed ${limit}.`);
    }
    case 'unknown_price':
      return unpaid(
        `Not sent: no price is known for the model, and the budget "${budget}" blocks what it cannot price.`,
      );
  }
}

function unpaid(message: string): ApiError {
  return { status: 402, type: 'billing_error', message, isRetryable: false };
}

/** Shows cents, and digits down to the nano-dollar if the limit has them. */
function dollars(usd: number): string {
  return `$${usd.toFixed(9).replace(/(\.\d\d\d*?)0+$/, '$1')}`;
}
