import { scopeOf, type Ask } from './ask.ts';
import { refusal } from './errors.ts';
import { answerEvents } from './event-stream.ts';
import { jsonItem, type Answered, type Bill, type Refused, type Served } from './exchange.ts';
import { checkedCount, checkedMessages, checkedModel, messageJson, type Checked } from './messages.ts';
import { modelInfo, modelList, modelNamed } from './models.ts';
import type { Distribution } from './random.ts';
import { answer, estimatedInputTokens, type Answer, type MessagesBody, type Reply } from './reply.ts';
import type { Refusal } from './errors.ts';
import { admission, limitedInputTokens, type World } from './world.ts';

/** A Messages request that was understood, and what a `respond` hook says to it. */
export interface ReadMessages {
  readonly body: MessagesBody;
  readonly reply: Reply;
}

const DEFAULT_OUTPUT: Distribution = { kind: 'lognormal', median: 60, sigma: 0.8 };

/** Reads a Messages request and asks the hook. */
export function readMessages(world: World, ask: Pick<Ask, 'json' | 'request' | 'number'>): Checked<ReadMessages> {
  if ('refused' in ask.json) return ask.json;
  const body = checkedMessages(ask.json.ok);
  if ('refused' in body) return body;
  const reply = world.options.respond?.({ body: body.ok, headers: ask.request.headers, number: ask.number }) ?? {};
  return { ok: { body: body.ok, reply } };
}

/** `POST /v1/messages`, read before. */
export function messages(world: World, ask: Ask, { body, reply }: ReadMessages): Answered {
  const model = checkedModel(body, world.options.unknownModels ?? 'refuse');
  if ('refused' in model) return refused(model.refused);
  const outputTokens = world.options.scenario?.outputTokens ?? DEFAULT_OUTPUT;
  const made = answer({ body, reply, outputTokens, serviceTier: 'standard', random: ask.random });
  const scope = scopeOf(ask);
  const inputTokens = limitedInputTokens(made.usage, model.ok.class);
  const no = admission(world, { caller: ask.caller, scope, model: body.model, spends: true, inputTokens });
  if (no !== null) return no;
  return body.stream === true
    ? {
        contentType: 'text/event-stream; charset=utf-8',
        items: answerEvents(made, ask.random),
        bill: streamBill(made),
        scope,
      }
    : { ...json(messageJson(made)), bill: { model: made.model, usage: made.usage, partial: null }, scope };
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
  const model = checkedModel({ model: body.ok.model }, world.options.unknownModels ?? 'refuse');
  if ('refused' in model) return refused(model.refused);
  const scope = scopeOf(ask);
  const no = admission(world, { caller: ask.caller, scope, model: body.ok.model, spends: false, inputTokens: 0 });
  return no ?? { ...json({ input_tokens: estimatedInputTokens(body.ok) }), scope };
}

/** `GET /v1/models`, with the API's paging. */
export function listModels(world: World, ask: Ask): Answered {
  return json(page(modelList(world.clock.now()), ask.url.searchParams));
}

/** `GET /v1/models/{id}`. */
export function retrieveModel(world: World, ask: Ask): Answered {
  const model = modelNamed(ask.id);
  if (model === undefined) return refused(refusal('not_found', { message: `model: ${ask.id}` }));
  return json(modelInfo(model, world.clock.now()));
}

/** The answer of an endpoint that is not `/v1/messages` itself; a path that is not served is a 404. */
export async function endpoint(world: World, ask: Ask): Promise<Answered> {
  return (await ENDPOINTS[ask.operation]?.(world, ask)) ?? refused(refusal('not_found'));
}

const ENDPOINTS: Readonly<Record<string, (world: World, ask: Ask) => Answered | Promise<Answered>>> = {
  'messages.count_tokens': countTokens,
  'models.list': listModels,
  'models.retrieve': retrieveModel,
};

/** A list as the API pages it: `limit` (20), `after_id`, `before_id`. */
export function page(all: readonly Record<string, unknown>[], query: URLSearchParams): Record<string, unknown> {
  const limit = Number(query.get('limit') ?? 20);
  const position = (name: string): number => all.findIndex((each) => each['id'] === query.get(name));
  const before = position('before_id');
  const from = before >= 0 ? Math.max(0, before - limit) : position('after_id') + 1;
  const to = before >= 0 ? before : Math.min(all.length, from + limit);
  const data = all.slice(from, to);
  const more = before >= 0 ? from > 0 : to < all.length;
  return { data, has_more: more, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null };
}

/** A JSON document that nothing is billed for and that has no limits. */
export function json(document: unknown): Served {
  return { contentType: 'application/json', items: [jsonItem(document)], bill: null, scope: null };
}

/** A refusal outside the limits. */
export function refused(why: Refusal): Refused {
  return { refusal: why, scope: null, model: null };
}
