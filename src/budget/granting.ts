import type { Balance, Posting } from './ledger.ts';

/** Which asks fit, and what they come to. */
export interface Grants {
  readonly granted: readonly boolean[];
  readonly grantedNanoUsd: bigint;
}

/** Grants each ask that still fits under the limit, in their order: one that does not fit leaves room for the next. */
export function grants({ asks, limitNanoUsd }: Posting, { spentNanoUsd, reservedNanoUsd }: Balance): Grants {
  let grantedNanoUsd = 0n;
  const granted = asks.map((ask) => {
    const fits = limitNanoUsd === null || spentNanoUsd + reservedNanoUsd + grantedNanoUsd + ask <= limitNanoUsd;
    if (fits) grantedNanoUsd += ask;
    return fits;
  });
  return { granted, grantedNanoUsd };
}

/** How many thresholds that much spend has reached. */
export function levelOf(thresholdsNanoUsd: readonly bigint[], spentNanoUsd: bigint): number {
  return thresholdsNanoUsd.filter((threshold) => spentNanoUsd >= threshold).length;
}
