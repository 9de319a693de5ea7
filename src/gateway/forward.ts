import { hash } from 'node:crypto';
import { exchanged } from '../observe/exchange.ts';
import { LiveCall, type Observation } from '../observe/live-call.ts';
import { operation } from '../observe/operation.ts';
import { fanOut } from '../record/fan-out.ts';
import { withOwnAddress } from './batch-address.ts';
import type { Desk } from './desk.ts';
import { FORWARDING, type Forwarding } from './forwarding.ts';
import type { GatewayAnswer } from './gateway-answer.ts';
import { grantRules } from './grant-rules.ts';
import type { Granted } from './granted.ts';
import { guardRefusal } from './guard-refusals.ts';
import { labelsIn } from './label-headers.ts';
import { received } from './receiving.ts';
import { refused, type Refusal } from './refusals.ts';
import { BodyTooLargeError } from './request-body.ts';
import type { RequestBody } from './request-facts.ts';
import type { UpstreamAnswer } from './upstream-answer.ts';
import { UpstreamTimeoutError } from './upstream.ts';

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
