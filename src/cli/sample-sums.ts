import type { Sample } from './exposition-samples.ts';

/** The samples of one metric. */
export function samplesOf(samples: readonly Sample[], name: string): readonly Sample[] {
  return samples.filter((sample) => sample.name === name);
}

/** The label, empty where the sample has none. */
export function label({ labels }: Sample, name: string): string {
  return labels[name] ?? '';
}

/** Sums of one metric by what `key` makes of a sample. */
export function sums(
  samples: readonly Sample[],
  name: string,
  key: (sample: Sample) => string,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const sample of samplesOf(samples, name)) found.set(key(sample), (found.get(key(sample)) ?? 0) + sample.value);
  return found;
}
