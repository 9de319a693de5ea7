import { hash } from 'node:crypto';
import { budgetExceeded } from '../budget/budget-exceeded.ts';
import { admitWithoutBody, isGuardFailed } from '../observe/admission.ts';
import { sendObserved } from '../observe/exchange.ts';
import { LiveCall } from '../observe/live-call.ts';
import type { Observation } from '../observe/observation.ts';
import { callDetails, operation } from '../observe/operation.ts';
import { REFUSAL } from '../decisions.ts';
import { isRateLimited } from './access/rate-limiter.ts';
import { GATEWAY_TRANSPORT, type GatewayAttempt } from './attempt.ts';
import { withOwnAddress } from './batch-results.ts';
import type { GatewayContext } from './context.ts';
import { budgetError, errorResponse, limitError, paceError, refusalError, type ApiError } from './errors.ts';
import { apiCause, unansweredError } from './faults.ts';
import { FALLBACK_HEADER, subscriberLogin, without, type HeaderMap } from './headers.ts';
import type { KeyReader } from './options.ts';
import { NO_FACTS, receiveBody, type RequestBody } from './receive.ts';
import { BodyTooLargeError } from './request-body.ts';
import { patienceOf, type AuthorizedRequest, type GrantPlan } from './request.ts';
import type { GatewayResponse } from './response-body.ts';
import { isClientRuleError } from './rules.ts';
import { conversationOf } from './upstreams/conversation.ts';
import type { Api } from './upstreams/apis.ts';
import type { KeyPool } from './upstreams/pool.ts';
import { Route, type RoutedRequest, type Way } from './upstreams/route.ts';
import type { UpstreamResponse } from './upstream.ts';
import { ClientTimeoutError } from './upstream-errors.ts';

/**
 * Sends a request to the API with a key, and another way if that is refused and there is one. Returns the API's response, or
 * an error that says why the request was not sent.
 */
export async function forward(context: GatewayContext, authorized: AuthorizedRequest): Promise<GatewayResponse> {
  const { room, turns, routes, apis, onError, refuse } = context;
  const pool = routes.pools.get(authorized.grant.key);
  const [home] = pool?.keys.keys() ?? [];
  const api = apis.ofKeys.get(home ?? '');
  if (pool === undefined || home === undefined || api === undefined) {
    onError(new Error('a grant names a key or a pool that the gateway does not have'));
    return errorResponse(NO_KEY);
  }
  if (authorized.grant.credential === 'client' && subscriberLogin(authorized.request.headers) === null)
    return refuse('missing', NO_LOGIN);
  const plan = context.planOf(authorized.grant);
  const observation = plan.observation(authorized.request, home);
  const asked =
    plan.early.length === 0 ? null : refuseByEarlyRules(authorized, { plan, observation, baseUrl: api.baseUrl });
  const refused = asked instanceof Promise ? await asked : asked;
  if (refused !== null) return refused;
  const isMoved = pool.keys.size > 1 || (authorized.grant.fallbacks ?? []).length > 0;
  const received = await receiveBody(authorized, { room, turns, reading: plan.reading, isMoved });
  if ('reason' in received) return refuse(received.reason, received.message);
  const { body, release } = received;
  try {
    return await sendByRoute(context, authorized, { observation, api, body, pool });
  } finally {
    release();
  }
}

interface Routed {
  /** Of the first key. */
  readonly observation: Observation;
  readonly api: Api;
  readonly body: RequestBody;
  readonly pool: KeyPool;
}

/** Sends the request by each way of its route, until one is not refused or none is left. */
async function sendByRoute(
  context: GatewayContext,
  authorized: AuthorizedRequest,
  { observation: first, api, body, pool }: Routed,
): Promise<GatewayResponse> {
  const { retries, apis, options, routes } = context;
  const { request, endpoint } = authorized;
  const startedMs = first.clock.monotonicMs();
  const { fingerprint, sentBefore } = numberingOf(authorized, first, body);
  let waiting = sentBefore > 0 && fingerprint !== null ? retries.resume(fingerprint(), sentBefore) : undefined;
  const route = new Route(routes, routedRequest(authorized, body, waiting?.key ?? null), pool);
  const ownUrl = (): string => options.publicUrl?.replace(/\/$/, '') ?? request.baseUrl();
  for (let refused: GatewayResponse | null = null; ;) {
    const way = route.take();
    const observation = way.key === first.key ? first : context.planOf(authorized.grant).observation(request, way.key);
    const { upstream, baseUrl } = apis.ofKeys.get(way.key) ?? api;
    const call = callOf(authorized, { observation, body, way, baseUrl, waiting });
    waiting = undefined;
    const { key, onLogin } = credentialOf(context, authorized, way);
    // The client's next attempt goes to the model that it asks for.
    const joined = way.model === null ? fingerprint : null;
    const of = { request, endpoint, body, retries, startedMs, route, sentBefore, call, observation, upstream };
    const response = await respond({ ...of, key, onLogin, fingerprint: joined }, { ownUrl, refused });
    if (response !== refused) route.moved();
    if (!route.goesOn) return way.fallback === null ? response : { ...response, headers: withFallback(response, way) };
    refused = response;
  }
}

