/**
 * Names and sums of the OpenTelemetry conventions for generative AI, as of November 2026
 * (https://github.com/open-telemetry/semantic-conventions-genai), in the spelling that the SDK's own spans use (1.12.0).
 * `plimsoll.*` is what the conventions have no name for.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Call, Outcome, UsagePart } from '../vocabulary.ts';
import { OTHER, fitForLabel } from './labels.ts';

export const ERROR_TYPE = 'error.type';
export const OPERATION_NAME = 'gen_ai.operation.name';
export const PROVIDER_NAME = 'gen_ai.provider.name';
export const REQUEST_MODEL = 'gen_ai.request.model';
export const RESPONSE_MODEL = 'gen_ai.response.model';
export const TOKEN_TYPE = 'gen_ai.token.type';
export const ANTHROPIC = 'anthropic';

/** Before the name of a declared attribution label. */
export const ATTRIBUTION = 'plimsoll.attribution.';

/** Whether a call is what the conventions call `chat`. They have no name for the other operations of the API. */
export function isChat({ operation }: Call): boolean {
  return operation === 'messages.create' || operation === 'messages.stream';
}

/** A name from a request or a response that can be shown; `other` for what cannot, a key among them. */
export function shown(name: string): string {
  return fitForLabel(name) ? name : OTHER;
}

/** Outcomes that are no errors: the caller got what it asked for, or stopped asking. */
const NO_ERROR: ReadonlySet<Outcome> = new Set(['ok', 'cancelled', 'abandoned']);

/** `error.type`: the outcome of a call that failed, and nothing for one that did not. */
export function errorType({ outcome }: Call): Outcome | null {
  return outcome === null || NO_ERROR.has(outcome) ? null : outcome;
}

/** `server.address` and `server.port` of a base URL; nothing of what else is in it. */
export function serverAttributes(baseUrl: string | undefined): Attributes {
  const url = baseUrl === undefined ? null : URL.parse(baseUrl);
  if (url === null) return {};
  const standardPort = url.protocol === 'http:' ? 80 : 443;
  return {
    'server.address': url.hostname.replace(/^\[(.*)\]$/, '$1'),
    'server.port': url.port === '' ? standardPort : Number(url.port),
  };
}

/** The declared labels that a call has. */
export function attributionAttributes({ attribution }: Call, declared: readonly string[]): Attributes {
  const attributes: Attributes = {};
  for (const name of declared) {
    const value = attribution[name];
    if (value !== undefined && value !== '') attributes[`${ATTRIBUTION}${name}`] = shown(value);
  }
  return attributes;
}

/** Tokens of parts of a usage, in the sums of the conventions: input includes what came from and went to caches. */
export interface TokenSums {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** What the server reported. */
  readonly output: number;
  readonly estimatedOutput: number;
}

export function tokenSums(parts: readonly UsagePart[]): TokenSums {
  const sums = { input: 0, cacheRead: 0, cacheWrite: 0, output: 0, estimatedOutput: 0 };
  for (const { tokens } of parts) {
    const written = tokens.cache_write_5m + tokens.cache_write_1h;
    sums.input += tokens.input + tokens.cache_read + written;
    sums.cacheRead += tokens.cache_read;
    sums.cacheWrite += written;
    sums.output += tokens.output;
    sums.estimatedOutput += tokens.output_estimated;
  }
  return sums;
}

/** Nano-dollars as the number of US dollars that backends expect. */
export function usd(nanoUsd: number): number {
  return nanoUsd / 1_000_000_000;
}
