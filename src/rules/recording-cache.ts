import { grouped, orZero, ratio, recordedWindow, series, sumBy } from './promql.ts';
import type { RuleGroup } from './rule.ts';
import type { MonitoringSettings } from './settings.ts';

/**
 * The prompt cache by model and route: one route that lost its cache is lost in the sum of a model's. These are shares, in
 * which what a process counted before its first scrape and after its last is missing above and below the line alike; so
 * plain increases will do, and no series of a process is recorded for them.
 */

/** How often, and over how much: each increase is counted once. */
const STEP = '5m';

/** The label that tells routes apart: the first of those that calls have, else the key. */
export function cacheLabel({ attributionLabels }: Pick<MonitoringSettings, 'attributionLabels'>): string {
  return attributionLabels[0] ?? 'key';
}

/** The names of what is recorded, by model and `cacheLabel`. */
export const RECORDED_CACHE = {
  cacheTokens: 'plimsoll:cache_tokens:increase5m',
  cacheCalls: 'plimsoll:cache_calls:increase5m',
  cacheShareNow: 'plimsoll:cache_read:ratio1h',
  cacheShareBefore: 'plimsoll:cache_read:ratio3d',
} as const;

/** The labels of each, by its name. */
export function cacheLabels(settings: MonitoringSettings): ReadonlyMap<string, readonly string[]> {
  const labels = ['model', cacheLabel(settings)];
  const { cacheTokens } = RECORDED_CACHE;
  return new Map(
    Object.values(RECORDED_CACHE).map((name) => [name, name === cacheTokens ? [...labels, 'kind'] : labels]),
  );
}

interface Selected {
  readonly kind: string;
  readonly window: '1h' | '6h' | '3d';
  readonly ago?: '1h';
}

/** Tokens of some kinds in a window, by model and `cacheLabel`. */
export function cacheTokens(settings: MonitoringSettings, { kind, window, ago }: Selected): string {
  const offset = ago === undefined ? '' : ` offset ${ago}`;
  const tokens = `${RECORDED_CACHE.cacheTokens}{kind=~"${kind}"}[${recordedWindow(window)}]${offset}`;
  return sumBy(grouped(settings, 'model', cacheLabel(settings)), `sum_over_time(${tokens})`);
}

/** Calls in the last hour. */
export function cacheCalls(): string {
  return `sum_over_time(${RECORDED_CACHE.cacheCalls}[${recordedWindow('1h')}])`;
}

const INPUT = 'input|cache_read|cache_write_5m|cache_write_1h';

/** What the alerts on the cache stand on. */
export function cacheGroup(settings: MonitoringSettings): RuleGroup {
  const by = grouped(settings, 'model', cacheLabel(settings));
  const counted = (selected: string): string => `increase(${selected}[${STEP}]) > 0`;
  // The part of the input that was read from the cache, by tokens; calls without a cache count as they are.
  const share = (window: '1h' | '3d', ago?: '1h'): string => {
    const selected = { window, ...(ago !== undefined && { ago }) };
    const input = cacheTokens(settings, { ...selected, kind: INPUT });
    return ratio(orZero(cacheTokens(settings, { ...selected, kind: 'cache_read' }), input), input);
  };
  const { cacheTokens: tokens, cacheCalls: calls, cacheShareNow, cacheShareBefore } = RECORDED_CACHE;
  return {
    name: 'plimsoll_cache',
    interval: STEP,
    rules: [
      { record: tokens, expr: sumBy(`${by}, kind`, counted(series('anthropic_tokens_total', `kind=~"${INPUT}"`))) },
      { record: calls, expr: sumBy(by, counted(series('anthropic_requests_total', 'outcome="ok"'))) },
      { record: cacheShareNow, expr: share('1h') },
      { record: cacheShareBefore, expr: share('3d', '1h') },
    ],
  };
}
