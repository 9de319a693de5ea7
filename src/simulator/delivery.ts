import { pacedBody, type BodyOptions, type Ending } from './body.ts';
import { faultyDocument, faultyStream } from './body-faults.ts';
import { totalNanoUsd } from './billing.ts';
import type { Caller } from './credentials.ts';
import { errorBody } from './errors.ts';
import type { BodyItem } from './event-stream.ts';
import {
  override,
  refusalItem,
  responseHeaders,
  worded,
  type Answered,
  type Bill,
  type Refused,
  type Served,
} from './exchange.ts';
import { bodyFault, eventError, type Fault } from './scenario.ts';
import type { Entry } from './truth.ts';
import type { World } from './world.ts';

/** What a response is made from. */
export interface Dispatch {
  readonly answered: Answered;
  readonly fault: Fault;
  readonly entry: Entry;
  readonly caller: Caller;
  readonly betas: readonly string[];
  readonly perTokenMs: number;
  /** Held until the body has ended: a `Request` that is collected stops passing on its abort. */
  readonly arrival: { readonly request: Request; readonly signal: AbortSignal };
}

/**
 * Sends an answer: head, body, and what goes wrong with it. The record says what was sent and what is billed; it ends
 * when the body has.
 */
export function response(world: World, dispatch: Dispatch): Response {
  const { answered, entry } = dispatch;
  entry.delivery = 'unread';
  if ('refusal' in answered) return refusalResponse(world, dispatch, answered);
  const { bill, items } = answered;
  Object.assign(entry, { status: 200, model: bill?.model ?? null });
  if (bill !== null && bill.partial === null) generated(world, dispatch, bill.usage);
  return new Response(body(world, dispatch, items), { status: 200, headers: headersOf(world, dispatch) });
}

function refusalResponse(world: World, dispatch: Dispatch, refused: Refused): Response {
  const { entry, caller } = dispatch;
  const refusal = worded(refused, { caller, limits: world.limits, nowMs: world.clock.now() });
  const { status, type, errorCode = null } = refusal;
  Object.assign(entry, { status, errorType: type, errorCode });
  const headers = headersOf(world, dispatch);
  return new Response(body(world, dispatch, [refusalItem(refusal, entry.id)]), { status, headers });
}

function headersOf(world: World, { answered, fault, entry, caller }: Dispatch): Headers {
  const from = { caller, limits: world.limits, nowMs: world.clock.now() };
  const headers = responseHeaders(answered, entry.id, from);
  if ('headers' in fault && fault.headers !== undefined) override(headers, fault.headers);
  return headers;
}

/** A document is generated, and billed, before its head is sent: the head's figures have it in them. */
function generated(world: World, dispatch: Dispatch, usage: Bill['usage']): void {
  const { entry, answered } = dispatch;
  entry.usage = usage;
  charge(world, dispatch);
  if (answered.scope !== null) world.limits.produced(answered.scope, usage.output_tokens, world.clock.now());
}

function body(world: World, dispatch: Dispatch, items: Iterable<BodyItem>): ReadableStream<Uint8Array> {
  const { answered, arrival } = dispatch;
  const served = 'refusal' in answered ? null : answered;
  return pacedBody(withFault(dispatch, items), {
    clock: world.clock,
    signal: arrival.signal,
    perTokenMs: dispatch.perTokenMs,
    ...recording(world, dispatch, served),
  });
}

function withFault({ answered, fault, entry }: Dispatch, items: Iterable<BodyItem>): Iterator<BodyItem, Ending> {
  const wrong = bodyFault(fault);
  if (wrong === null) return complete(items);
  const isStream = entry.streamed && !('refusal' in answered);
  return isStream ? faultyStream(items, wrong, errorBody(eventError(wrong), entry.id)) : faultyDocument(items, wrong);
}

/** Keeps the record of a body while it is read. */
function recording(world: World, dispatch: Dispatch, served: Served | null): Pick<BodyOptions, 'sent' | 'ended'> {
  const { entry } = dispatch;
  const partial = served?.bill?.partial ?? null;
  let outputTokens = 0;
  return {
    sent(item) {
      if (item.event !== null) entry.eventsSent += 1;
      if (item.reports !== null && served?.bill) entry.usageReported = item.reports;
      if (item.outputTokens <= outputTokens) return;
      if (served?.scope) world.limits.produced(served.scope, item.outputTokens - outputTokens, world.clock.now());
      outputTokens = item.outputTokens;
    },
    ended(how) {
      entry.delivery = how;
      if (partial !== null) {
        entry.usage = partial(outputTokens);
        charge(world, dispatch);
      }
      world.ledger.ended(entry, world.clock.now());
    },
  };
}

function charge(world: World, { entry, betas, caller }: Dispatch): void {
  const nanoUsd = totalNanoUsd(world.ledger.bill(entry, betas));
  world.spend.add(caller.organization, entry.startedAtMs, nanoUsd);
}

function* complete(items: Iterable<BodyItem>): Generator<BodyItem, Ending> {
  yield* items;
  return 'complete';
}
