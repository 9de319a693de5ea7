import type { Row, View } from '../src/console/view.ts';
import { seconds, shortModel, usd, whole } from './format.ts';

/** One line or stack of bars of a chart. */
export interface Series {
  readonly name: string;
  /** A variable of the style sheet. */
  readonly color: string;
  readonly row: Row;
  readonly isDashed?: boolean;
}

export interface Definition {
  readonly id: string;
  /** Bars are stacked and count; lines measure. */
  readonly kind: 'bars' | 'lines';
  readonly unit: (value: number | null) => string;
  readonly series: (view: View) => readonly Series[];
  /** What the number beside a name is, of the whole range. */
  readonly total: (series: Series, view: View) => string;
  readonly note: (view: View) => string;
}

const summed = (row: Row): number => row.reduce<number>((sum, value) => sum + (value ?? 0), 0);

const count = (value: number | null): string => (value === null ? '–' : whole(value));

const each = (view: View): string =>
  `each ${view.charts.stepMs < 60_000 ? `${view.charts.stepMs / 1_000} s` : minutes(view.charts.stepMs / 60_000)}`;

const minutes = (count: number): string => (count === 1 ? 'minute' : `${count} min`);

const REASON_COLORS: Readonly<Record<string, string>> = {
  requests: '--requests',
  input_tokens: '--input',
  output_tokens: '--output',
  tokens: '--output',
  acceleration: '--acceleration',
};

const MODEL_COLORS: readonly (readonly [part: string, color: string])[] = [
  ['haiku', '--haiku'],
  ['sonnet', '--sonnet'],
  ['opus', '--opus'],
];

function modelColor(model: string): string {
  return MODEL_COLORS.find(([part]) => model.includes(part))?.[1] ?? '--other';
}

const byModel = (rows: Readonly<Record<string, Row>>): readonly Series[] =>
  Object.entries(rows).map(([name, row]) => ({ name: shortModel(name), color: modelColor(name), row }));

const quantiles = ({ p50, p95 }: { readonly p50: Row; readonly p95: Row }): readonly Series[] => [
  { name: 'p95', color: '--p95', row: p95 },
  { name: 'p50', color: '--p50', row: p50, isDashed: true },
];

const allRoutes = (view: View, panel: View['unfiltered'][number]): string =>
  view.unfiltered.includes(panel) ? ', all routes' : '';

/** A quantile stands over the whole range, not over its bins. */
function quantileTotal(of: 'latency' | 'firstToken') {
  return (series: Series, { numbers }: View): string => {
    const found = numbers[of];
    if (found === null) return '';
    return seconds(series.isDashed === true ? found.p50 : found.p95);
  };
}

function tooFew(of: 'latency' | 'firstToken') {
  return (view: View): string =>
    view.numbers[of] === null ? 'too few calls to say' : `of the range${allRoutes(view, of)}`;
}

/** The charts, in the order of the page. */
export const DEFINITIONS: readonly Definition[] = [
  {
    id: 'calls',
    kind: 'bars',
    unit: count,
    series: ({ charts }) => [
      { name: 'answered', color: '--answered', row: charts.answered },
      { name: 'failed', color: '--failed', row: charts.failed },
      ...(summed(charts.left) > 0 ? [{ name: 'unfinished', color: '--left', row: charts.left }] : []),
    ],
    total: ({ row }) => whole(summed(row)),
    note: each,
  },
  {
    id: 'refused',
    kind: 'bars',
    unit: count,
    series: ({ charts }) =>
      Object.entries(charts.rateLimited).map(([name, row]) => ({ name, color: REASON_COLORS[name] ?? '--other', row })),
    total: ({ row }) => whole(summed(row)),
    note: (view) => `${each(view)}${allRoutes(view, 'rateLimited')}`,
  },
  {
    id: 'latency',
    kind: 'lines',
    unit: seconds,
    series: ({ charts }) => quantiles(charts.latency),
    total: quantileTotal('latency'),
    note: tooFew('latency'),
  },
  {
    id: 'first',
    kind: 'lines',
    unit: seconds,
    series: ({ charts }) => quantiles(charts.firstToken),
    total: quantileTotal('firstToken'),
    note: tooFew('firstToken'),
  },
  {
    id: 'waits',
    kind: 'bars',
    unit: seconds,
    series: ({ charts }) => byModel(charts.waits),
    total: ({ row }) => seconds(summed(row)),
    note: (view) => `${each(view)}${allRoutes(view, 'waits')}`,
  },
  {
    id: 'cost',
    kind: 'bars',
    unit: usd,
    series: ({ charts }) => byModel(charts.cost),
    total: ({ row }) => usd(summed(row)),
    note: each,
  },
];
