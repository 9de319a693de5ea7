import type { Advice } from '../tier/advice-basis.ts';
import type { ClassHeadroom } from '../tier/limiter-history.ts';
import type { TierProgress } from '../tier/progress.ts';
import type { TierVerdict } from '../tier/tier-verdict.ts';
import { defaultRegistry } from './default-registry.ts';
import { knownStore, type MetricRegistry } from './registry.ts';
import { organizationTier } from './tier-gauges.ts';

/** What this process knows at this moment of the usage tier of an organisation. */
export interface TierReport {
  /** The tier, how it is known, and what speaks against it. */
  readonly verdict: TierVerdict;
  /** How far it is to the cap and to the next tier; `null` where the tier is not known. */
  readonly progress: TierProgress | null;
  /** What is left of each limit, by model class and dimension; of several keys the one with least left. */
  readonly headroom: readonly ClassHeadroom[];
  /** What to do, most important first; from the last seven days of this process. */
  readonly advice: readonly Advice[];
}

export interface TierReportOptions {
  /** A prom-client registry. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
  /** Its alias, as the option `tier` of `instrument()` names it. Default: `default`. */
  readonly organization?: string;
}

/**
 * What the instrumented clients that feed a registry have seen of an organisation's tier; `null` where none of them is
 * of that organisation. Asks nobody: it goes by the headers and refusals of this process's own calls.
 *
 * @example
 * for (const { severity, text } of tierReport()?.advice ?? []) console.log(severity, text);
 */
export function tierReport({ registry, organization }: TierReportOptions = {}): TierReport | null {
  const store = knownStore(registry ?? defaultRegistry());
  const tier = store === null ? null : organizationTier(store, organization);
  if (tier === null) return null;
  return { verdict: tier.verdict(), progress: tier.progress(), headroom: tier.headroom(), advice: tier.advice() };
}
