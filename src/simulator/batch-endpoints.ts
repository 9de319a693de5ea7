import { scopeOf, type Ask } from './ask.ts';
import { batchJson, endsAtMs, resultLine, resultOf, type Batch, type BatchItem, type ItemOutcome } from './batch.ts';
import { totalNanoUsd } from './billing.ts';
import { errorBody, refusal, type Refusal } from './errors.ts';
import type { BodyItem } from './event-stream.ts';
import { json, jsonItem, refused, type Answered, type Served } from './exchange.ts';
import { answerFor, readMessages } from './message-endpoints.ts';
import { messageJson, type Checked } from './messages.ts';
import { draw, refusalOf, wireId } from './scenario.ts';
import type { BatchItemEntry } from './truth.ts';
import { admission, type World } from './world.ts';

/** `POST /v1/messages/batches`. Bad parameters of an item are that item's error, as they are at the API. */
export function createBatch(world: World, ask: Ask): Answered {
  if ('refused' in ask.json) return refused(ask.json.refused);
  const asked = checkedItems(ask.json.ok['requests'], world.limits.batch.perBatch);
  if ('refused' in asked) return refused(asked.refused);
  const scope = scopeOf(ask);
  const no = admission(world, { caller: ask.caller, scope, model: null, spends: true, inputTokens: 0 });
  if (no !== null) return no;
  if (queued(world, ask) + asked.ok.length > world.limits.batch.queued) {
    return { refusal: refusal('batch_queue_limit'), scope, model: null, perMinute: world.limits.batch.queued };
  }
  const createdAtMs = world.clock.now();
  const durationMs = draw(world.options.scenario?.latency?.batchMs ?? { kind: 'constant', value: 0 }, ask.random);
  const batch: Batch = {
    id: wireId('msgbatch_01', ask.random),
    organization: ask.caller.organization,
    createdAtMs,
    items: asked.ok.map(({ customId, params }, index) => ({
      customId,
      doneAtMs: createdAtMs + (durationMs * (index + 1)) / asked.ok.length,
      outcome: outcomeOf(world, ask, { customId, params }),
    })),
    canceledAtMs: null,
    settled: null,
  };
  world.batches.set(batch.id, batch);
  return { ...json(batchJson(batch, 'in_progress', ask.url.origin)), scope };
}

/** `GET /v1/messages/batches`, newest first. */
export function listBatches(world: World, ask: Ask): Answered {
  const own = [...world.batches.values()].filter((batch) => batch.organization === ask.caller.organization).reverse();
  return shown(
    ask,
    page(
      own.map((batch) => shownBatch(world, ask, batch)),
      ask.url.searchParams,
    ),
  );
}

/** `GET /v1/messages/batches/{id}`. */
export function retrieveBatch(world: World, ask: Ask): Answered {
  const batch = found(world, ask);
  return batch === null ? refused(refusal('not_found')) : shown(ask, shownBatch(world, ask, batch));
}

/** `POST /v1/messages/batches/{id}/cancel`. What has been worked on by then keeps its result. */
export function cancelBatch(world: World, ask: Ask): Answered {
  const batch = found(world, ask);
  if (batch === null) return refused(refusal('not_found'));
  if (hasEnded(world, batch)) return refused(refusal('invalid_request', { message: 'The batch has ended already.' }));
  batch.canceledAtMs ??= world.clock.now();
  return shown(ask, batchJson(batch, 'canceling', ask.url.origin));
}

/** `DELETE /v1/messages/batches/{id}`. */
export function deleteBatch(world: World, ask: Ask): Answered {
  const batch = found(world, ask);
  if (batch === null) return refused(refusal('not_found'));
  if (!hasEnded(world, batch)) {
    return refused(refusal('invalid_request', { message: 'The batch is in progress: cancel it first.' }));
  }
  world.batches.delete(batch.id);
  return shown(ask, { id: batch.id, type: 'message_batch_deleted' });
}

/** `GET /v1/messages/batches/{id}/results`: a line for each item. Usage counts as told line by line. */
export function batchResults(world: World, ask: Ask): Answered {
  const batch = found(world, ask);
  if (batch === null || !hasEnded(world, batch)) return refused(refusal('not_found'));
  const items = resultItems(world, batch, settled(world, batch));
  return { contentType: 'application/x-jsonl', items, bill: null, scope: scopeOf(ask) };
}

function* resultItems(world: World, batch: Batch, records: readonly BatchItemEntry[]): Generator<BodyItem> {
  for (const [index, item] of batch.items.entries()) {
    const record = records[index];
    const sent = (): void => (record === undefined ? undefined : world.ledger.batchItemTold(record));
    yield { ...jsonItem(null), text: resultLine(batch, item), sent };
  }
}

interface AskedItem {
  readonly customId: string;
  readonly params: Readonly<Record<string, unknown>>;
}

