import type { Fault } from 'plimsoll/simulator';
import { FAULTS, LONG_RETRY, NO_ANSWER, NO_MORE_BODY } from './faults.ts';
import { MODELS, RECIPE_NAMES, type RecipeName } from './usages.ts';
import { WAY_NAMES, type Leaving, type WayName } from './ways.ts';

/** One thing that a user does, and what goes wrong with it. Data: it can be drawn, written down and shrunk. */
export interface ChaosCall {
  readonly way: WayName;
  readonly model: string;
  readonly recipe: RecipeName;
  readonly salt: number;
  /** Of its HTTP requests, one by one; those beyond have none. */
  readonly faults: readonly Fault[];
  readonly leaving: Leaving;
}

type Random = () => number;

/** Few, because each is many requests. */
const BATCHES = 0.05;
const isBatch = (way: WayName): boolean => way.startsWith('batch');
const BATCH_WAYS = WAY_NAMES.filter(isBatch);
const OTHER_WAYS = WAY_NAMES.filter((way) => !isBatch(way));

const FAULTY = 0.15;
const LEAVING = 0.08;
/** Part of the calls for which a fault lasts: every retry meets it again. */
const LASTING = 0.04;
const MOST_FAULTS = 4;
const NONE: Fault = { fault: 'none' };
const STAYS: Leaving = { kind: 'stays' };

/** The same calls for the same seed. */
export function scenario(seed: number, calls: number): readonly ChaosCall[] {
  const random = seeded(seed);
  return Array.from({ length: calls }, () => chaosCall(random));
}

function chaosCall(random: Random): ChaosCall {
  const call = {
    way: oneOf(random() < BATCHES ? BATCH_WAYS : OTHER_WAYS, random),
    model: oneOf(MODELS, random),
    recipe: oneOf(RECIPE_NAMES, random),
    salt: Math.floor(random() * 1e6),
  };
  if (random() < LEAVING) return { ...call, ...departure(random) };
  if (random() < LASTING) {
    const fault = oneOf(FAULTS, random);
    return { ...call, faults: Array.from({ length: MOST_FAULTS }, () => fault), leaving: STAYS };
  }
  const faults = Array.from({ length: MOST_FAULTS }, () => (random() < FAULTY ? oneOf(FAULTS, random) : NONE));
  return { ...call, faults, leaving: STAYS };
}

function departure(random: Random): Pick<ChaosCall, 'way' | 'faults' | 'leaving'> {
  const afterEvents = Math.floor(random() * 6);
  return oneOf<Pick<ChaosCall, 'way' | 'faults' | 'leaving'>>(
    [
      { way: 'stream', faults: [], leaving: { kind: 'breaks', afterEvents } },
      { way: 'stream', faults: [], leaving: { kind: 'aborts', afterEvents } },
      { way: 'response cancelled', faults: [], leaving: STAYS },
      { way: 'stream', faults: [NO_MORE_BODY], leaving: { kind: 'aborts_late' } },
      { way: 'create', faults: [NO_ANSWER], leaving: { kind: 'aborts_late' } },
      { way: 'create', faults: [LONG_RETRY], leaving: { kind: 'aborts_late' } },
    ],
    random,
  );
}

function oneOf<T>(all: readonly T[], random: Random): T {
  const one = all[Math.floor(random() * all.length)];
  if (one === undefined) throw new RangeError('nothing to choose from');
  return one;
}

/** A linear congruential generator with a mixed output; of no use for secrets. */
function seeded(seed: number): Random {
  let state = BigInt(seed) * 2n + 1n;
  return () => {
    state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
    return Number(state >> 33n) / 2 ** 31;
  };
}
