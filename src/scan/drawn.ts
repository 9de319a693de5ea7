/** Bits a character: twenty drawn hexadecimal digits have more than 3, a few characters over and over less than 2. */
const LEAST_ENTROPY = 2.6;
const CLASSES = [/[a-z]/, /[A-Z]/, /\d/];
const WORD = /^(?:[a-z]+|[A-Z]+|[A-Z][a-z]+|\d{1,4})$/;

/**
 * Whether the part of a secret behind its prefix can have been drawn by chance: not words joined by dashes, not an
 * alphabet, not a few characters over and over. Of real keys, which have 95 characters, it takes every one for drawn.
 */
export function isDrawn(body: string): boolean {
  if (CLASSES.filter((characters) => characters.test(body)).length < 2) return false;
  const words = body.split(/[-_]+/).filter((word) => word !== '');
  return !words.every((word) => WORD.test(word)) && entropy(body) >= LEAST_ENTROPY && stepsUp(body) < body.length / 2;
}

function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce((bits, count) => bits - (count / text.length) * Math.log2(count / text.length), 0);
}

/** How often a character follows its neighbour of the alphabet: `abcdef`, `012345`. */
function stepsUp(text: string): number {
  let steps = 0;
  for (let at = 1; at < text.length; at++) if (text.charCodeAt(at) - text.charCodeAt(at - 1) === 1) steps += 1;
  return steps;
}
