import type { Caller } from './credentials.ts';
import { errorBody, fillMessage, type Refusal } from './errors.ts';
import { regainDay } from './billing.ts';
import type { Limits, LimitScope, ScriptedLimit } from './limits.ts';
import type { BodyItem } from './event-stream.ts';
import type { Verdict } from './refusals.ts';
import type { WireUsage } from './usage.ts';
import type { HeaderOverrides } from './scenario.ts';

/** The result of an endpoint: a body to serve, or a refusal. */
export type EndpointResult = Served | Refused;

/** A 200 and its body. */
export interface Served {
  readonly contentType: string;
  readonly items: Iterable<BodyItem>;
  /** `null` if nothing is billed. */
  readonly bill: Bill | null;
  /** The limits that the headers show; `null` for none. */
  readonly scope: LimitScope | null;
}

/** A refusal, with the figures for its headers and message. */
export interface Refused {
  readonly refusal: Refusal;
  readonly scope: LimitScope | null;
  readonly model: string | null;
  /** Units per minute of the limit that refused, if one did. */
  readonly perMinute?: number;
  readonly retryAfterSeconds?: number;
}

/** The bill for a body, or for the part of it that was sent. */
export interface Bill {
  readonly model: string;
  readonly usage: WireUsage;
  readonly verdict: Verdict;
  /** The customer behind a user profile pays. */
  readonly toProfile: boolean;
  /** The usage of a stream cut off after so many output tokens; `null` for a JSON response, which is generated before it is sent. */
  readonly partial: ((outputTokens: number) => WireUsage) | null;
}

/** `retry-after` of scripted refusals. */
const SCRIPTED_RETRY_AFTER_SECONDS = 1;

/** The context of a response's head. */
interface HeadContext {
  readonly caller: Caller;
  readonly limits: Limits;
  readonly nowMs: number;
}

/** Fills the figures into a refusal's message. */
export function withFigures(refused: Refused, { caller, limits, nowMs }: HeadContext): Refusal {
  const { refusal, scope } = refused;
  const limit = refusal.exhausted ?? refusal.full;
  const perMinute = refused.perMinute ?? (scope && limit ? limits.perMinute(scope, limit, nowMs) : null);
  const message = fillMessage(refusal.message, {
    limit: perMinute?.toLocaleString('en-US') ?? '0',
    organization: caller.organization ?? 'unknown',
    model: refused.model ?? 'unknown',
    regain: regainDay(nowMs),
  });
  return { ...refusal, message };
}

/** The headers of a response, including those of the limits if the endpoint has some. */
export function responseHeaders(
  result: EndpointResult,
  requestId: string,
  { caller, limits, nowMs }: HeadContext,
): Headers {
  const shown = result.scope === null ? {} : limits.headers(result.scope, nowMs, scripted(result));
  return new Headers({
    'request-id': requestId,
    ...(caller.organization !== null && { 'anthropic-organization-id': caller.organization }),
    ...(caller.workspace !== null && { 'anthropic-workspace-id': caller.workspace }),
    ...shown,
    ...('refusal' in result ? refusalHeaders(result) : servedHeaders(result)),
  });
}

/** A scripted refusal shows its bucket as empty or full. One that the bucket itself made shows the bucket's own figures. */
function scripted(result: EndpointResult): ScriptedLimit | undefined {
  if (!('refusal' in result) || result.perMinute !== undefined) return undefined;
  const { exhausted, full } = result.refusal;
  if (exhausted !== undefined) return { limit: exhausted, left: 'none' };
  return full === undefined ? undefined : { limit: full, left: 'all' };
}

function refusalHeaders({ refusal, retryAfterSeconds }: Refused): Record<string, string> {
  const seconds = retryAfterSeconds ?? SCRIPTED_RETRY_AFTER_SECONDS;
  return {
    'content-type': 'application/json',
    ...(refusal.retryAfter === true && { 'retry-after': String(seconds) }),
    ...(refusal.shouldRetry !== undefined && { 'x-should-retry': String(refusal.shouldRetry) }),
  };
}

function servedHeaders({ contentType }: Served): Record<string, string> {
  const streamed = contentType.startsWith('text/event-stream');
  return { 'content-type': contentType, ...(streamed && { 'cache-control': 'no-cache' }) };
}

/** Applies overrides to headers: a value replaces, `null` removes. */
export function applyOverrides(headers: Headers, overrides: HeaderOverrides): void {
  for (const [name, value] of Object.entries(overrides)) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
}

/** A JSON response that is not billed and has no limits. */
export function json(document: unknown): Served {
  return { contentType: 'application/json', items: [jsonItem(document)], bill: null, scope: null };
}

/** A refusal that no limit made. */
export function refused(why: Refusal): Refused {
  return { refusal: why, scope: null, model: null };
}

/** A JSON document as a body in one piece. */
export function jsonItem(document: unknown): BodyItem {
  return { text: JSON.stringify(document), event: null, outputTokens: 0, usageShown: 'full', pauseMs: 0 };
}

/** The body of a refusal. */
export function refusalItem(refusal: Refusal, requestId: string): BodyItem {
  return { ...jsonItem(errorBody(refusal, requestId)), usageShown: null };
}
