import { REFUSAL, type Admission, type GuardedRequest } from '../decisions.ts';
import type { LiveCall, Observation } from './live-call.ts';
import { isJson } from './usage.ts';

/**
 * Asks the guards, at the first attempt alone, then the spend guards whether the request may be sent. Rejects with the refusal of the first that
 * refuses, after the call has ended as `blocked`; any other error of a guard is counted, and the call goes on. Each sees
 * the changes of those before it.
 */
export async function admit(
  { observation, call }: { readonly observation: Observation; readonly call: LiveCall },
  request: GuardedRequest,
): Promise<void> {
  let asked = request;
  for (const ask of [
    ...(call.attempts > 1 ? [] : observation.guards).map((guard) => (): Answer => guard.admit(call, asked)),
    ...call.spends.map((spend) => (): Answer => spend.admit(asked)),
  ]) {
    try {
      const answer = ask();
      const admission = answer instanceof Promise ? await answer : answer;
      if (admission === undefined) continue;
      call.admittedMaxTokens = admission.maxTokens;
      call.maxTokens = admission.maxTokens;
      asked = { ...asked, body: { ...asked.body, max_tokens: admission.maxTokens } };
    } catch (error) {
      if (isRefusal(error)) {
        call.end('blocked');
        throw error;
      }
      observation.onError('guard', error);
    }
  }
}

type Answer = Admission | Promise<Admission>;

/** Tells the refusal of a guard, by whichever copy of this package, from other errors. */
export function isRefusal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { [REFUSAL]?: unknown })[REFUSAL] === true;
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
