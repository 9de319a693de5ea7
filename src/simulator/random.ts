/** Chance: returns numbers from 0 (included) to 1 (not included). */
export type Random = () => number;

/** How a quantity is spread. Data, so that a scenario can be written down, sent and repeated. */
export type Distribution =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly min: number; readonly max: number }
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number };

/**
 * The mulberry32 generator: 32 bits of state, the same sequence for the same seed on every machine.
 * Good enough for traffic, of no use for secrets.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Chance for one request of a run. Each request has its own sequence, so what one draws does not
 * depend on how far another has been read.
 */
export function requestRandom(seed: number, requestNumber: number): Random {
  return seededRandom(Math.imul(requestNumber, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b));
}

/** Draws one value; never negative. */
export function draw(distribution: Distribution, random: Random): number {
  switch (distribution.kind) {
    case 'constant':
      return Math.max(0, distribution.value);
    case 'uniform':
      return Math.max(0, distribution.min + random() * (distribution.max - distribution.min));
    case 'lognormal':
      return distribution.median * Math.exp(distribution.sigma * standardNormal(random));
  }
}

/** The Box–Muller transform; `1 - random()` keeps the logarithm away from zero. */
function standardNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** An id as the API writes them: the prefix and base-58 characters, 22 here, drawn from the seed. */
export function wireId(prefix: string, random: Random): string {
  let id = prefix;
  for (let length = 0; length < 22; length += 1) id += BASE58.charAt(Math.floor(random() * BASE58.length));
  return id;
}
