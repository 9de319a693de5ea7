import type { Caller } from './credentials.ts';
import type { Refusal } from './errors.ts';
import { modelNamed, type LimitScope } from './limits.ts';
import type { Checked } from './messages.ts';
import type { Random } from './scenario.ts';

/** A JSON request body, or why the API would refuse it. */
export type Json = Checked<Readonly<Record<string, unknown>>>;

/** A request as an endpoint needs it: read and authenticated. */
export interface ApiRequest {
  /** The operation of its route; `messages.stream` for a streamed message. */
  readonly operation: string;
  /** The id in the path; empty if the route has none. */
  readonly id: string;
  readonly caller: Caller;
  /** Why any endpoint would refuse it; `null` if none would. */
  readonly commonRefusal: Refusal | null;
  readonly raw: Request;
  readonly url: URL;
  readonly json: Json;
  readonly random: Random;
  readonly number: number;
}

/** The model that a request names. */
export function requestedModel({ json }: Pick<ApiRequest, 'json'>): string | null {
  const model = 'ok' in json ? json.ok['model'] : null;
  return typeof model === 'string' ? model : null;
}

/** The limits that apply to a request; `null` if the endpoint has none. */
export function limitScope(request: Pick<ApiRequest, 'operation' | 'caller' | 'json'>): LimitScope | null {
  const { organization } = request.caller;
  if (organization === null) return null;
  if (request.operation.startsWith('messages.batches.')) return { organization, class: 'batch', fast: false };
  if (request.operation === 'messages.count_tokens') return { organization, class: 'count_tokens', fast: false };
  const model = requestedModel(request);
  if (model === null || !request.operation.startsWith('messages.')) return null;
  const listed = modelNamed(model);
  const speed = 'ok' in request.json ? request.json.ok['speed'] : null;
  return { organization, class: listed?.class ?? model, fast: speed === 'fast' && listed?.fast === 'served' };
}
