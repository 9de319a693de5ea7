import { asked } from '../run/prometheus.ts';
import type { Query } from './every-query.ts';
import { interpolated, type Values } from './variables.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** When, in seconds since the epoch, and every how many seconds. */
export interface Range {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

/** Asks Prometheus a query as Grafana does. Throws for an error or a warning. */
export async function answer(
  url: string,
  query: Pick<Query, 'expr' | 'instant'>,
  on: { readonly values: Values; readonly range: Range },
): Promise<readonly Sample[]> {
  const expr = interpolated(query.expr, on.values);
  const { from, to, step } = on.range;
  const { resultType, result } = query.instant
    ? await asked<Answer>(url, '/api/v1/query', { query: expr, time: String(to) })
    : await asked<Answer>(url, '/api/v1/query_range', {
        query: expr,
        start: String(from),
        end: String(to),
        step: String(step),
      });
  if (resultType === 'scalar') return [];
  return result.map(({ metric, value, values }) => ({
    labels: metric,
    values: (values ?? (value === undefined ? [] : [value])).map(([, number]) => Number(number)),
  }));
}

interface Answer {
  readonly resultType: string;
  readonly result: readonly Series[];
}