function checkedItems(requests: unknown, most: number): Checked<readonly AskedItem[]> {
  if (!Array.isArray(requests) || requests.length === 0) return invalid('requests: Field required');
  if (requests.length > most) return invalid(`requests: a batch has at most ${most} requests`);
  const items: AskedItem[] = [];
  for (const [index, request] of requests.entries()) {
    const { custom_id, params } = Object(request) as Readonly<Record<string, unknown>>;
    if (typeof custom_id !== 'string') return invalid(`requests.${index}.custom_id: Field required`);
    if (typeof params !== 'object' || params === null) return invalid(`requests.${index}.params: Field required`);
    items.push({ customId: custom_id, params: { ...params } });
  }
  const names = new Set(items.map((item) => item.customId));
  return names.size < items.length ? invalid('requests: custom_id must be unique in a batch') : { ok: items };
}

function invalid(message: string): { readonly refused: Refusal } {
  return { refused: refusal('invalid_request', { message }) };
}

function outcomeOf(world: World, ask: Ask, { customId, params }: AskedItem): ItemOutcome {
  const { request, number, random } = ask;
  const read = readMessages(world, params, { request, number, batchItem: customId });
  if ('refused' in read) return errored(read.refused);
  if (read.ok.body.speed === 'fast') {
    return errored(refusal('invalid_request', { message: 'speed: fast mode is not available in batches' }));
  }
  const fault = read.ok.reply.fault;
  const no = fault === undefined ? null : refusalOf(fault, false);
  if (no !== null) return errored(no);
  const made = answerFor(world, read.ok, { serviceTier: 'batch', random });
  return { type: 'succeeded', message: messageJson(made), model: made.model, usage: made.usage };
}

function errored(why: Refusal): ItemOutcome {
  return { type: 'errored', error: errorBody(why, null) };
}

function queued(world: World, ask: Ask): number {
  const open = [...world.batches.values()].filter(
    (batch) => batch.organization === ask.caller.organization && !hasEnded(world, batch),
  );
  return open.reduce((sum, batch) => sum + batch.items.length, 0);
}

function found(world: World, ask: Ask): Batch | null {
  const batch = world.batches.get(ask.id);
  return batch?.organization === ask.caller.organization ? (batch ?? null) : null;
}

function shownBatch(world: World, ask: Ask, batch: Batch): Record<string, unknown> {
  if (!hasEnded(world, batch)) {
    return batchJson(batch, batch.canceledAtMs === null ? 'in_progress' : 'canceling', ask.url.origin);
  }
  settled(world, batch);
  return batchJson(batch, 'ended', ask.url.origin);
}

function hasEnded(world: World, batch: Batch): boolean {
  return world.clock.now() >= endsAtMs(batch);
}

/** Bills what succeeded, once. Nothing runs in the background: it is done when a request first finds the batch ended. */
function settled(world: World, batch: Batch): readonly BatchItemEntry[] {
  batch.settled ??= batch.items.map((item) => {
    const record = world.ledger.batchItemEnded(truthOf(batch, item), batch.createdAtMs);
    world.spend.add(batch.organization, batch.createdAtMs, totalNanoUsd(record.billed));
    return record;
  });
  return batch.settled;
}

function truthOf(batch: Batch, item: BatchItem) {
  const result = resultOf(batch, item);
  const succeeded = result.type === 'succeeded' ? result : { model: null, usage: null };
  return {
    batchId: batch.id,
    customId: item.customId,
    result: result.type,
    model: succeeded.model,
    usage: succeeded.usage,
  };
}

function shown(ask: Ask, document: unknown): Served {
  return { ...json(document), scope: scopeOf(ask) };
}

type Item = Readonly<Record<string, unknown>>;

/** A list as the API pages it by ids: `limit` (20 where it is not given), `after_id`, `before_id`. */
export function page(all: readonly Item[], query: URLSearchParams): Item {
  const limit = Number(query.get('limit') ?? 20);
  const before = positionOf(all, query.get('before_id'));
  const from = before >= 0 ? Math.max(0, before - limit) : positionOf(all, query.get('after_id')) + 1;
  const to = before >= 0 ? before : Math.min(all.length, from + limit);
  const data = all.slice(from, to);
  const more = before >= 0 ? from > 0 : to < all.length;
  return { data, has_more: more, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null };
}

/** A list as the API pages it by cursor: `limit` (20 where it is not given) and `page`, the id to begin with. */
export function cursorPage(all: readonly Item[], query: URLSearchParams): Item {
  const limit = Number(query.get('limit') ?? 20);
  const from = Math.max(0, positionOf(all, query.get('page')));
  return { data: all.slice(from, from + limit), next_page: all[from + limit]?.['id'] ?? null };
}

/** -1 for an id that is not there. */
function positionOf(all: readonly Item[], id: string | null): number {
  return all.findIndex((each) => each['id'] === id);
}
