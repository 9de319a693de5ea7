import type { Caller } from './credentials.ts';
import type { Refusal } from './errors.ts';
import { modelNamed, type LimitScope } from './limits.ts';
import type { Checked } from './messages.ts';
import type { Random } from './scenario.ts';

/** A JSON request body, or why the API would refuse it. */
export type Json = Checked<Readonly<Record<string, unknown>>>;

/** One request, read: what an endpoint needs to answer it. */
export interface Ask {
  /** As routes name it; `messages.stream` for a streamed message. */
  readonly operation: string;
  /** The id in the path; empty where the route has none. */
  readonly id: string;
  readonly caller: Caller;
  /** What every endpoint would refuse; `null` for nothing. */
  readonly turnedAway: Refusal | null;
  readonly request: Request;
  readonly url: URL;
  readonly json: Json;
  readonly random: Random;
  readonly number: number;
}

/** The model that a request names. */
export function askedModel({ json }: Pick<Ask, 'json'>): string | null {
  const model = 'ok' in json ? json.ok['model'] : null;
  return typeof model === 'string' ? model : null;
}

/** The limits that a request falls under; `null` where the endpoint has none. */
export function scopeOf(ask: Pick<Ask, 'operation' | 'caller' | 'json'>): LimitScope | null {
  const { organization } = ask.caller;
  if (organization === null) return null;
  if (ask.operation.startsWith('messages.batches.')) return { organization, class: 'batch', fast: false };
  if (ask.operation === 'messages.count_tokens') return { organization, class: 'count_tokens', fast: false };
  const model = askedModel(ask);
  if (model === null || !ask.operation.startsWith('messages.')) return null;
  const listed = modelNamed(model);
  const speed = 'ok' in ask.json ? ask.json.ok['speed'] : null;
  return { organization, class: listed?.class ?? model, fast: speed === 'fast' && listed?.fast === 'served' };
}