/** The key of a way, or the login of the subscriber who calls. */
function credentialOf(
  { options: { keys }, faults, logins, onError }: GatewayContext,
  { request: { headers }, grant }: AuthorizedRequest,
  { key: alias }: Way,
): Pick<GatewayAttempt, 'key' | 'onLogin'> {
  const login = grant.credential === 'client' ? subscriberLogin(headers) : null;
  if (login !== null) {
    const onLogin = (values: HeaderMap): void => {
      try {
        logins.see(grant.client, login, values);
      } catch (error) {
        onError(error);
      }
    };
    return { key: () => login, onLogin };
  }
  const key: KeyReader = keys.get(alias) ?? noKey;
  if (key.fault !== undefined) faults.set('key', alias, key.fault());
  return { key, onLogin: null };
}

function noKey(): never {
  throw new Error('the key is gone');
}

/** Tells the client that a rule led elsewhere, and why. Which model answered stands in the response. */
function withFallback({ headers }: GatewayResponse, { model, fallback }: Way): GatewayResponse['headers'] {
  const to = model === null ? 'key' : `model=${model}`;
  return [...headers, FALLBACK_HEADER, `${to}; on=${fallback?.reason}`];
}

function routedRequest(
  { request: { method, path }, endpoint, grant }: AuthorizedRequest,
  { raw, facts, firstTurn }: RequestBody,
  before: string | null,
): RoutedRequest {
  const isMessage = method === 'POST' && path === '/v1/messages';
  return {
    name: grant.key,
    // What a subscriber pays for goes to nobody else's key.
    rules: grant.credential === 'client' ? [] : (grant.fallbacks ?? []),
    model: facts.model,
    kind: isMessage ? 'message' : endpoint.kind === 'message' ? 'count' : 'other',
    conversation: () => (raw instanceof Uint8Array ? conversationOf(raw, firstTurn) : null),
    before,
  };
}

const NO_LOGIN =
  'Expected the login of a subscriber as Authorization: Bearer sk-ant-oat…, besides the gateway token in x-plimsoll-token, got ' +
  'none. Log in, and send the token in that header alone.';

const NO_KEY: ApiError = {
  status: 500,
  type: 'api_error',
  message: 'The gateway has no API key for this token. Ask its operator.',
  isRetryable: false,
};

/**
 * Asks the rules of the token that need no body, before any of it is read. The response says what refused; the call ends
 * as `blocked`, without a model.
 */
function refuseByEarlyRules(
  { request: { method, target } }: AuthorizedRequest,
  {
    plan,
    observation,
    baseUrl,
  }: { readonly plan: GrantPlan; readonly observation: Observation; readonly baseUrl: string },
): GatewayResponse | Promise<GatewayResponse | null> | null {
  const { model, maxTokens } = NO_FACTS;
  const begun = { model, maxTokens, operation: operation(method, target, false), baseUrl, sdkSpan: undefined };
  const sketch = new LiveCall(plan.silent(observation), begun);
  const refusedBy = (error: unknown): GatewayResponse => {
    const refusal = guardError(error);
    if (refusal === null) throw error;
    new LiveCall({ ...observation, spendGuards: [] }, begun).end('blocked');
    return errorResponse(refusal);
  };
  try {
    const asked = admitWithoutBody(plan.early, sketch, observation);
    return asked === undefined ? null : asked.then(() => null, refusedBy);
  } catch (error) {
    return refusedBy(error);
  }
}

/** How a client numbers the attempts of its call. */
function numberingOf(
  { request, grant }: AuthorizedRequest,
  { attribution }: Observation,
  { raw }: RequestBody,
): Pick<GatewayAttempt, 'fingerprint' | 'sentBefore'> {
  const { method, target, headers } = request;
  const count = headers.get('x-stainless-retry-count');
  if (count === undefined) return { fingerprint: null, sentBefore: 0 };
  // It joins attempts in the metrics alone: guards are asked about each, whatever its client says of it.
  const fingerprint = (): string => {
    const start = raw instanceof Uint8Array ? hash('sha256', raw.subarray(0, FINGERPRINTED_BYTES)) : null;
    const content = raw instanceof Uint8Array ? [start, raw.length] : headers.get('content-length');
    return JSON.stringify([grant.tokenId, method, target, content, Object.entries(attribution(null))]);
  };
  return { fingerprint, sentBefore: Number(count) };
}

