import { dayAfter, dayStartMs, noCounts, type TotalsRow } from '../totals/day-totals.ts';
import type { OwnTotals } from './organization.ts';

/** Says why a Prometheus did not tell what plimsoll recorded. */
export class PrometheusError extends Error {
  constructor(why: string) {
    super(`The Prometheus ${why}.`);
    this.name = 'PrometheusError';
  }
}

interface PrometheusAccess {
  /** The address, to which `/api/v1/query` is added. */
  readonly url: string;
  readonly signal: AbortSignal;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

const NANO_USD_PER_USD = 1e9;

const DAY_SECONDS = 86_400;

/**
 * What plimsoll recorded by day, key and model, from the counters that a Prometheus keeps. It estimates: `increase()` is
 * extrapolated to whole days, and misses what a process counted before its first scrape. Modes, requests and refusals are
 * not in it. Reading throws a `PrometheusError`.
 */
export function prometheusTotals(access: PrometheusAccess): OwnTotals {
  return {
    isCoarse: true,
    async read(fromDay, toDay) {
      const rows: TotalsRow[] = [];
      const nowMs = access.now();
      for (let day = fromDay; day < toDay && dayStartMs(day) < nowMs; day = dayAfter(day)) {
        const atMs = Math.min(dayStartMs(dayAfter(day)), nowMs);
        const seconds = Math.ceil((atMs - dayStartMs(day)) / 1000);
        rows.push(...(await rowsOf(access, { day, atMs, seconds: Math.min(seconds, DAY_SECONDS) })));
      }
      return { rows, gaps: [], firstDay: rows[0]?.day ?? null };
    },
  };
}

interface Asked {
  readonly day: string;
  readonly atMs: number;
  readonly seconds: number;
}

async function rowsOf({ url, signal }: PrometheusAccess, { day, atMs, seconds }: Asked): Promise<readonly TotalsRow[]> {
  const query = `sum by (key, model) (increase(anthropic_cost_usd_total[${seconds}s]))`;
  const place = new URL('api/v1/query', url.endsWith('/') ? url : `${url}/`);
  place.search = new URLSearchParams({ query, time: String(atMs / 1000) }).toString();
  return seriesIn(await answerOf(place, signal)).flatMap(({ key, model, usd }) => {
    const nanoUsd = Math.round(usd * NANO_USD_PER_USD);
    if (nanoUsd === 0) return [];
    const cell = {
      key,
      model,
      tier: 'standard',
      speed: 'standard',
      geo: 'global',
      band: 'usual',
      refused: null,
    } as const;
    return [{ day, toDay: day, cell, counts: { ...noCounts(), recorded_nano_usd: nanoUsd } }];
  });
}

async function answerOf(place: URL, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(place, { signal }).catch(() => {
    throw new PrometheusError('cannot be reached');
  });
  if (!response.ok) throw new PrometheusError(`answered with status ${response.status}`);
  return response.json().catch(() => {
    throw new PrometheusError('answered with something else than JSON');
  });
}

interface Series {
  readonly key: string;
  readonly model: string;
  readonly usd: number;
}

interface Answer {
  readonly data?: {
    readonly result?: readonly { readonly metric?: Record<string, string>; readonly value?: unknown }[];
  };
}

function seriesIn(answer: unknown): readonly Series[] {
  const result = (answer as Answer | null)?.data?.result;
  if (!Array.isArray(result)) throw new PrometheusError('answered with something else than a result');
  return (result as NonNullable<NonNullable<Answer['data']>['result']>).map(({ metric = {}, value }) => {
    const usd = Array.isArray(value) ? Number(value[1]) : Number.NaN;
    if (!Number.isFinite(usd)) throw new PrometheusError('answered with something else than amounts');
    return { key: metric['key'] ?? 'default', model: metric['model'] ?? 'other', usd };
  });
}
