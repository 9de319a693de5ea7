import { answer, estimatedInputTokens, type Answer, type AnswerFrom, type MessagesBody, type Reply } from './answer.ts';
import { scopeOf, type Ask } from './ask.ts';
import { answerEvents } from './event-stream.ts';
import { json, refused, type Answered, type Bill } from './exchange.ts';
import { checkedCount, checkedMessages, checkedModel, messageJson, type Checked } from './messages.ts';
import type { Distribution } from './scenario.ts';
import { admission, limitedInputTokens, type World } from './world.ts';

/** A Messages request that was understood, and what a `respond` hook says to it. */
export interface ReadMessages {
  readonly body: MessagesBody;
  readonly reply: Reply;
}

/** Where a Messages request stands: on its own, or in a batch. */
export interface Origin {
  readonly request: Request;
  readonly number: number;
  readonly batchItem: string | null;
}

const DEFAULT_OUTPUT: Distribution = { kind: 'lognormal', median: 60, sigma: 0.8 };

/** Reads a Messages request and asks the hook. */
export function readMessages(
  world: World,
  json: Readonly<Record<string, unknown>>,
  { request, number, batchItem }: Origin,
): Checked<ReadMessages> {
  const asked = checkedMessages(json);
  if ('refused' in asked) return asked;
  const body = world.threads.whole(asked.ok);
  if ('refused' in body) return body;
  const model = checkedModel(body.ok, world.options.unknownModels ?? 'refuse');
  if ('refused' in model) return model;
  const reply = world.options.respond?.({ body: body.ok, headers: request.headers, number, batchItem }) ?? {};
  return { ok: { body: body.ok, reply } };
}

/** Makes the answer to a Messages request. */
export function answerFor(world: World, read: ReadMessages, how: Pick<AnswerFrom, 'serviceTier' | 'random'>): Answer {
  return answer({ ...read, ...how, outputTokens: world.options.scenario?.outputTokens ?? DEFAULT_OUTPUT });
}

/** `POST /v1/messages`, read before. */
export function messages(world: World, ask: Ask, read: ReadMessages): Answered {
  const made = answerFor(world, read, { serviceTier: 'standard', random: ask.random });
  const scope = scopeOf(ask);
  const { model } = read.body;
  const inputTokens = limitedInputTokens(made.usage, scope?.class ?? model);
  const no = admission(world, { caller: ask.caller, scope, model, spends: true, inputTokens });
  if (no !== null) return no;
  world.threads.keep(read.body, made);
  if (read.body.stream !== true) {
    return { ...json(messageJson(made)), bill: { model: made.model, usage: made.usage, partial: null }, scope };
  }
  const items = answerEvents(made, ask.random);
  return { contentType: 'text/event-stream; charset=utf-8', items, bill: streamBill(made), scope };
}

/** Until all is generated, a stream has used what `message_start` said and what was generated since. */
function streamBill({ model, usage, startUsage }: Answer): Bill {
  return {
    model,
    usage,
    partial: (outputTokens) =>
      outputTokens >= usage.output_tokens ? usage : { ...startUsage, output_tokens: outputTokens },
  };
}

/** `POST /v1/messages/count_tokens`. */
export function countTokens(world: World, ask: Ask): Answered {
  if ('refused' in ask.json) return refused(ask.json.refused);
  const body = checkedCount(ask.json.ok);
  if ('refused' in body) return refused(body.refused);
  const { model } = body.ok;
  const known = checkedModel({ model }, world.options.unknownModels ?? 'refuse');
  if ('refused' in known) return refused(known.refused);
  const scope = scopeOf(ask);
  const no = admission(world, { caller: ask.caller, scope, model, spends: false, inputTokens: 0 });
  return no ?? { ...json({ input_tokens: estimatedInputTokens(body.ok) }), scope };
}
