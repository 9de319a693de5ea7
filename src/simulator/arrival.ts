import { askedModel, scopeOf, type Ask, type Json } from './ask.ts';
import {
  batchResults,
  cancelBatch,
  createBatch,
  deleteBatch,
  listBatches,
  page,
  retrieveBatch,
} from './batch-endpoints.ts';
import { wait } from './clock.ts';
import { UNKNOWN_CALLER, callerOf } from './credentials.ts';
import { connectionError, response } from './delivery.ts';
import { refusal, type Refusal } from './errors.ts';
import { json, refused, type Answered } from './exchange.ts';
import { deleteFile, downloadFile, listFiles, retrieveFile, uploadFile } from './files.ts';
import { modelInfo, modelList, modelNamed } from './limits.ts';
import { countTokens, messages, readMessages } from './message-endpoints.ts';
import { parsedJson } from './messages.ts';
import { checkFaults } from './options.ts';
import {
  NO_FAULT,
  draw,
  drawFault,
  refusalOf,
  requestRandom,
  wireId,
  type Fault,
  type Latency,
  type Random,
} from './scenario.ts';
import type { Entry } from './truth.ts';
import type { World } from './world.ts';

/** A request as it comes in. */
export interface Arrival {
  readonly request: Request;
  /** Aborted when whoever sent the request has gone. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly number: number;
  /** The fault that the script has for it. */
  readonly scripted: Fault | undefined;
}

/** The API's limit for a request, in bytes. */
const MOST_BYTES = 32 * 1024 * 1024;

const AT_ONCE = { kind: 'constant', value: 0 } as const;

/**
 * From a request to its response: the fault is chosen, the key checked, the endpoint asked, time taken, and the answer
 * sent. Rejects where the connection is to break, and with the signal's reason where the reader has left.
 */
export async function answerTo(world: World, arrival: Arrival): Promise<Response> {
  const random = requestRandom(world.options.seed ?? 1, arrival.number);
  const entry = arrived(world, arrival, random);
  try {
    return await answered(world, arrival, { entry, random });
  } catch (error) {
    entry.delivery = arrival.signal.aborted ? 'cancelled' : 'none';
    world.ledger.ended(entry, world.clock.now());
    throw error;
  }
}

function arrived(world: World, { request, number }: Arrival, random: Random): Entry {
  const path = new URL(request.url).pathname;
  return world.ledger.arrived({
    number,
    id: wireId('req_011C', random),
    startedAtMs: world.clock.now(),
    method: request.method,
    path,
    operation: route(request.method, path).operation,
    retryCount: Number(request.headers.get('x-stainless-retry-count') ?? 0),
  });
}

interface Begun {
  readonly entry: Entry;
  readonly random: Random;
}

async function answered(world: World, arrival: Arrival, { entry, random }: Begun): Promise<Response> {
  const { request, signal } = arrival;
  const chosen = arrival.scripted ?? drawFault(world.options.scenario ?? {}, random);
  const pace = paceOf(world.options.scenario?.latency ?? {}, random);
  const ask = await readAsk(world, arrival, { entry, random });
  const { fault, answered } = await decided(world, ask, chosen);
  entry.fault = fault.fault === 'none' ? null : fault.fault;
  const delayMs = fault.fault === 'slow_first_byte' ? fault.delayMs : 0;
  await wait(world.clock, pace.firstByteMs + delayMs + documentTokens(answered) * pace.perTokenMs, signal);
  if (answered === 'reset') throw connectionError('fetch failed');
  const betas = (request.headers.get('anthropic-beta') ?? '').split(',').map((beta) => beta.trim());
  const { perTokenMs } = pace;
  const made = response(world, { answered, fault, entry, caller: ask.caller, betas, perTokenMs, arrival });
  if (fault.fault === 'lost_response') await lose(made, entry);
  return made;
}

/** The answer was made, and billed, for nobody. */
async function lose(made: Response, entry: Entry): Promise<never> {
  entry.status = null;
  await made.body?.cancel();
  throw connectionError('fetch failed');
}

interface Pace {
  readonly firstByteMs: number;
  readonly perTokenMs: number;
}

function paceOf(latency: Latency, random: Random): Pace {
  return {
    firstByteMs: draw(latency.firstByteMs ?? AT_ONCE, random),
    perTokenMs: draw(latency.perTokenMs ?? AT_ONCE, random),
  };
}

/** Tokens that are generated before the head is sent: all of a document's, none of a stream's. */
function documentTokens(answered: Answered | 'reset'): number {
  if (answered === 'reset' || 'refusal' in answered || answered.bill?.partial !== null) return 0;
  return answered.bill.usage.output_tokens;
}

/** Reads the request, and tells the record what it asks for. */
async function readAsk(world: World, { request, number }: Arrival, { entry, random }: Begun): Promise<Ask> {
  const url = new URL(request.url);
  const text = entry.operation === 'files.upload' ? '' : await request.text();
  const json: Json = parsedJson(text);
  const known = callerOf(request.headers, world.options.keys);
  const caller = 'ok' in known ? known.ok : UNKNOWN_CALLER;
  const { model, stream } = 'ok' in json ? json.ok : {};
  entry.streamed = entry.operation === 'messages.create' && stream === true;
  if (entry.streamed) entry.operation = 'messages.stream';
  if (typeof model === 'string') entry.requestedModel = model;
  entry.key = caller.name;
  const { id } = route(request.method, url.pathname);
  const turnedAway = gate(request, 'why' in known ? known.why : null, text);
  return { caller, turnedAway, request, url, id, json, random, number, operation: entry.operation };
}

