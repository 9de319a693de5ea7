/**
 * Counts of durations in buckets that each reach 5% further than the one before, from a millisecond up. Quantiles read
 * from them are right to 5%, where the buckets of the metrics double.
 */

const SMALLEST_SECONDS = 0.001;

const GROWTH = 1.05;

const LOG_GROWTH = Math.log(GROWTH);

/** The last bucket holds what took longer than three days. */
const BUCKETS = 400;

/** Buckets and counts in turn: `[bucket, count, bucket, count, …]`, in no order. A few calls need a few numbers. */
export type Sketch = number[];

/** A count for each bucket: for sums, which have many. */
export type Dense = Float64Array;

/** Counts durations. Those under a millisecond count as one. */
export function observe(sketch: Sketch, seconds: number, count = 1): void {
  const bucket = seconds <= SMALLEST_SECONDS ? 0 : Math.ceil(Math.log(seconds / SMALLEST_SECONDS) / LOG_GROWTH);
  countIn(sketch, Math.min(BUCKETS - 1, bucket), count);
}

/** Adds one sketch to another. */
export function join(into: Sketch, sketch: Sketch): void {
  for (let at = 0; at < sketch.length; at += 2) countIn(into, sketch[at] ?? 0, sketch[at + 1] ?? 0);
}

function countIn(sketch: Sketch, bucket: number, count: number): void {
  for (let at = 0; at < sketch.length; at += 2) {
    if (sketch[at] === bucket) {
      sketch[at + 1] = (sketch[at + 1] ?? 0) + count;
      return;
    }
  }
  sketch.push(bucket, count);
}

export function dense(): Dense {
  return new Float64Array(BUCKETS);
}

/** Adds a sketch to a sum. */
export function merge(into: Dense, sketch: Sketch): void {
  for (let at = 0; at < sketch.length; at += 2) {
    const bucket = sketch[at] ?? 0;
    into[bucket] = (into[bucket] ?? 0) + (sketch[at + 1] ?? 0);
  }
}

/** Adds one sum to another. */
export function mergeDense(into: Dense, from: Dense): void {
  for (let at = 0; at < BUCKETS; at += 1) into[at] = (into[at] ?? 0) + (from[at] ?? 0);
}

/** Returns a quantile in seconds, right to 5%; `null` where there were fewer durations than `fewest`. */
export function quantile(counts: Dense, share: number, fewest = 1): number | null {
  let total = 0;
  for (const count of counts) total += count;
  if (total < Math.max(1, fewest)) return null;
  let left = share * total;
  let last = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count === 0) continue;
    left -= count;
    last = bucket;
    if (left <= 1e-9) break;
  }
  return secondsOf(last);
}

/** The middle of a bucket. */
function secondsOf(bucket: number): number {
  return bucket === 0 ? SMALLEST_SECONDS : SMALLEST_SECONDS * GROWTH ** (bucket - 0.5);
}
