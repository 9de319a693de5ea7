import type { MetricDeclaration } from './metric.ts';
import type { LabelPairs, Series } from './series.ts';

/** One metric and all its series. `Labels` are those that the catalogue declares for it. */
export class Family<Labels extends Readonly<Record<string, string>>, S extends Series> {
  readonly declaration: MetricDeclaration;
  readonly #create: (labels: LabelPairs) => S;
  readonly #byLabels = new Map<string, S>();
  readonly #all: S[] = [];

  constructor(declaration: MetricDeclaration, create: (labels: LabelPairs) => S) {
    this.declaration = declaration;
    this.#create = create;
  }

  /**
   * The series of a label set, always the same object for the same labels. Resolving does not show it. An
   * attribution label without a value is left out, which to Prometheus is the same: two clients of one
   * registry that declare different labels then share a series rather than show it twice.
   */
  series(labels: Labels, attribution: Readonly<Record<string, string>> = {}): S {
    const pairs: (readonly [string, string])[] = [];
    for (const name of this.declaration.labels) pairs.push([name, labels[name] ?? '']);
    for (const name of Object.keys(attribution).sort()) {
      const value = attribution[name];
      if (value !== undefined && value !== '') pairs.push([name, value]);
    }
    const id = JSON.stringify(pairs);
    const known = this.#byLabels.get(id);
    if (known !== undefined) return known;
    const created = this.#create(pairs);
    this.#byLabels.set(id, created);
    this.#all.push(created);
    return created;
  }

  /** In the order of creation, hidden ones included. Only ever grows, so an index stands for one series. */
  all(): readonly S[] {
    return this.#all;
  }

  reset(): void {
    for (const series of this.#all) series.reset();
  }
}

/** Any family, for those who only read. */
export type AnyFamily = Pick<Family<never, Series>, 'declaration' | 'all' | 'reset'>;
