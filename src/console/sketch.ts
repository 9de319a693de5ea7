/**
 * Counts of durations in buckets that each reach 5% further than the one before, from a millisecond up. Quantiles read
 * from them are right to 5%, where the buckets of the metrics double.
 */

const SMALLEST_SECONDS = 0.001;

const GROWTH = 1.05;

const LOG_GROWTH = Math.log(GROWTH);

/** Buckets and counts in turn: `[bucket, count, bucket, count, …]`, in no order. A few calls need a few numbers. */
export type Sketch = number[];

/** Counts durations. Those under a millisecond count as one. */
export function observe(sketch: Sketch, seconds: number, count = 1): void {
  const bucket = seconds <= SMALLEST_SECONDS ? 0 : Math.ceil(Math.log(seconds / SMALLEST_SECONDS) / LOG_GROWTH);
  for (let at = 0; at < sketch.length; at += 2) {
    if (sketch[at] === bucket) {
      sketch[at + 1] = (sketch[at + 1] ?? 0) + count;
      return;
    }
  }
  sketch.push(bucket, count);
}

/** Adds one sketch to another. */
export function merge(into: Map<number, number>, sketch: Sketch): void {
  for (let at = 0; at < sketch.length; at += 2) {
    const bucket = sketch[at] ?? 0;
    into.set(bucket, (into.get(bucket) ?? 0) + (sketch[at + 1] ?? 0));
  }
}

/** How many durations were counted. */
function countOf(merged: ReadonlyMap<number, number>): number {
  let count = 0;
  for (const of of merged.values()) count += of;
  return count;
}

/** Returns a quantile in seconds, right to 5%; `null` where there were fewer durations than `fewest`. */
export function quantile(merged: ReadonlyMap<number, number>, share: number, fewest = 1): number | null {
  const total = countOf(merged);
  if (total < Math.max(1, fewest)) return null;
  let left = share * total;
  const buckets = [...merged].sort(([one], [other]) => one - other);
  for (const [bucket, count] of buckets) {
    left -= count;
    if (left <= 1e-9) return secondsOf(bucket);
  }
  return secondsOf(buckets.at(-1)?.[0] ?? 0);
}

/** The middle of a bucket. */
function secondsOf(bucket: number): number {
  return bucket === 0 ? SMALLEST_SECONDS : SMALLEST_SECONDS * GROWTH ** (bucket - 0.5);
}
