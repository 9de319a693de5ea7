import { hash } from 'node:crypto';
import { keyProblems } from '../../client/options.ts';
import type { Clock } from '../../clock.ts';
import { unfit, type Problem } from '../../errors.ts';
import type { KeyHealth } from './key-states.ts';

/** Keys that stand for each other: of several workspaces or organizations, or several of one. */
export interface KeyPool {
  /** Aliases with their weights. Files and batches always go to the first. */
  readonly keys: ReadonlyMap<string, number>;
  /** `weight`: by the weights alone. `headroom`: by weight and what is left of the limits of the model class. */
  readonly choose: 'weight' | 'headroom';
  /** Requests of one conversation go to one key as long as it can be asked: each workspace has a prompt cache of its own. */
  readonly sticky: boolean;
}

/** A pool of one key. */
export function poolOf(alias: string): KeyPool {
  return { keys: new Map([[alias, 1]]), choose: 'weight', sticky: false };
}

/** The problems of a pool, given the known keys. */
export function poolProblems(
  name: string,
  { keys }: KeyPool,
  known: { has(alias: string): boolean },
): readonly Problem[] {
  const field = `pools.${name}`;
  const isKeys = keys.size > 0 && [...keys].every(([alias, weight]) => known.has(alias) && weight > 0);
  const advice = 'pass aliases of `keys`, each with a weight above 0';
  return [
    ...keyProblems(name),
    ...(isKeys ? [] : [unfit(field, undefined, { expected: 'at least one key, each with a weight', advice })]),
    ...(known.has(name) ? [unfit(field, name, { expected: 'a name that no key has', advice: 'rename it' })] : []),
  ];
}

/** What a key is chosen for. */
interface Asked {
  readonly modelClass: string;
  /** Fingerprint of the conversation; `null` for none. */
  readonly conversation: string | null;
  /** Keys that may be chosen. */
  readonly among: readonly Candidate[];
}

/** A key that may be chosen. */
export interface Candidate {
  readonly alias: string;
  readonly health: KeyHealth;
}

/** Conversations that are remembered; the one that was quiet for longest is forgotten first. */
const MOST_CONVERSATIONS = 10_000;

/** No prompt stays in the cache for longer. */
const CACHE_MS = 60 * 60_000;

interface Remembered {
  readonly alias: string;
  readonly usedMs: number;
}

/**
 * Chooses keys of pools. A conversation stays with its key; the first choice for it depends on its fingerprint, so that
 * replicas agree. Remembered are hashes and aliases, nothing else.
 */
export class KeyChooser {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #conversations = new Map<string, Remembered>();

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Chooses one of the keys that may be asked; `null` if there is none. */
  choose(pool: KeyPool, asked: Asked): string | null {
    const { conversation, among, modelClass } = asked;
    if (conversation === null || !pool.sticky) return this.#drawn(pool, asked);
    const id = `${modelClass} ${conversation}`;
    const nowMs = this.#clock.monotonicMs();
    const known = this.#conversations.get(id);
    const isKept =
      known !== undefined && nowMs - known.usedMs <= CACHE_MS && among.some(({ alias }) => alias === known.alias);
    const alias = isKept ? known.alias : this.#drawn(pool, asked);
    this.#conversations.delete(id);
    if (alias === null) return null;
    this.#conversations.set(id, { alias, usedMs: nowMs });
    const [oldest] = this.#conversations.keys();
    if (this.#conversations.size > MOST_CONVERSATIONS && oldest !== undefined) this.#conversations.delete(oldest);
    return alias;
  }

  /**
   * Draws by weight: the least of -ln(u)/weight wins (Efraimidis and Spirakis). With a number u of a hash in place of a random
   * one, it is weighted rendezvous hashing: a key that is missing moves only what was its own.
   */
  #drawn({ keys, choose, sticky }: KeyPool, { among, conversation, modelClass }: Asked): string | null {
    let best: string | null = null;
    let least = Infinity;
    for (const { alias, health } of among) {
      const headroom = choose === 'headroom' ? health.headroom(modelClass) : 1;
      const drawn = sticky && conversation !== null ? unitOf(conversation, alias) : this.#random();
      const score = -Math.log(1 - drawn) / ((keys.get(alias) ?? 1) * headroom);
      if (score < least) [best, least] = [alias, score];
    }
    return best;
  }
}

/** A number from 0 (inclusive) to 1 (exclusive) that depends on both. */
function unitOf(conversation: string, alias: string): number {
  return hash('sha256', `${conversation} ${alias}`, 'buffer').readUInt32BE(0) / 2 ** 32;
}
