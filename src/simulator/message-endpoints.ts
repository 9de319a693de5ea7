import {
  answer,
  estimatedInputTokens,
  type Answer,
  type AnswerInput,
  type MessagesBody,
  type Reply,
} from './answer.ts';
import { limitScope, type ApiRequest } from './api-request.ts';
import { answerEvents } from './event-stream.ts';
import { json, refused, type EndpointResult, type Bill } from './exchange.ts';
import { checkedCount, checkedMessages, checkedModel, checkedPayer, messageJson, type Checked } from './messages.ts';
import type { Distribution } from './scenario.ts';
import { admit, limitedInputTokens, type SimulatorState } from './state.ts';

/** A Messages request that was understood, and what a `respond` hook says to it. */
interface ReadMessages {
  readonly body: MessagesBody;
  readonly reply: Reply;
}

/** The origin of a Messages request: on its own, or in a batch. */
interface Origin {
  readonly raw: Request;
  readonly number: number;
  readonly batchItem: string | null;
}

const DEFAULT_OUTPUT: Distribution = { kind: 'lognormal', median: 60, sigma: 0.8 };

/** Reads a Messages request, and asks the `respond` hook for its reply. */
export function readMessages(
  state: SimulatorState,
  json: Readonly<Record<string, unknown>>,
  { raw: request, number, batchItem }: Origin,
): Checked<ReadMessages> {
  const asked = checkedMessages(json);
  if ('refused' in asked) return asked;
  const body = state.threads.withHistory(asked.ok);
  if ('refused' in body) return body;
  const model = checkedModel(body.ok, state.options.unknownModels ?? 'refuse');
  if ('refused' in model) return model;
  const reply = state.options.respond?.({ body: body.ok, headers: request.headers, number, batchItem }) ?? {};
  return { ok: { body: body.ok, reply } };
}

/** Makes the answer to a Messages request. */
export function answerFor(
  state: SimulatorState,
  read: ReadMessages,
  how: Pick<AnswerInput, 'serviceTier' | 'random'>,
): Answer {
  return answer({ ...read, ...how, outputTokens: state.options.scenario?.outputTokens ?? DEFAULT_OUTPUT });
}

/** `POST /v1/messages`, for a request that has been read. */
export function messages(state: SimulatorState, request: ApiRequest, read: ReadMessages): EndpointResult {
  const payer = checkedPayer(read.body, request.raw.headers);
  if ('refused' in payer) return refused(payer.refused);
  const toProfile = payer.ok === 'user_profile';
  const made = answerFor(state, read, { serviceTier: 'standard', random: request.random });
  const scope = limitScope(request);
  const { model } = read.body;
  const inputTokens = limitedInputTokens(made.usage, scope?.class ?? model);
  const denied = admit(state, { caller: request.caller, scope, model, spends: !toProfile, inputTokens });
  if (denied !== null) return denied;
  state.threads.keep(read.body, made);
  if (read.body.stream !== true) {
    return {
      ...json(messageJson(made)),
      bill: { model: made.model, usage: made.usage, verdict: made.verdict, toProfile, partial: null },
      scope,
    };
  }
  const items = answerEvents(made, request.random);
  return { contentType: 'text/event-stream; charset=utf-8', items, bill: streamBill(made, toProfile), scope };
}

/** The bill of a stream: until everything is generated, the usage of `message_start` plus the output so far. */
function streamBill({ model, usage, startUsage, verdict }: Answer, toProfile: boolean): Bill {
  return {
    model,
    usage,
    verdict,
    toProfile,
    partial: (outputTokens) =>
      outputTokens >= usage.output_tokens ? usage : { ...startUsage, output_tokens: outputTokens },
  };
}

/** `POST /v1/messages/count_tokens`. */
export function countTokens(state: SimulatorState, request: ApiRequest): EndpointResult {
  if ('refused' in request.json) return refused(request.json.refused);
  const body = checkedCount(request.json.ok);
  if ('refused' in body) return refused(body.refused);
  const { model } = body.ok;
  const known = checkedModel({ model }, state.options.unknownModels ?? 'refuse');
  if ('refused' in known) return refused(known.refused);
  const scope = limitScope(request);
  const denied = admit(state, { caller: request.caller, scope, model, spends: false, inputTokens: 0 });
  return denied ?? { ...json({ input_tokens: estimatedInputTokens(body.ok) }), scope };
}
