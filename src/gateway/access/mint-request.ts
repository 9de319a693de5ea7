import { nanoUsdOf } from '../../budget/nano-usd.ts';
import { nearest } from '../../environment/nearest.ts';
import { mayHoldSecret } from '../../secret-mark.ts';
import { LONGEST_MINTED_SECONDS } from './client.ts';

/** What a client asks for when it mints a token, read from the body of its request; `null` where it does not say. */
export interface MintRequest {
  readonly subject: string;
  readonly origin: string | null;
  readonly models: readonly string[] | null;
  readonly spendNanoUsd: bigint | null;
  readonly lifetimeSeconds: number | null;
}

const FIELDS = ['subject', 'origin', 'models', 'spendUsd', 'expiresInSeconds'];

/** The request in a parsed body, or all that is wrong with it; nothing of the body's own text is in that but field names. */
export function mintRequest(body: unknown): MintRequest | { readonly problems: readonly string[] } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { problems: ['the body: expected a JSON object with the field subject, got something else'] };
  }
  const given = body as Readonly<Record<string, unknown>>;
  const problems: string[] = unknownFields(Object.keys(given));
  const read = <T>(name: string, expected: string, value: (field: unknown) => T | undefined): T | null => {
    const field = given[name] ?? undefined;
    const found = field === undefined ? undefined : value(field);
    if (field !== undefined && found === undefined) problems.push(`${name}: expected ${expected}, got something else`);
    return found ?? null;
  };
  const subject = read('subject', 'whom the token is for, as text of 1 to 128 characters', subjectOf);
  if ((given['subject'] ?? null) === null) {
    problems.push('subject: expected whom the token is for, got nothing: give an id of your own, such as "user-1842"');
  }
  const request = {
    subject: subject ?? '',
    origin: read('origin', 'a web origin, such as "https://app.example.com"', originOf),
    models: read('models', 'a list of ids of models', modelsOf),
    spendNanoUsd: read('spendUsd', 'an amount in US dollars above 0, such as 0.25', amountOf),
    lifetimeSeconds: read('expiresInSeconds', `whole seconds from 1 to ${LONGEST_MINTED_SECONDS}`, secondsOf),
  };
  return problems.length > 0 ? { problems } : request;
}

function unknownFields(names: readonly string[]): string[] {
  return names
    .filter((name) => !FIELDS.includes(name))
    .map((name) => {
      const near = nearest(name.slice(0, 64), FIELDS);
      const shown = /^\w{1,32}$/.test(name) ? `"${name}"` : 'one that cannot be shown';
      return `expected the fields ${FIELDS.join(', ')}, got ${shown}${near === null ? '' : `: did you mean ${near}?`}`;
    });
}

/** It may become the value of a label, and it stands in logs. */
function subjectOf(field: unknown): string | undefined {
  const isFit = typeof field === 'string' && /^[^\p{C}]{1,128}$/u.test(field) && !mayHoldSecret(field);
  return isFit ? field : undefined;
}

/** As a browser writes it in `Origin`: without a path. */
export function originOf(field: unknown): string | undefined {
  if (typeof field !== 'string') return undefined;
  const url = URL.parse(field);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === field ? field : undefined;
}

const MOST_MODELS = 50;

function modelsOf(field: unknown): readonly string[] | undefined {
  const isFit = Array.isArray(field) && field.length > 0 && field.length <= MOST_MODELS && field.every(isModel);
  return isFit ? field : undefined;
}

function isModel(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.:@/-]{1,128}$/.test(value);
}

function amountOf(field: unknown): bigint | undefined {
  const nanoUsd = nanoUsdOf(field);
  return nanoUsd !== null && nanoUsd > 0n ? nanoUsd : undefined;
}

function secondsOf(field: unknown): number | undefined {
  const isFit = typeof field === 'number' && Number.isInteger(field) && field >= 1 && field <= LONGEST_MINTED_SECONDS;
  return isFit ? field : undefined;
}
