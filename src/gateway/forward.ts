import { hash } from 'node:crypto';
import { budgetExceeded, type BudgetExceededError } from '../budget/budget-exceeded.ts';
import { exchanged } from '../observe/exchange.ts';
import { LiveCall, type Observation } from '../observe/live-call.ts';
import { operation } from '../observe/operation.ts';
import { fanOut } from '../record/fan-out.ts';
import { REFUSAL } from '../vocabulary.ts';
import { isRateLimited } from './access/rate-limiter.ts';
import { FORWARDING, type Forwarding } from './attempt.ts';
import type { Desk } from './context.ts';
import { refused, type Refusal, type ShortAnswer } from './errors.ts';
import { labelsIn, without } from './headers.ts';
import { received, type RequestBody } from './receive.ts';
import { BodyTooLargeError } from './request-body.ts';
import type { Granted } from './request.ts';
import type { GatewayAnswer } from './response-body.ts';
import { NotGrantedError, grantRules, isEndpointRefused } from './rules.ts';
import { UpstreamTimeoutError, type UpstreamAnswer } from './upstream.ts';

/** Sends a request on with the real key and gives back what the API answers, or why it was not sent. */
export async function forward(desk: Desk, granted: Granted): Promise<GatewayAnswer> {
  const key = desk.options.keys.get(granted.grant.key);
  if (key === undefined) {
    desk.onError(new Error('a grant names the alias of a key that the gateway does not have'));
    return refused(NO_KEY, false);
  }
  const observation = observationFor(desk, granted);
  const isGuarded = observation.guards.length > 0;
  const request = await received(granted, { held: desk.held, isGuarded });
  if ('refusal' in request) {
    desk.refusal(request.reason);
    return refused(request.refusal);
  }
  try {
    const { arrival, endpoint } = granted;
    const call = { observation, body: request.body, ...callOf(desk, granted, { observation, body: request.body }) };
    const startedMs = observation.clock.monotonicMs();
    const { upstream, retries } = desk;
    return await answerTo({ ...call, arrival, endpoint, key, upstream, retries, startedMs });
  } finally {
    request.release();
  }
}

const NO_KEY: Refusal = { status: 500, type: 'api_error', message: 'The gateway has no key for this token.' };

function observationFor({ options, observation, onError }: Desk, { arrival, grant }: Granted): Observation {
  const labels = { ...options.labels, ...labelsIn(arrival.headers, options.labelHeaders ?? []), ...grant.labels };
  const { recorder, guards } = observation;
  return {
    ...observation,
    key: grant.key,
    attribution: () => labels,
    guards: [...grantRules(grant), ...grant.guards, ...guards],
    recorder: grant.recorders.length === 0 ? recorder : fanOut([recorder, ...grant.recorders], onError),
  };
}

interface Observed {
  readonly observation: Observation;
  readonly body: RequestBody;
}

/** The call that the request is an attempt of: one that waits for it, or a new one. */
function callOf(
  { baseUrl, retries }: Desk,
  { arrival, grant }: Granted,
  { observation, body }: Observed,
): Pick<Forwarding, 'call' | 'likeness'> {
  const { method, target } = arrival;
  const { stream, ...facts } = body.facts;
  const count = arrival.header('x-stainless-retry-count');
  // A later attempt is not asked of the guards, so it is one only with the very body that they saw.
  const likeness = (): string => {
    const { asItCame } = body;
    const content = asItCame instanceof Uint8Array ? hash('sha256', asItCame) : arrival.header('content-length');
    return JSON.stringify([grant.tokenId, method, target, content, Object.entries(observation.attribution(null))]);
  };
  const resumed = Number(count) > 0 ? retries.resume(likeness(), Number(count)) : undefined;
  resumed?.retry();
  const begun = { ...facts, operation: operation(method, target, stream), baseUrl, sdkSpan: undefined };
  return { likeness: count === null ? null : likeness, call: resumed ?? new LiveCall(observation, begun) };
}

async function answerTo(forwarding: Forwarding): Promise<GatewayAnswer> {
  const { arrival, endpoint } = forwarding;
  let answer: UpstreamAnswer;
  try {
    answer = await exchanged(forwarding, FORWARDING);
    if (answer.ok && endpoint.namesResults === true) return await withOwnAddress(answer, arrival.base);
  } catch (error) {
    return guardRefusal(error) ?? refused(failure(error));
  }
  const body = answer.ok ? answer.passage : ((await answer.whole) ?? answer.passage);
  return { status: answer.status, headers: answer.rawHeaders, body };
}

function failure(error: unknown): Refusal {
  if (error instanceof BodyTooLargeError)
    return { status: 413, type: 'request_too_large', message: 'The body of the request is longer than the API takes.' };
  if (error instanceof UpstreamTimeoutError)
    return { status: 504, type: 'timeout_error', message: 'The API did not answer in time.' };
  return { status: 502, type: 'api_error', message: 'The gateway cannot reach the API.' };
}

/** A page of the list has 1,000 batches at the most, each below 1 KiB. */
const LARGEST_BYTES = 8 << 20;

const RESULTS_URL = /("results_url"\s*:\s*")https?:\/\/[^"/]+[^"]*?(\/v1\/messages\/batches\/)/g;

/**
 * An answer about batches, in which their results are where the gateway is: the SDKs fetch them from the address that is
 * in it, with the token of the gateway. Rejects where the answer breaks off.
 */
export async function withOwnAddress(answer: UpstreamAnswer, base: string): Promise<GatewayAnswer> {
  const text = (await answer.passage.collect(LARGEST_BYTES)).toString('utf8');
  const own = JSON.stringify(base).slice(1, -1);
  const body = Buffer.from(text.replace(RESULTS_URL, (_all, before: string, path: string) => before + own + path));
  return { status: answer.status, headers: without(answer.rawHeaders, 'content-length'), body };
}

/** The answer to a request that a guard refused; `null` for an error that is no refusal of a guard's. */
export function guardRefusal(error: unknown): ShortAnswer | null {
  if (typeof error !== 'object' || error === null || (error as { [REFUSAL]?: unknown })[REFUSAL] !== true) return null;
  const budget = budgetExceeded(error);
  if (budget !== null) return overBudget(budget);
  if (isRateLimited(error)) {
    const { message, retryAfterSeconds } = error;
    return refused({ status: 429, type: 'rate_limit_error', message, retryAfterSeconds });
  }
  if (error instanceof NotGrantedError) return refused(error.refusal);
  const message = isEndpointRefused(error) ? error.message : 'Not sent: a guard of the gateway refused the request.';
  return refused({ status: 403, type: 'permission_error', message });
}

/** In words: who calls over HTTP has none of the fields that the error has in a program. */
function overBudget({ message, reason, budget, limitUsd, resetsAt }: BudgetExceededError): ShortAnswer {
  if (reason === 'ledger_unavailable') {
    return refused({ status: 529, type: 'overloaded_error', message, retryAfterSeconds: 5 });
  }
  const why =
    reason === 'exceeded'
      ? `the call does not fit into the budget "${budget}" of ${dollars(limitUsd)}, which resets at ${resetsAt.toISOString()}`
      : `no price is known for the model, and the budget "${budget}" blocks what it cannot price`;
  return refused({ status: 402, type: 'billing_error', message: `Not sent: ${why}.` }, false);
}

/** Down to the nano-dollar, which a limit may be written in, and with cents at least. */
function dollars(usd: number): string {
  return `$${usd.toFixed(9).replace(/(\.\d\d\d*?)0+$/, '$1')}`;
}
