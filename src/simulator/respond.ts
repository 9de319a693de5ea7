import { adminDenial } from './admin/access.ts';
import { analyticsCost, analyticsUsage } from './admin/analytics.ts';
import { listKeys, listWorkspaces, me, rateLimits, spendLimits, workspaceRateLimits } from './admin/directory.ts';
import { legacyCost, legacyUsage } from './admin/legacy-reports.ts';
import { requestedModel, limitScope, type ApiRequest, type Json } from './api-request.ts';
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
import { json, refused, type EndpointResult } from './exchange.ts';
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
import type { RequestRecord } from './truth.ts';
import type { SimulatorState } from './state.ts';

/** A request that has arrived. */
interface IncomingRequest {
  readonly request: Request;
  /** Aborted when the sender has gone. */
  readonly signal: AbortSignal;
  /** 1 for the simulator's first request. */
  readonly number: number;
  /** The fault that the script has for this request. */
  readonly scripted: Fault | undefined;
}

/** The API's limit for the size of a request, in bytes. */
const MOST_BYTES = 32 * 1024 * 1024;

const AT_ONCE = { kind: 'constant', value: 0 } as const;

/**
 * Responds to a request: chooses the fault, checks the key, calls the endpoint, lets the time pass and sends the result.
 * Rejects as `fetch` does if the connection breaks, and with the signal's reason if the sender has gone.
 */
export async function respond(state: SimulatorState, incoming: IncomingRequest): Promise<Response> {
  const random = requestRandom(state.options.seed ?? 1, incoming.number);
  const record = beginRecord(state, incoming, random);
  try {
    return await produceResponse(state, incoming, { record, random });
  } catch (error) {
    record.delivery = incoming.signal.aborted ? 'cancelled' : 'none';
    state.ledger.end(record, state.clock.now());
    throw error;
  }
}

function beginRecord(state: SimulatorState, { request, number }: IncomingRequest, random: Random): RequestRecord {
  const path = new URL(request.url).pathname;
  return state.ledger.begin({
    number,
    id: wireId('req_011C', random),
    startedAtMs: state.clock.now(),
    method: request.method,
    path,
    operation: route(request.method, path).operation,
    retryCount: Number(request.headers.get('x-stainless-retry-count') ?? 0),
  });
}

interface RecordedRequest {
  readonly record: RequestRecord;
  readonly random: Random;
}

async function produceResponse(
  state: SimulatorState,
  incoming: IncomingRequest,
  { record, random }: RecordedRequest,
): Promise<Response> {
  const chosen = incoming.scripted ?? drawFault(state.options.scenario ?? {}, random);
  const pace = paceOf(state.options.scenario?.latency ?? {}, random);
  const request = await readRequest(state, incoming, { record, random });
  const { fault, result } = await decide(state, request, chosen);
  record.fault = fault.fault === 'none' ? null : fault.fault;
  const delayMs = fault.fault === 'slow_first_byte' ? fault.delayMs : 0;
  await wait(state.clock, pace.firstByteMs + delayMs + tokensBeforeHead(result) * pace.perTokenMs, incoming.signal);
  if (result === 'reset') throw connectionError('fetch failed');
  const betas = (incoming.request.headers.get('anthropic-beta') ?? '').split(',').map((beta) => beta.trim());
  const { perTokenMs } = pace;
  const made = response(state, { result, fault, record, caller: request.caller, betas, perTokenMs, incoming });
  if (fault.fault === 'lost_response') await loseResponse(made, record);
  return made;
}

