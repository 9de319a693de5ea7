import { mayHoldSecret } from './secret-mark.ts';

/** Neither long nor the beginning of a key, of whatever vendor: the file may be one of secrets, given by mistake. */
function isShowable(text: string): boolean {
  return text.length <= 32 && !text.includes('sk-') && !mayHoldSecret(text);
}

/** What came instead of what was expected, short enough for a message, and never a key. */
export function got(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'string' && !isShowable(value)) return `a text of ${value.length} characters`;
  if (typeof value === 'string') return JSON.stringify(value);
  return value === null || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : `a ${typeof value}`;
}

/** The name of a field that nobody knows, as `got` shows what came. */
export function gotName(name: string): string {
  return isShowable(name) ? name : `(a name of ${name.length} characters)`;
}
