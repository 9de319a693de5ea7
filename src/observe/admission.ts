import { REFUSAL, type GuardedRequest } from '../vocabulary.ts';
import type { LiveCall, Observation } from './live-call.ts';
import { isJson } from './usage.ts';

/**
 * Asks the guards whether the call may be sent. Throws the refusal of the first that refuses, after the call has ended
 * as `blocked`; whatever else a guard throws is counted, and the call goes on. Each sees what those before it changed.
 */
export async function admitted(observation: Observation, call: LiveCall, request: GuardedRequest): Promise<void> {
  let asked = request;
  for (const guard of observation.guards) {
    try {
      const answer = guard.admit(call, asked);
      const admission = answer instanceof Promise ? await answer : answer;
      if (admission === undefined) continue;
      call.admit(admission.maxTokens);
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

function isRefusal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { [REFUSAL]?: unknown })[REFUSAL] === true;
}

/** The body of a request as it may be sent, with what a guard or a retry policy set in place of the caller's own; the same text where there is nothing to set. */
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
