import { REFUSAL, type Admission, type Guard, type GuardFailure, type GuardedRequest } from '../decisions.ts';
import type { Call } from '../vocabulary.ts';
import { hide } from './covers.ts';
import type { LiveCall } from './live-call.ts';
import type { Observation } from './observation.ts';
import { isJson } from './usage.ts';

interface Asked {
  readonly observation: Observation;
  readonly call: LiveCall;
}

/**
 * Asks the guards, at the first attempt alone unless the observation is strict, then the spend guards, whether the request
 * may be sent. Throws or rejects with the refusal of the first that refuses, after the call has ended as `blocked`. Any other error
 * of a guard is counted; the call is refused with a `GuardFailedError` if the guard fails closed, and otherwise goes on.
 * Each sees the changes of those before it.
 */
export function admit(given: Asked, request: GuardedRequest): Promise<void> | undefined {
  const { observation, call } = given;
  return askFrom(given, call.attempts > 1 && observation.isStrict !== true ? observation.guards.length : 0, request);
}

/** Asks all from the guard in this place on. Returns a promise where one of them does. */
function askFrom(given: Asked, first: number, request: GuardedRequest): Promise<void> | undefined {
  const end = given.observation.guards.length + given.call.spends.length;
  let asked = request;
  for (let at = first; at < end; at += 1) {
    try {
      const answer = ask(given, at, asked);
      if (isPending(answer)) return admitLater(given, at, { asked, answer });
      asked = admitted(given, answer, asked);
    } catch (error) {
      refuse(given, at, error);
    }
  }
  return undefined;
}

async function admitLater(
  given: Asked,
  at: number,
  { asked, answer }: { readonly asked: GuardedRequest; readonly answer: Promise<Admission> },
): Promise<void> {
  let request = asked;
  try {
    request = admitted(given, await answer, asked);
  } catch (error) {
    refuse(given, at, error);
  }
  await askFrom(given, at + 1, request);
}

function ask({ observation, call }: Asked, at: number, asked: GuardedRequest): Answer {
  const { guards } = observation;
  const guard = guards[at];
  return guard === undefined ? call.spends[at - guards.length]?.admit(asked, call) : guard.admit(call, asked);
}

/** The request that the next of them sees. */
function admitted({ call }: Asked, admission: Admission, asked: GuardedRequest): GuardedRequest {
  if (admission === undefined) return asked;
  if ('waitedMs' in admission) {
    call.waited(admission.waitedMs);
    return asked;
  }
  call.admittedMaxTokens = admission.maxTokens;
  call.maxTokens = admission.maxTokens;
  return { ...asked, body: { ...asked.body, max_tokens: admission.maxTokens } };
}

/** Ends the call and throws the refusal; returns where a guard has failed and the call goes on. */
function refuse({ observation, call }: Asked, at: number, error: unknown): void {
  const { guards, spendGuards } = observation;
  const { onError } = guards[at] ?? spendGuards[at - guards.length] ?? {};
  const refusal = refusalOf(error, { observation, onError });
  if (refusal === null) return;
  call.end('blocked');
  throw refusal;
}

type Answer = Admission | Promise<Admission>;

/** A promise, of whichever library: one that is not waited for would let the call through. */
function isPending(answer: Answer): answer is Promise<Admission> {
  return typeof (answer as { then?: unknown } | undefined)?.then === 'function';
}

/**
 * Asks guards that decide without the body, before it has been read. Throws or rejects as `admit` does, and returns a promise
 * if one of them does. The call is a sketch of what the request may become: nothing records it.
 */
export function admitWithoutBody(
  guards: readonly Guard[],
  call: Call,
  observation: Observation,
): Promise<void> | undefined {
  for (const [at, guard] of guards.entries()) {
    try {
      const answer = guard.admit(call, NO_BODY);
      if (isPending(answer)) return admitLaterWithoutBody(answer, guards.slice(at), { call, observation });
      checkWithoutBody(answer);
    } catch (error) {
      refuseWithoutBody(error, guard, observation);
    }
  }
  return undefined;
}

/** Waits for the first guard's answer, then asks the others. */
async function admitLaterWithoutBody(
  answer: Promise<Admission>,
  [guard, ...others]: readonly Guard[],
  { call, observation }: { readonly call: Call; readonly observation: Observation },
): Promise<void> {
  try {
    checkWithoutBody(await answer);
  } catch (error) {
    refuseWithoutBody(error, guard, observation);
  }
  await admitWithoutBody(others, call, observation);
}

function checkWithoutBody(admission: Admission): void {
  if (admission !== undefined) throw new TypeError('a guard without the body set max_tokens');
}

/** Throws the refusal; returns if the guard itself failed, and the call goes on. */
function refuseWithoutBody(error: unknown, guard: Guard | undefined, observation: Observation): void {
  const refusal = refusalOf(error, { observation, onError: guard?.onError });
  if (refusal !== null) throw refusal;
}

const NO_BODY: GuardedRequest = { body: null, bodyLength: 0 };

interface Failing {
  readonly observation: Pick<Observation, 'onError' | 'isStrict'>;
  readonly onError: GuardFailure | undefined;
}

/** The error to refuse with; `null` if a guard has failed, which was counted, and the call goes on. */
function refusalOf(error: unknown, { observation, onError }: Failing): Error | null {
  if (isRefusal(error)) return error;
  observation.onError('guard', error);
  return observation.isStrict === true || onError === 'closed' ? new GuardFailedError() : null;
}

/** Tells the refusal of a guard, by whichever copy of this package, from other errors. */
function isRefusal(error: unknown): error is Error {
  return typeof error === 'object' && error !== null && (error as { [REFUSAL]?: unknown })[REFUSAL] === true;
}

/**
 * The SDK would take the refusal of a guard for a failed connection, send again and wrap it. It catches with `catch`, which
 * lets a refusal through.
 */
export function passingRefusals(sent: Promise<Response>): Promise<Response> {
  hide(sent, 'catch', (caught: (error: unknown) => unknown) =>
    sent.then(undefined, (error: unknown) => {
      if (isRefusal(error)) throw error;
      return caught(error);
    }),
  );
  return sent;
}

const BRAND = Symbol.for('plimsoll.guard_failed');

/** A guard that fails closed has failed, so the call was refused. Nothing was sent. The guard's own error was counted. */
export class GuardFailedError extends Error {
  readonly code = 'PLIMSOLL_GUARD_FAILED';
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor() {
    super('Not sent: a guard of the call has failed, and lets nothing through that it has not checked.');
    this.name = 'GuardFailedError';
  }
}

/** Tells whether a failed guard refused, also by another copy of the package. */
export function isGuardFailed(error: unknown): error is GuardFailedError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true;
}

interface Body {
  readonly body?: unknown;
}

/** The text of a body as it may be sent: with the `max_tokens` of a guard and the model of a retry policy, where they set one. */
export function allowedBody(text: string, { admittedMaxTokens, fallbackModel }: LiveCall): string {
  if (admittedMaxTokens === null && fallbackModel === null) return text;
  const body: unknown = JSON.parse(text);
  if (!isJson(body)) return text;
  return JSON.stringify({
    ...body,
    ...(admittedMaxTokens !== null && { max_tokens: admittedMaxTokens }),
    ...(fallbackModel !== null && { model: fallbackModel }),
  });
}

/** The request with such a body. */
export function allowedRequest<Request extends Body>(request: Request, call: LiveCall): Request {
  const isChanged = call.admittedMaxTokens !== null || call.fallbackModel !== null;
  if (!isChanged || typeof request.body !== 'string') return request;
  return { ...request, body: allowedBody(request.body, call) };
}
