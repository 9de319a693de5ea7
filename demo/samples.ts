import type { Registry } from 'prom-client';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
}

/** The samples of a registry at one moment. */
export class Samples {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[] = []) {
    this.#samples = samples;
  }

  /** The sum of all samples of that name that have these labels. */
  total(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#named(name, labels).reduce((sum, { value }) => sum + value, 0);
  }

  /** The sums by the values of one label, largest first; those that are 0 are left out. */
  by(label: string, name: string, labels: Readonly<Record<string, string>> = {}): ReadonlyMap<string, number> {
    return new Map([...this.#sums(label, name, labels)].filter(([, sum]) => sum > 0).sort(([, a], [, b]) => b - a));
  }

  /** The increase of counters and histograms since an earlier reading. */
  since(earlier: Samples): Samples {
    const before = new Map(earlier.#samples.map((sample) => [identity(sample), sample.value]));
    return new Samples(
      this.#samples.map((sample) => ({ ...sample, value: sample.value - (before.get(identity(sample)) ?? 0) })),
    );
  }

  /**
   * A quantile of a histogram, interpolated within its bucket as Prometheus does. The last bound if it lies beyond that,
   * `null` if nothing was observed.
   */
  quantile(q: number, name: string, labels: Readonly<Record<string, string>> = {}): number | null {
    const counts = [...this.#sums('le', `${name}_bucket`, labels)]
      .map(([le, count]) => ({ bound: le === '+Inf' ? Infinity : Number(le), count }))
      .sort((a, b) => a.bound - b.bound);
    const rank = q * (counts.at(-1)?.count ?? 0);
    if (rank === 0) return null;
    let lower = { bound: 0, count: 0 };
    for (const bucket of counts) {
      if (bucket.count >= rank) {
        if (bucket.bound === Infinity) return lower.bound;
        return lower.bound + ((bucket.bound - lower.bound) * (rank - lower.count)) / (bucket.count - lower.count);
      }
      lower = bucket;
    }
    return null;
  }

  #sums(label: string, name: string, labels: Readonly<Record<string, string>>): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const { labels: own, value } of this.#named(name, labels)) {
      const key = String(own[label] ?? '');
      sums.set(key, (sums.get(key) ?? 0) + value);
    }
    return sums;
  }

  #named(name: string, labels: Readonly<Record<string, string>>): readonly Sample[] {
    const wanted = Object.entries(labels);
    return this.#samples.filter(
      (sample) => sample.name === name && wanted.every(([label, value]) => (sample.labels[label] ?? '') === value),
    );
  }
}

/** Reads a registry. */
export async function samples(registry: Registry): Promise<Samples> {
  const metrics = await registry.getMetricsAsJSON();
  return new Samples(
    metrics.flatMap(({ name, values }) =>
      values.map((sample) => ({
        name: 'metricName' in sample && typeof sample.metricName === 'string' ? sample.metricName : name,
        labels: sample.labels,
        value: sample.value,
      })),
    ),
  );
}

function identity({ name, labels }: Sample): string {
  return name + JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
