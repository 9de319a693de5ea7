/** CPU time of `work`, in microseconds, by the process's own account: the machine's other load is not in it. */
async function cpuMicros(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** A figure of several rounds. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spread(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  return { min: quantile(sorted, 0), median: quantile(sorted, 0.5), max: quantile(sorted, 1) };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}

/**
 * The lower quartile of the blocks of a round: a neighbour on the machine, which takes caches and half a core, only ever makes
 * a block dearer. The cheapest block would leave out the garbage that the others pay for.
 */
function ofRound(blocks: readonly number[]): number {
  return quantile(
    blocks.toSorted((a, b) => a - b),
    0.25,
  );
}

/** Each item once, in an order of chance. */
function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** One thing, done in the ways that are compared, a number of times in a row. */
export interface Comparison {
  /** What the others are measured against. */
  readonly raw: () => Promise<unknown>;
  readonly variants: Readonly<Record<string, () => Promise<unknown>>>;
  /**
   * How often a way is done before it is the next one's turn: for ten milliseconds or so, because the first time after
   * another way, whose code and data have filled the caches, costs more than those that follow.
   */
  readonly callsPerBlock: number;
  readonly blocksPerRound: number;
  readonly rounds: number;
  /** Blocks before any is counted: 20. */
  readonly warmUps?: number;
}

/** CPU microseconds per call of each way, a figure for each round: `raw`, `raw again`, and the variants. */
export type Compared = Readonly<Record<string, readonly number[]>>;

/** What a way costs by itself. */
export function alone(compared: Compared, way: string): Spread {
  return spread(compared[way] ?? []);
}

/** What a variant costs over another way of the same rounds. */
export function over(compared: Compared, variant: string, base = 'raw'): Spread {
  const bases = compared[base] ?? [];
  return spread((compared[variant] ?? []).map((figure, round) => figure - (bases[round] ?? Number.NaN)));
}

/**
 * Alternates blocks of the ways in one process, so that the garbage collector, the compiler and the neighbours on the
 * machine treat them alike. `raw` is among the variants under the name `raw again`: what it shows over itself is noise.
 */
export async function compare(comparison: Comparison): Promise<Compared> {
  const { raw, variants, callsPerBlock, blocksPerRound, rounds, warmUps = 20 } = comparison;
  const ways = [['raw', raw], ['raw again', raw], ...Object.entries(variants)] as const;
  const figures = new Map<string, number[]>(ways.map(([name]) => [name, []]));
  const block = (way: () => Promise<unknown>) => async (): Promise<void> => {
    for (let call = 0; call < callsPerBlock; call++) await way();
  };
  for (const [, way] of ways) for (let warm = 0; warm < warmUps; warm++) await block(way)();
  for (let round = 0; round < rounds; round++) {
    const spent = new Map<string, number[]>(ways.map(([name]) => [name, []]));
    for (let pair = 0; pair < blocksPerRound; pair++) {
      // Another order each time: whoever follows another pays for its garbage.
      for (const [name, way] of shuffled(ways)) spent.get(name)?.push(await cpuMicros(block(way)));
    }
    for (const [name] of ways) figures.get(name)?.push(ofRound(spent.get(name) ?? []) / callsPerBlock);
  }
  return Object.fromEntries(figures);
}