/** What every endpoint refuses. */
function gate(request: Request, badKey: string | null, text: string): Refusal | null {
  if (Buffer.byteLength(text) > MOST_BYTES) return refusal('request_too_large');
  if (badKey !== null) return refusal('unauthorized', { message: badKey });
  if (request.headers.get('anthropic-version') === null) {
    return refusal('invalid_request', { message: 'anthropic-version: header is required' });
  }
  return null;
}

interface Decided {
  readonly fault: Fault;
  /** `reset`: the connection breaks. */
  readonly answered: Answered | 'reset';
}

async function decided(world: World, ask: Ask, chosen: Fault): Promise<Decided> {
  const { fault, answered } = await reached(world, ask, chosen);
  // A stream that was refused for another reason has no place for an error event: it does not happen.
  const noPlace = fault.fault === 'error_event' && answered !== 'reset' && 'refusal' in answered;
  return { fault: noPlace && ask.operation === 'messages.stream' ? NO_FAULT : fault, answered };
}

/** A fault that refuses comes before all else; then the key, then the endpoint. A hook's fault is the last to be asked. */
async function reached(world: World, ask: Ask, chosen: Fault): Promise<Decided> {
  const early = faulted(ask, chosen);
  if (early !== null) return { fault: chosen, answered: early };
  if (ask.turnedAway !== null) return { fault: chosen, answered: refused(ask.turnedAway) };
  if (ask.operation !== 'messages.create' && ask.operation !== 'messages.stream') {
    return { fault: chosen, answered: await endpoint(world, ask) };
  }
  if ('refused' in ask.json) return { fault: chosen, answered: refused(ask.json.refused) };
  const read = readMessages(world, ask.json.ok, { ...ask, batchItem: null });
  if ('refused' in read) return { fault: chosen, answered: refused(read.refused) };
  const fault = chosen.fault === 'none' ? (read.ok.reply.fault ?? chosen) : chosen;
  checkFaults([fault]);
  return { fault, answered: faulted(ask, fault) ?? messages(world, ask, read.ok) };
}

/** What a fault puts in place of an answer; `null` where there will be one. */
function faulted(ask: Ask, fault: Fault): Answered | 'reset' | null {
  if (fault.fault === 'connection_reset') return 'reset';
  const why = refusalOf(fault, ask.operation === 'messages.stream');
  return why === null ? null : { refusal: why, scope: scopeOf(ask), model: askedModel(ask) };
}

const ENDPOINTS: Readonly<Record<string, (world: World, ask: Ask) => Answered | Promise<Answered>>> = {
  'messages.count_tokens': countTokens,
  'messages.batches.create': createBatch,
  'messages.batches.list': listBatches,
  'messages.batches.retrieve': retrieveBatch,
  'messages.batches.cancel': cancelBatch,
  'messages.batches.delete': deleteBatch,
  'messages.batches.results': batchResults,
  'models.list': ({ clock }, ask) => json(page(modelList(clock.now()), ask.url.searchParams)),
  'models.retrieve': retrieveModel,
  'files.upload': uploadFile,
  'files.list': listFiles,
  'files.retrieve_metadata': retrieveFile,
  'files.download': downloadFile,
  'files.delete': deleteFile,
};

/** The answer of an endpoint that is not `/v1/messages` itself; a path that is not served is a 404. */
export async function endpoint(world: World, ask: Ask): Promise<Answered> {
  return (await ENDPOINTS[ask.operation]?.(world, ask)) ?? refused(refusal('not_found'));
}

function retrieveModel({ clock }: World, ask: Ask): Answered {
  const model = modelNamed(ask.id);
  if (model === undefined) return refused(refusal('not_found', { message: `model: ${ask.id}` }));
  return json(modelInfo(model, clock.now()));
}

/** What a request asks for. Operations are named as the SDK's methods are. */
export interface Route {
  readonly operation: string;
  /** The id in the path, as it stands there; empty where the route has none. */
  readonly id: string;
}

const ROUTES: readonly (readonly [method: string, path: RegExp, operation: string])[] = [
  ['POST', /^\/v1\/messages$/, 'messages.create'],
  ['POST', /^\/v1\/messages\/count_tokens$/, 'messages.count_tokens'],
  ['POST', /^\/v1\/messages\/batches$/, 'messages.batches.create'],
  ['GET', /^\/v1\/messages\/batches$/, 'messages.batches.list'],
  ['GET', /^\/v1\/messages\/batches\/([^/]+)$/, 'messages.batches.retrieve'],
  ['DELETE', /^\/v1\/messages\/batches\/([^/]+)$/, 'messages.batches.delete'],
  ['POST', /^\/v1\/messages\/batches\/([^/]+)\/cancel$/, 'messages.batches.cancel'],
  ['GET', /^\/v1\/messages\/batches\/([^/]+)\/results$/, 'messages.batches.results'],
  ['GET', /^\/v1\/models$/, 'models.list'],
  ['GET', /^\/v1\/models\/([^/]+)$/, 'models.retrieve'],
  ['POST', /^\/v1\/files$/, 'files.upload'],
  ['GET', /^\/v1\/files$/, 'files.list'],
  ['GET', /^\/v1\/files\/([^/]+)$/, 'files.retrieve_metadata'],
  ['GET', /^\/v1\/files\/([^/]+)\/content$/, 'files.download'],
  ['DELETE', /^\/v1\/files\/([^/]+)$/, 'files.delete'],
];

/** The route of a request; `other` for what is not served. */
export function route(method: string, path: string): Route {
  for (const [routeMethod, pattern, operation] of ROUTES) {
    const match = routeMethod === method ? pattern.exec(path) : null;
    if (match !== null) return { operation, id: match[1] ?? '' };
  }
  return { operation: 'other', id: '' };
}
