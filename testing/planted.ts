import { createHash } from 'node:crypto';

/**
 * Secrets as they are issued, drawn from a hash and spelled here once more: nothing of the scanner's own is used, so
 * that a form it does not know is a miss.
 */
const ISSUED: readonly ((bytes: (length: number) => string) => string)[] = [
  (body) => `sk-ant-api03-${body(93)}AA`,
  (body) => `sk-ant-admin01-${body(93)}AA`,
  (body) => `sk-ant-api01-${body(86)}`,
  (body) => `sk-ant-oat01-${body(93)}AA`,
  (body) => `sk-ant-ort01-${body(93)}AA`,
  (body) => `sk-ant-sid01-${body(86)}-${body(6)}AA`,
  (body) => `sk-ant-api04-${body(64)}`,
];

/** The n-th secret: the same in every run. */
export function plantedSecret(n: number): string {
  let block = 0;
  const body = (length: number): string => {
    let text = '';
    while (text.length < length) text += createHash('sha512').update(`planted ${n} ${block++}`).digest('base64url');
    return text.slice(0, length);
  };
  return ISSUED[n % ISSUED.length]?.(body) ?? '';
}

/** The n-th token of a gateway, spelled here once more: an id that may be shown, and a secret. */
export function plantedToken(n: number): { readonly id: string; readonly token: string } {
  const drawn = createHash('sha512').update(`token ${n}`).digest('hex');
  const id = drawn.slice(0, 12);
  return { id, token: `plk_${id}_${drawn.slice(12, 52).replaceAll('a', 'z').replaceAll('b', 'q')}` };
}
