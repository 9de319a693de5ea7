/** Numbers by what they count: `tokens{model=…,kind=…}`. Nothing is 0. */
export type Cells = ReadonlyMap<string, number>;

/** Adds numbers up by name and labels. */
export class Tally {
  readonly #cells = new Map<string, number>();

  add(name: string, labels: Readonly<Record<string, string>>, amount = 1): void {
    if (amount === 0) return;
    const cell = cellName(name, labels);
    this.#cells.set(cell, (this.#cells.get(cell) ?? 0) + amount);
  }

  get cells(): Cells {
    return this.#cells;
  }
}

function cellName(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return `${name}{${pairs.join(',')}}`;
}

/** One cell in which the two sides differ. */
export interface Difference {
  readonly cell: string;
  readonly truth: number;
  readonly plimsoll: number;
}

export function differences(truth: Cells, plimsoll: Cells): readonly Difference[] {
  const cells = [...new Set([...truth.keys(), ...plimsoll.keys()])].sort();
  return cells
    .map((cell) => ({ cell, truth: truth.get(cell) ?? 0, plimsoll: plimsoll.get(cell) ?? 0 }))
    .filter((each) => each.truth !== each.plimsoll);
}

/** Label values, as `tokens kind=input`, that a run of some length must have met, and this one has not. */
export function unmet(cells: Cells, expected: readonly string[]): readonly string[] {
  const met = new Set([...cells.keys()].flatMap(values));
  return expected.filter((value) => !met.has(value));
}

function values(cell: string): readonly string[] {
  const [name = '', labels = ''] = cell.slice(0, -1).split('{');
  return labels.split(',').map((pair) => `${name} ${pair}`);
}
