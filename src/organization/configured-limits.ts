import type { LimitDimension } from '../limiter.ts';
import { defaultPrices } from '../pricing/prices.ts';
import { modelClass } from '../tier/tiers.ts';
import type { SeenLimit } from '../tier/verdict.ts';
import type { ConfiguredLimit } from './directory.ts';

/**
 * What the API calls its limiters, and which dimension of the response headers each is. An open set: others are of no call.
 * Source: `WorkspaceRateLimitType` of @anthropic-ai/sdk 1.14.0, 2026-11-24.
 */
const DIMENSIONS: ReadonlyMap<string, LimitDimension> = new Map([
  ['requests_per_minute', 'requests'],
  ['input_tokens_per_minute', 'input_tokens'],
  ['input_tokens_per_minute_cache_aware', 'input_tokens'],
  ['output_tokens_per_minute', 'output_tokens'],
  ['tokens_per_minute', 'tokens'],
  ['fast_itpmca', 'fast_input_tokens'],
  ['fast_otpm', 'fast_output_tokens'],
]);

/** The configured limits of model classes, as response headers would show them; of several in one place, the highest. */
export function configuredLimits(limits: readonly ConfiguredLimit[]): readonly SeenLimit[] {
  const prices = defaultPrices();
  const highest = new Map<string, SeenLimit>();
  for (const { models, limiter, value } of limits) {
    const dimension = DIMENSIONS.get(limiter);
    if (dimension === undefined || !(value > 0)) continue;
    for (const name of new Set(models.map((model) => modelClass(prices.canonicalModel(model))))) {
      const known = highest.get(`${name} ${dimension}`);
      if (known === undefined || known.limit < value)
        highest.set(`${name} ${dimension}`, { modelClass: name, dimension, limit: value });
    }
  }
  return [...highest.values()];
}
