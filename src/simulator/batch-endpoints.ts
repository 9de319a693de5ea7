import { limitScope, type ApiRequest } from './api-request.ts';
import { batchJson, endsAtMs, resultLine, resultOf, type Batch, type BatchItem, type ItemOutcome } from './batch.ts';
import { totalNanoUsd } from './billing.ts';
import { errorBody, refusal, type Refusal } from './errors.ts';
import type { BodyItem } from './event-stream.ts';
import { json, jsonItem, refused, type EndpointResult, type Served } from './exchange.ts';
import { answerFor, readMessages } from './message-endpoints.ts';
import { messageJson, type Checked } from './messages.ts';
import { draw, refusalOf, wireId } from './scenario.ts';
import type { BatchItemRecord } from './truth.ts';
import { admit, type SimulatorState } from './state.ts';

/** `POST /v1/messages/batches`. As in the API, bad parameters of an item are that item's error. */
export function createBatch(state: SimulatorState, request: ApiRequest): EndpointResult {
  if ('refused' in request.json) return refused(request.json.refused);
  const asked = checkedItems(request.json.ok['requests'], state.limits.batch.perBatch);
  if ('refused' in asked) return refused(asked.refused);
  const scope = limitScope(request);
  const denied = admit(state, { caller: request.caller, scope, model: null, spends: true, inputTokens: 0 });
  if (denied !== null) return denied;
  if (queued(state, request) + asked.ok.length > state.limits.batch.queued) {
    return { refusal: refusal('batch_queue_limit'), scope, model: null, perMinute: state.limits.batch.queued };
  }
  const createdAtMs = state.clock.now();
  const durationMs = draw(state.options.scenario?.latency?.batchMs ?? { kind: 'constant', value: 0 }, request.random);
  const batch: Batch = {
    id: wireId('msgbatch_01', request.random),
    organization: request.caller.organization,
    key: request.caller.name,
    createdAtMs,
    items: asked.ok.map(({ customId, params }, index) => ({
      customId,
      doneAtMs: createdAtMs + (durationMs * (index + 1)) / asked.ok.length,
      outcome: outcomeOf(state, request, { customId, params }),
    })),
    canceledAtMs: null,
    settled: null,
  };
  state.batches.set(batch.id, batch);
  return { ...json(batchJson(batch, 'in_progress', request.url.origin)), scope };
}

/** `GET /v1/messages/batches`, newest first. */
export function listBatches(state: SimulatorState, request: ApiRequest): EndpointResult {
  const own = [...state.batches.values()]
    .filter((batch) => batch.organization === request.caller.organization)
    .reverse();
  return shown(
    request,
    page(
      own.map((batch) => shownBatch(state, request, batch)),
      request.url.searchParams,
    ),
  );
}

/** `GET /v1/messages/batches/{id}`. */
export function retrieveBatch(state: SimulatorState, request: ApiRequest): EndpointResult {
  const batch = found(state, request);
  return batch === null ? refused(refusal('not_found')) : shown(request, shownBatch(state, request, batch));
}

/** `POST /v1/messages/batches/{id}/cancel`. Items that are processed by then keep their results. */
export function cancelBatch(state: SimulatorState, request: ApiRequest): EndpointResult {
  const batch = found(state, request);
  if (batch === null) return refused(refusal('not_found'));
  if (hasEnded(state, batch)) return refused(refusal('invalid_request', { message: 'The batch has ended already.' }));
  batch.canceledAtMs ??= state.clock.now();
  return shown(request, batchJson(batch, 'canceling', request.url.origin));
}

/** `DELETE /v1/messages/batches/{id}`. */
export function deleteBatch(state: SimulatorState, request: ApiRequest): EndpointResult {
  const batch = found(state, request);
  if (batch === null) return refused(refusal('not_found'));
  if (!hasEnded(state, batch)) {
    return refused(refusal('invalid_request', { message: 'The batch is in progress: cancel it first.' }));
  }
  state.batches.delete(batch.id);
  return shown(request, { id: batch.id, type: 'message_batch_deleted' });
}

/** `GET /v1/messages/batches/{id}/results`: one line per item. Usage counts as reported line by line. */
export function batchResults(state: SimulatorState, request: ApiRequest): EndpointResult {
  const batch = found(state, request);
  if (batch === null || !hasEnded(state, batch)) return refused(refusal('not_found'));
  const items = resultItems(state, batch, settled(state, batch));
  return { contentType: 'application/x-jsonl', items, bill: null, scope: limitScope(request) };
}

function* resultItems(state: SimulatorState, batch: Batch, records: readonly BatchItemRecord[]): Generator<BodyItem> {
  for (const [index, item] of batch.items.entries()) {
    const record = records[index];
    const sent = (): void => (record === undefined ? undefined : state.ledger.markRead(record));
    yield { ...jsonItem(null), text: resultLine(batch, item), sent };
  }
}

