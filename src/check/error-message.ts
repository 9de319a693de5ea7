import { redacted } from '../keys/secrets.ts';

const LONGEST_MESSAGE = 300;

/** The message of an error as it may go to a terminal; empty where there is none. */
export function shownMessage(body: unknown): string {
  return redacted(messageOf(body))
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, LONGEST_MESSAGE);
}

/** The message of an error as it came; empty where there is none. */
export function messageOf(body: unknown): string {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { readonly error?: unknown };
  const { message } = (typeof error === 'object' && error !== null ? error : {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : '';
}
