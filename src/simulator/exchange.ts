import type { Caller } from './credentials.ts';
import { errorBody, fillMessage, type ExhaustedLimit, type Refusal } from './errors.ts';
import { regainDay } from './billing.ts';
import type { Limits, LimitScope } from './limits.ts';
import type { BodyItem } from './event-stream.ts';
import type { WireUsage } from './usage.ts';
import type { HeaderOverrides } from './scenario.ts';

/** What an endpoint answers: a body that is served, or a refusal. */
export type Answered = Served | Refused;

/** A 200 and its body. */
export interface Served {
  readonly contentType: string;
  readonly items: Iterable<BodyItem>;
  /** `null` where nothing is billed. */
  readonly bill: Bill | null;
  /** Whose limits the headers show; `null` for none. */
  readonly scope: LimitScope | null;
}

/** A refusal, and what its headers and message are made from. */
export interface Refused {
  readonly refusal: Refusal;
  readonly scope: LimitScope | null;
  readonly model: string | null;
  /** The limit that said no, a minute, where one did. */
  readonly perMinute?: number;
  readonly retryAfterSeconds?: number;
}

/** What is owed when a body has been sent, or a part of it. */
export interface Bill {
  readonly model: string;
  readonly usage: WireUsage;
  /** The usage when so much of a stream was generated; `null` for a document, which is generated before it is sent. */
  readonly partial: ((outputTokens: number) => WireUsage) | null;
}

/** Retry-after of a refusal that a script asked for. */
const SCRIPTED_RETRY_AFTER_SECONDS = 1;

/** What the words and headers of a response are made from. */
export interface HeadFrom {
  readonly caller: Caller;
  readonly limits: Limits;
  readonly nowMs: number;
}

/** Puts the figures into a refusal's message. */
export function worded(refused: Refused, { caller, limits, nowMs }: HeadFrom): Refusal {
  const { refusal, scope } = refused;
  const limit = refusal.exhausted;
  const perMinute = refused.perMinute ?? (scope && limit ? limits.perMinute(scope, limit, nowMs) : null);
  const message = fillMessage(refusal.message, {
    limit: perMinute?.toLocaleString('en-US') ?? '0',
    organization: caller.organization ?? 'unknown',
    model: refused.model ?? 'unknown',
    regain: regainDay(nowMs),
  });
  return { ...refusal, message };
}

/** The headers of every response, and those of the limits where the endpoint has some. */
export function responseHeaders(answered: Answered, requestId: string, { caller, limits, nowMs }: HeadFrom): Headers {
  const shown = answered.scope === null ? {} : limits.headers(answered.scope, nowMs, exhausted(answered));
  return new Headers({
    'request-id': requestId,
    ...(caller.organization !== null && { 'anthropic-organization-id': caller.organization }),
    ...(caller.workspace !== null && { 'anthropic-workspace-id': caller.workspace }),
    ...shown,
    ...('refusal' in answered ? refusalHeaders(answered) : servedHeaders(answered)),
  });
}

/** A refusal that a bucket made tells the bucket's own figures; one that a script made says that it is empty. */
function exhausted(answered: Answered): ExhaustedLimit | undefined {
  return 'refusal' in answered && answered.perMinute === undefined ? answered.refusal.exhausted : undefined;
}

function refusalHeaders({ refusal, retryAfterSeconds }: Refused): Record<string, string> {
  const seconds = retryAfterSeconds ?? SCRIPTED_RETRY_AFTER_SECONDS;
  return { 'content-type': 'application/json', ...(refusal.retryAfter === true && { 'retry-after': String(seconds) }) };
}

function servedHeaders({ contentType }: Served): Record<string, string> {
  const streamed = contentType.startsWith('text/event-stream');
  return { 'content-type': contentType, ...(streamed && { 'cache-control': 'no-cache' }) };
}

/** Puts overrides on headers: a value replaces, `null` removes. */
export function override(headers: Headers, overrides: HeaderOverrides): void {
  for (const [name, value] of Object.entries(overrides)) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
}

/** A JSON document that nothing is billed for and that has no limits. */
export function json(document: unknown): Served {
  return { contentType: 'application/json', items: [jsonItem(document)], bill: null, scope: null };
}

/** A refusal outside the limits. */
export function refused(why: Refusal): Refused {
  return { refusal: why, scope: null, model: null };
}

/** A JSON document as a body of one piece. */
export function jsonItem(document: unknown): BodyItem {
  return { text: JSON.stringify(document), event: null, outputTokens: 0, reports: 'full', pauseMs: 0 };
}

/** The body of a refusal. */
export function refusalItem(refusal: Refusal, requestId: string): BodyItem {
  return { ...jsonItem(errorBody(refusal, requestId)), reports: null };
}