/** Breaks the connection once the response is made and billed. */
async function loseResponse(made: Response, record: RequestRecord): Promise<never> {
  record.status = null;
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

/** Output tokens generated before the head is sent: all of a JSON response, none of a stream. */
function tokensBeforeHead(result: EndpointResult | 'reset'): number {
  if (result === 'reset' || 'refusal' in result || result.bill?.partial !== null) return 0;
  return result.bill.usage.output_tokens;
}

/** Reads the request, and notes in the record what it asks for. */
async function readRequest(
  state: SimulatorState,
  { request, number }: IncomingRequest,
  { record, random }: RecordedRequest,
): Promise<ApiRequest> {
  const url = new URL(request.url);
  const text = record.operation === 'files.upload' ? '' : await request.text();
  const json: Json = parsedJson(text);
  const known = callerOf(request.headers, state.options.keys);
  const caller = 'ok' in known ? known.ok : UNKNOWN_CALLER;
  const { model, stream } = 'ok' in json ? json.ok : {};
  record.streamed = record.operation === 'messages.create' && stream === true;
  if (record.streamed) record.operation = 'messages.stream';
  if (typeof model === 'string') record.requestedModel = model;
  record.key = caller.name;
  const { id } = route(request.method, url.pathname);
  const badKey = 'why' in known && !isAdminPath(url.pathname) ? known.why : null;
  const commonRefusal = refusalOfAnyEndpoint(request, badKey, text);
  return { caller, commonRefusal, raw: request, url, id, json, random, number, operation: record.operation };
}

/** The refusal of a request that every endpoint would refuse; `null` for none. */
function refusalOfAnyEndpoint(request: Request, badKey: string | null, text: string): Refusal | null {
  if (Buffer.byteLength(text) > MOST_BYTES) return refusal('request_too_large');
  if (badKey !== null) return refusal('unauthorized', { message: badKey });
  if (request.headers.get('anthropic-version') === null) {
    return refusal('invalid_request', { message: 'anthropic-version: header is required' });
  }
  return null;
}

interface Decision {
  readonly fault: Fault;
  /** `reset`: the connection breaks. */
  readonly result: EndpointResult | 'reset';
}

async function decide(state: SimulatorState, request: ApiRequest, chosen: Fault): Promise<Decision> {
  const { fault, result } = await applyFaults(state, request, chosen);
  return { fault: hasPlace(fault, request, result) ? fault : NO_FAULT, result };
}

/** A response that was refused for another reason has no room for an error of its own: such a fault does not happen. */
function hasPlace({ fault }: Fault, { operation }: ApiRequest, result: Decision['result']): boolean {
  const isRefused = result !== 'reset' && 'refusal' in result;
  if (fault === 'error_event') return operation !== 'messages.stream' || !isRefused;
  if (fault === 'dialect') return operation === 'messages.stream' && !isRefused;
  return fault !== 'error_body' || (!isRefused && (operation === 'messages.create' || operation === 'messages.stream'));
}

/** Applies a fault that refuses first, then checks the key, then calls the endpoint. The fault of a `respond` hook comes last. */
async function applyFaults(state: SimulatorState, request: ApiRequest, chosen: Fault): Promise<Decision> {
  const early = faultResult(request, chosen);
  if (early !== null) return { fault: chosen, result: early };
  if (request.commonRefusal !== null) return { fault: chosen, result: refused(request.commonRefusal) };
  if (request.operation !== 'messages.create' && request.operation !== 'messages.stream') {
    return { fault: chosen, result: await callEndpoint(state, request) };
  }
  if ('refused' in request.json) return { fault: chosen, result: refused(request.json.refused) };
  const read = readMessages(state, request.json.ok, { ...request, batchItem: null });
  if ('refused' in read) return { fault: chosen, result: refused(read.refused) };
  const fault = chosen.fault === 'none' ? (read.ok.reply.fault ?? chosen) : chosen;
  checkFaults([fault]);
  return { fault, result: faultResult(request, fault) ?? messages(state, request, read.ok) };
}

/** The refusal or reset that a fault puts in place of an answer; `null` if the request is answered. */
function faultResult(request: ApiRequest, fault: Fault): EndpointResult | 'reset' | null {
  if (fault.fault === 'connection_reset') return 'reset';
  const why = refusalOf(fault, request.operation === 'messages.stream');
  return why === null ? null : { refusal: why, scope: limitScope(request), model: requestedModel(request) };
}

type Endpoint = (state: SimulatorState, request: ApiRequest) => EndpointResult | Promise<EndpointResult>;

const ENDPOINTS = {
  'messages.count_tokens': countTokens,
  'messages.batches.create': createBatch,
  'messages.batches.list': listBatches,
  'messages.batches.retrieve': retrieveBatch,
  'messages.batches.cancel': cancelBatch,
  'messages.batches.delete': deleteBatch,
  'messages.batches.results': batchResults,
  'models.list': ({ clock }, request) => json(page(modelList(clock.now()), request.url.searchParams)),
  'models.retrieve': retrieveModel,
  'files.upload': uploadFile,
  'files.list': listFiles,
  'files.retrieve_metadata': retrieveFile,
  'files.download': downloadFile,
  'files.delete': deleteFile,
  'organization.retrieve': me,
  'organization.api_keys.list': listKeys,
  'organization.workspaces.list': listWorkspaces,
  'organization.rate_limits.list': rateLimits,
  'organization.workspaces.rate_limits.list': workspaceRateLimits,
  'organization.spend_limits.list': spendLimits,
  'organization.analytics.usage.list': analyticsUsage,
  'organization.analytics.cost.list': analyticsCost,
  'organization.usage_report.messages': legacyUsage,
  'organization.cost_report': legacyCost,
} as const satisfies Readonly<Record<string, Endpoint>>;

/** An operation that a route leads to: `messages.create` is answered before the others. */
type Operation = keyof typeof ENDPOINTS | 'messages.create';

/** The Admin API checks keys of its own, at paths that it does not serve too. */
function isAdminPath(path: string): boolean {
  return path.startsWith('/v1/organizations/');
}

function isEndpoint(operation: string): operation is keyof typeof ENDPOINTS {
  return Object.hasOwn(ENDPOINTS, operation);
}

/** Calls an endpoint other than `/v1/messages`. A path that is not served gets a 404. */
async function callEndpoint(state: SimulatorState, request: ApiRequest): Promise<EndpointResult> {
  const { operation } = request;
  const denied = isAdminPath(request.url.pathname) ? adminDenial(state, request) : null;
  if (denied !== null) return { ...denied, scope: null, model: null };
  if (!isEndpoint(operation)) return refused(refusal('not_found'));
  const endpoint: Endpoint = ENDPOINTS[operation];
  return endpoint(state, request);
}

function retrieveModel({ clock }: SimulatorState, request: ApiRequest): EndpointResult {
  const model = modelNamed(request.id);
  if (model === undefined) return refused(refusal('not_found', { message: `model: ${request.id}` }));
  return json(modelInfo(model, clock.now()));
}

/** The route of a request. Operations are named like the SDK's methods. */
interface Route {
  readonly operation: Operation | 'other';
  /** The id in the path; empty if the route has none. */
  readonly id: string;
}

const ROUTES: readonly (readonly [method: string, path: RegExp, operation: Operation])[] = [
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
  ['GET', /^\/v1\/organizations\/me$/, 'organization.retrieve'],
  ['GET', /^\/v1\/organizations\/api_keys$/, 'organization.api_keys.list'],
  ['GET', /^\/v1\/organizations\/workspaces$/, 'organization.workspaces.list'],
  ['GET', /^\/v1\/organizations\/workspaces\/([^/]+)\/rate_limits$/, 'organization.workspaces.rate_limits.list'],
  ['GET', /^\/v1\/organizations\/rate_limits$/, 'organization.rate_limits.list'],
  ['GET', /^\/v1\/organizations\/spend_limits$/, 'organization.spend_limits.list'],
  ['GET', /^\/v1\/organizations\/analytics\/usage$/, 'organization.analytics.usage.list'],
  ['GET', /^\/v1\/organizations\/analytics\/cost$/, 'organization.analytics.cost.list'],
  ['GET', /^\/v1\/organizations\/usage_report\/messages$/, 'organization.usage_report.messages'],
  ['GET', /^\/v1\/organizations\/cost_report$/, 'organization.cost_report'],
];

/** Finds the route of a request; `other` for paths that are not served. */
function route(method: string, path: string): Route {
  for (const [routeMethod, pattern, operation] of ROUTES) {
    const match = routeMethod === method ? pattern.exec(path) : null;
    if (match !== null) return { operation, id: match[1] ?? '' };
  }
  return { operation: 'other', id: '' };
}