interface RequestedItem {
  readonly customId: string;
  readonly params: Readonly<Record<string, unknown>>;
}

function checkedItems(requests: unknown, most: number): Checked<readonly RequestedItem[]> {
  if (!Array.isArray(requests) || requests.length === 0) return invalid('requests: Field required');
  if (requests.length > most) return invalid(`requests: a batch has at most ${most} requests`);
  const items: RequestedItem[] = [];
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

function outcomeOf(state: SimulatorState, request: ApiRequest, { customId, params }: RequestedItem): ItemOutcome {
  const { raw, number, random } = request;
  const read = readMessages(state, params, { raw, number, batchItem: customId });
  if ('refused' in read) return errored(read.refused);
  if (read.ok.body.speed === 'fast') {
    return errored(refusal('invalid_request', { message: 'speed: fast mode is not available in batches' }));
  }
  if (read.ok.body.billing_policy?.bill_to === 'user_profile') {
    return errored(refusal('invalid_request', { message: 'billing_policy: bill_to is not supported in batches' }));
  }
  const fault = read.ok.reply.fault;
  const denied = fault === undefined ? null : refusalOf(fault, false);
  if (denied !== null) return errored(denied);
  const made = answerFor(state, read.ok, { serviceTier: 'batch', random });
  return { type: 'succeeded', message: messageJson(made), model: made.model, usage: made.usage, verdict: made.verdict };
}

function errored(why: Refusal): ItemOutcome {
  return { type: 'errored', error: errorBody(why, null), errorType: why.type };
}

function queued(state: SimulatorState, request: ApiRequest): number {
  const open = [...state.batches.values()].filter(
    (batch) => batch.organization === request.caller.organization && !hasEnded(state, batch),
  );
  return open.reduce((sum, batch) => sum + batch.items.length, 0);
}

function found(state: SimulatorState, request: ApiRequest): Batch | null {
  const batch = state.batches.get(request.id);
  return batch?.organization === request.caller.organization ? (batch ?? null) : null;
}

function shownBatch(state: SimulatorState, request: ApiRequest, batch: Batch): Record<string, unknown> {
  if (!hasEnded(state, batch)) {
    return batchJson(batch, batch.canceledAtMs === null ? 'in_progress' : 'canceling', request.url.origin);
  }
  settled(state, batch);
  return batchJson(batch, 'ended', request.url.origin);
}

function hasEnded(state: SimulatorState, batch: Batch): boolean {
  return state.clock.now() >= endsAtMs(batch);
}

/** Bills the items that succeeded, once. Nothing runs in the background: it happens when a request first finds the batch ended. */
function settled(state: SimulatorState, batch: Batch): readonly BatchItemRecord[] {
  batch.settled ??= batch.items.map((item) => {
    const record = state.ledger.recordBatchItem(truthOf(batch, item), batch);
    state.spend.add(batch.organization, batch.createdAtMs, totalNanoUsd(record.billed));
    return record;
  });
  return batch.settled;
}

function truthOf(batch: Batch, item: BatchItem) {
  const result = resultOf(batch, item);
  const succeeded = result.type === 'succeeded' ? result : { model: null, usage: null, verdict: null };
  return {
    batchId: batch.id,
    customId: item.customId,
    result: result.type,
    model: succeeded.model,
    usage: succeeded.usage,
    verdict: succeeded.verdict,
    errorType: result.type === 'errored' ? result.errorType : null,
  };
}

function shown(request: ApiRequest, document: unknown): Served {
  return { ...json(document), scope: limitScope(request) };
}

type Item = Readonly<Record<string, unknown>>;

/** One page of a list, paged by ids like the API: `limit` (default 20), `after_id`, `before_id`. */
export function page(all: readonly Item[], query: URLSearchParams): Item {
  const limit = Number(query.get('limit') ?? 20);
  const before = positionOf(all, query.get('before_id'));
  const from = before >= 0 ? Math.max(0, before - limit) : positionOf(all, query.get('after_id')) + 1;
  const to = before >= 0 ? before : Math.min(all.length, from + limit);
  const data = all.slice(from, to);
  const more = before >= 0 ? from > 0 : to < all.length;
  return { data, has_more: more, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null };
}

/** One page of a list, paged by cursor like the API: `limit` (default 20) and `page`, the id to begin with. */
export function cursorPage(all: readonly Item[], query: URLSearchParams): Item {
  const limit = Number(query.get('limit') ?? 20);
  const from = Math.max(0, positionOf(all, query.get('page')));
  return { data: all.slice(from, from + limit), next_page: all[from + limit]?.['id'] ?? null };
}

/** The position of an id; -1 if it is not in the list. */
function positionOf(all: readonly Item[], id: string | null): number {
  return all.findIndex((each) => each['id'] === id);
}