interface Observed {
  readonly observation: Observation;
  readonly body: RequestBody;
  readonly way: Way;
  readonly baseUrl: string;
  /** Waits for this attempt. */
  readonly waiting: LiveCall | undefined;
}

/** Goes on with the call that waits for this attempt, if it has the same key, or begins a new one. */
function callOf({ request }: AuthorizedRequest, { observation, body, way, baseUrl, waiting }: Observed): LiveCall {
  if (waiting?.key === way.key && way.model === null) {
    waiting.retry();
    return waiting;
  }
  waiting?.end('failed_over');
  const { stream, model: asked, maxTokens } = body.facts;
  const { signal, timeoutMs } = patienceOf(request, observation.spendGuards);
  const call = new LiveCall(observation, {
    operation: operation(request.method, request.target, stream),
    model: way.model ?? asked,
    maxTokens,
    baseUrl,
    signal,
    timeoutMs,
    sdkSpan: undefined,
    details: callDetails(null, null),
  });
  if (way.model !== null) [call.fallbackModel, call.fallbackFrom] = [way.model, asked];
  return call;
}

/** A longer body is not hashed as a whole: its client would stop all others for as long as that takes. */
const FINGERPRINTED_BYTES = 64 << 10;

interface Returning {
  readonly ownUrl: () => string;
  readonly refused: GatewayResponse | null;
}

/**
 * `ownUrl` tells the address of the gateway as the client knows it. `refused` is the refusal of the way before, which goes
 * back if a guard refuses this one.
 */
async function respond(attempt: GatewayAttempt, { ownUrl, refused }: Returning): Promise<GatewayResponse> {
  const { endpoint } = attempt;
  let response: UpstreamResponse;
  try {
    response = await sendObserved(attempt, GATEWAY_TRANSPORT);
    if (response.ok && endpoint.namesResults === true) return await withOwnAddress(response, ownUrl());
  } catch (error) {
    const refusal = guardError(error);
    if (refusal !== null || attempt.request.isAborted) attempt.route.giveBack();
    if (refusal !== null && refused !== null) return refused;
    // If it is not the client that left, the gateway stops.
    const ended = attempt.request.isAborted ? refusalError('draining') : null;
    return errorResponse(refusal ?? ended ?? sendError(error));
  }
  if (attempt.route.goesOn) return dropped(response);
  const body = response.ok ? response.body : ((await response.whole) ?? response.body);
  return { status: response.status, headers: response.returnedHeaders, body };
}

/** A refusal that the client does not get unless nothing better comes: what is not short is not kept. */
async function dropped(response: UpstreamResponse): Promise<GatewayResponse> {
  const { status, returnedHeaders } = response;
  const body = await response.whole;
  if (body !== null) return { status, headers: returnedHeaders, body };
  response.body.cancel();
  // The client would wait for a body of the length that was announced.
  const headers = without(without(returnedHeaders, 'content-length'), 'content-encoding');
  return { status, headers, body: Buffer.alloc(0) };
}

function sendError(error: unknown): ApiError {
  if (error instanceof BodyTooLargeError)
    return { status: 413, type: 'request_too_large', message: 'The request body is longer than the API accepts.' };
  if (error instanceof ClientTimeoutError)
    return { status: 408, type: 'timeout_error', message: 'The rest of the request body did not come in time.' };
  return unansweredError(apiCause(error));
}

/** The API error for a request that a guard refused; `null` for any other error. */
function guardError(error: unknown): ApiError | null {
  if (typeof error !== 'object' || error === null || (error as { [REFUSAL]?: unknown })[REFUSAL] !== true) return null;
  if (isClientRuleError(error)) return error.apiError;
  if (isGuardFailed(error)) return GUARD_FAILED;
  const budget = budgetExceeded(error);
  if (budget !== null) return budgetError(budget);
  if (isRateLimited(error)) return limitError(error, Date.now());
  const other = 'Not sent: a guard of the gateway refused the request.';
  return paceError(error) ?? { status: 403, type: 'permission_error', message: other };
}

const GUARD_FAILED: ApiError = {
  status: 529,
  type: 'overloaded_error',
  message: 'Not sent: the gateway cannot check a rule of this token. Try again in a moment.',
  retryAfterSeconds: 5,
};
