import { orZero } from '../promql.ts';
import { cacheCalls, cacheLabel, cacheTokens, RECORDED_CACHE } from '../recording-cache.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts on a prompt cache that no longer pays. */
export function cacheAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [cacheShareDown(settings), cacheUnread(settings)];
}

/** Says where: calls without the label have an empty value of it. */
function where(settings: MonitoringSettings): string {
  const label = cacheLabel(settings);
  return `{{ $labels.model }}, ${label} {{ or $labels.${label} "(none)" }},`;
}

/** Both ten points and 30% below the days before, or under the floor that those days reached. */
function cacheShareDown(settings: MonitoringSettings): Alert {
  const { cacheFloorRatio, minCachedCalls } = settings;
  const { cacheShareNow: now, cacheShareBefore: before } = RECORDED_CACHE;
  return {
    name: 'PlimsollCacheShareDown',
    severity: 'ticket',
    expr:
      `((${now} < ${before} - 0.1 and ${now} < 0.7 * ${before}) ` +
      `or (${now} < ${cacheFloorRatio} and ${before} >= ${cacheFloorRatio})) and ${cacheCalls()} >= ${minCachedCalls}`,
    for: '30m',
    keepFiringFor: '1h',
    dashboard: 'calls',
    summary: `Only {{ $value | humanizePercentage }} of the input of ${where(settings)} is read from the cache`,
    description:
      'In the last hour, {{ $value | humanizePercentage }} of the input tokens were read from the cache, far less than in the days before. Input costs up to ten times as much, and counts towards the limit.',
  };
}

/** Writes cost more than plain input; they pay only if they are read. */
function cacheUnread(settings: MonitoringSettings): Alert {
  const tokens = (kind: string): string => cacheTokens(settings, { kind, window: '6h' });
  const written = tokens('cache_write_5m|cache_write_1h');
  const read = orZero(tokens('cache_read'), written);
  return {
    name: 'PlimsollCacheUnread',
    severity: 'ticket',
    expr: `${written} >= ${settings.minCacheWriteTokens} and ${read} < 0.1 * ${written}`,
    for: '30m',
    keepFiringFor: '1h',
    dashboard: 'calls',
    summary: `What ${where(settings)} writes to the cache is hardly read`,
    description:
      'In six hours, {{ $value | printf "%.0f" }} tokens were written to the prompt cache, and less than a tenth as many were read from it. A write costs more than plain input.',
  };
}
