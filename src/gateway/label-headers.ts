import type { Attribution } from '../vocabulary.ts';
import { valueOf, type RawHeaders } from './headers.ts';

const PREFIX = 'x-plimsoll-';

/** Longer values are cut: they are names of features and teams, and not texts. */
const LONGEST_VALUE = 64;

/** The labels that the headers of a request set, of those whose names are allowed to. */
export function labelsIn(headers: RawHeaders, allowed: readonly string[]): Attribution {
  const labels: Record<string, string> = {};
  for (const name of allowed) {
    const value = valueOf(headers, `${PREFIX}${name.toLowerCase().replaceAll('_', '-')}`)
      ?.trim()
      .slice(0, LONGEST_VALUE);
    if (value !== undefined && value !== '') labels[name] = value;
  }
  return labels;
}
