import { mayHoldSecret } from '../../secret-mark.ts';

/** Of names that are to be aliases of keys, those that a message may show: where nobody wrote a key itself. */
export function showableAliases(names: readonly string[]): readonly string[] {
  return names.filter((name) => /^[\w.-]{1,64}$/.test(name) && !mayHoldSecret(name));
}
