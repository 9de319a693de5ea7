import { isListedInAll } from './access/model-list.ts';
import type { GatewayContext } from './context.ts';
import { decoded } from './decoding.ts';
import { errorResponse } from './errors.ts';
import { forward } from './forward.ts';
import { HeaderMap, without } from './headers.ts';
import { GatewayRequest, type AuthorizedRequest } from './request.ts';
import type { GatewayResponse } from './response-body.ts';

type Lists = readonly (readonly string[])[];

/** Forwards a request for one model or for all, and shows only the models that the token may use. */
export async function forwardModels(
  context: GatewayContext,
  authorized: AuthorizedRequest,
  lists: Lists,
): Promise<GatewayResponse> {
  const { request } = authorized;
  const id = request.path === LIST_PATH ? null : request.path.slice(LIST_PATH.length + 1);
  if (id !== null) return isListedInAll(id, lists) ? forward(context, authorized) : notFound(id);
  const asked = pageAsked(request.query);
  const inner = asked === null ? request : wholeList(request);
  const response = await forward(context, { ...authorized, request: inner });
  // A part of the list, which a client may ask for with Range, names models as the whole does.
  return response.status < 300 ? onlyListed(response, lists, asked) : response;
}

const LIST_PATH = '/v1/models';

/** The API's own answer for a model that it does not have. */
function notFound(id: string): GatewayResponse {
  return errorResponse({ status: 404, type: 'not_found_error', message: `model: ${id}` });
}

interface PageAsked {
  readonly limit: number;
  readonly afterId: string | null;
  readonly beforeId: string | null;
}

const DEFAULT_LIMIT = 20;
const MOST = 1_000;

/** The page that a query asks for; `null` for one that the API is to refuse itself. */
function pageAsked(query: string): PageAsked | null {
  const values = new URLSearchParams(query);
  const limit = values.get('limit') ?? String(DEFAULT_LIMIT);
  const [afterId, beforeId] = [values.get('after_id'), values.get('before_id')];
  const isFit = /^[1-9]\d{0,3}$/.test(limit) && Number(limit) <= MOST && (afterId === null || beforeId === null);
  return isFit ? { limit: Number(limit), afterId, beforeId } : null;
}

const PAGING: ReadonlySet<string> = new Set(['limit', 'after_id', 'before_id']);

/**
 * Asks for all models in one page: of a page that is cut after it was filled, the SDKs would take an empty one for the last.
 * The request ends when the client's does.
 */
function wholeList(request: GatewayRequest): GatewayRequest {
  const { method, path, rawHeaders, body, baseUrl } = request;
  const rest = [...new URLSearchParams(request.query)].filter(([name]) => !PAGING.has(name));
  const query = new URLSearchParams([...rest, ['limit', String(MOST)]]);
  const headers = [...without(rawHeaders, 'accept-encoding'), 'accept-encoding', 'identity'];
  const whole = new GatewayRequest(
    { method, target: `${path}?${query.toString()}`, rawHeaders: headers, baseUrl },
    body,
  );
  request.onAbort(() => whole.abort());
  return whole;
}

interface Model {
  readonly id: string;
}

function isModel(value: unknown): value is Model {
  return typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string';
}

/** A list of a thousand models is below this. */
const LARGEST_BYTES = 8 << 20;

async function onlyListed(response: GatewayResponse, lists: Lists, asked: PageAsked | null): Promise<GatewayResponse> {
  const raw = Buffer.isBuffer(response.body) ? response.body : await response.body.collect(LARGEST_BYTES);
  // What stands between the gateway and the API may have compressed it, though it was asked not to.
  const encoding = new HeaderMap(response.headers).get('content-encoding') ?? 'identity';
  const all = modelsIn(await decoded(raw, encoding, LARGEST_BYTES));
  if (all === null) return UNREADABLE;
  const listed = (model: Model): boolean => isListedInAll(model.id, lists);
  const page = asked === null ? { data: all.filter(listed), more: false } : pageOf(all, listed, asked);
  const { data, more } = page;
  const body = { data, has_more: more, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  const headers = without(without(response.headers, 'content-length'), 'content-encoding');
  return { status: 200, headers, body: Buffer.from(JSON.stringify(body)) };
}

/** The models of a response that has all of them; `null` for any other. */
function modelsIn(body: Buffer | null): readonly Model[] | null {
  try {
    const { data, has_more: more } = JSON.parse(body?.toString('utf8') ?? '') as { data?: unknown; has_more?: unknown };
    return Array.isArray(data) && data.every(isModel) && more !== true ? data : null;
  } catch {
    // The client learns that it cannot be read.
    return null;
  }
}

/** Nobody can say which models of it the token may use. */
const UNREADABLE = errorResponse({
  status: 502,
  type: 'api_error',
  message: 'The gateway cannot read the list of models that the API sent. Ask for one model by its id.',
});

/** Cuts a page as the API does. A cursor may be any model, listed or not. */
function pageOf(all: readonly Model[], listed: (model: Model) => boolean, { limit, afterId, beforeId }: PageAsked) {
  const position = (id: string): number => all.findIndex((model) => model.id === id);
  if (beforeId !== null) {
    const before = all.slice(0, Math.max(0, position(beforeId))).filter(listed);
    return { data: before.slice(-limit), more: before.length > limit };
  }
  const after = all.slice(afterId === null ? 0 : position(afterId) + 1).filter(listed);
  return { data: after.slice(0, limit), more: after.length > limit };
}
