import type { BilledNanoUsd, BilledPart, BilledTokens } from './billing.ts';

/** Sums over what was billed. Money is whole nano-dollars. */
export interface Totals {
  /** Bills, of which an answer in several iterations has several. */
  readonly parts: number;
  readonly tokens: BilledTokens;
  readonly nanoUsd: BilledNanoUsd;
  /** All kinds of `nanoUsd` together. */
  readonly totalNanoUsd: number;
  /** Parts that have no price. */
  readonly unpriced: number;
}

const NO_TOKENS: BilledTokens = { input: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 0 };
const NO_MONEY: BilledNanoUsd = { ...NO_TOKENS, server_tools: 0 };

/** Adds bills to the totals of their models. */
export function charge(totals: Map<string, Totals>, parts: readonly BilledPart[]): void {
  for (const part of parts) totals.set(part.model, plus(totals.get(part.model), part));
}

function plus(totals: Totals | undefined, part: BilledPart): Totals {
  const nanoUsd = summed(totals?.nanoUsd ?? NO_MONEY, part.nanoUsd ?? NO_MONEY);
  return {
    parts: (totals?.parts ?? 0) + 1,
    tokens: summed(totals?.tokens ?? NO_TOKENS, part.tokens),
    nanoUsd,
    totalNanoUsd: Object.values(nanoUsd).reduce((sum, kind) => sum + kind, 0),
    unpriced: (totals?.unpriced ?? 0) + (part.nanoUsd === null ? 1 : 0),
  };
}

function summed<Kind extends string>(left: Readonly<Record<Kind, number>>, right: Readonly<Record<Kind, number>>) {
  const sums: Record<Kind, number> = { ...left };
  for (const kind in left) sums[kind] += right[kind];
  return sums;
}
