/** A panel as its author thinks of it; `grafana-panel.ts` makes Grafana's of it. */
export interface Panel {
  readonly kind: 'stat' | 'gauge' | 'bar gauge' | 'time series' | 'stacked' | 'heatmap' | 'table';
  readonly title: string;
  /** The meaning of the panel, and what to do if it looks wrong. */
  readonly description: string;
  /** A unit id of Grafana's. */
  readonly unit: string;
  readonly targets: readonly Target[];
  /** Width in columns, of 24. */
  readonly width: number;
  /** In grid rows. Default 8. */
  readonly height?: number;
  readonly min?: number;
  readonly max?: number;
  readonly decimals?: number;
  /** Colours from the first value on; the first step has no value. */
  readonly steps?: readonly (readonly [from: number | null, color: string])[];
  /** Text for no data. */
  readonly noValue?: string;
  /** Text for 0. */
  readonly zero?: string;
  /** Tables: units of columns by their names, with decimals where they matter. */
  readonly columns?: Readonly<Record<string, string | readonly [unit: string, decimals: number]>>;
  /** Tables: the labels that rows are told apart by, in the order of their columns. */
  readonly labels?: readonly string[];
  /** Tables: what row comes first. */
  readonly first?: { readonly column: string; readonly largest: boolean };
  /** For more series than fit below: a table on the right that says this of each, what matters most first. */
  readonly legend?: 'min' | 'max' | 'lastNotNull';
  /** An axis of small numbers reaches this far at least. */
  readonly reaches?: number;
  /** Its series are outcomes, statuses or reasons: each has its colour. */
  readonly colored?: boolean;
  /** Opens the dashboard Calls, narrowed to the series. */
  readonly drillDown?: boolean;
}

interface Target {
  readonly expr: string;
  /** The legend, or the column's name in a table; a column without one is not shown. */
  readonly legend: string;
  /** Traces that observations came from. */
  readonly exemplars?: boolean;
}

/** A titled row of panels; they flow from left to right and top to bottom. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly name: 'overview' | 'budget' | 'tier' | 'calls';
  readonly title: string;
  readonly description: string;
  readonly from: string;
  readonly rows: readonly Row[];
  /** Offers another model to reckon with. */
  readonly whatIf?: boolean;
}

/** Kinds that show one value a series, asked for at one moment. */
export const REDUCED: ReadonlySet<Panel['kind']> = new Set(['stat', 'gauge', 'bar gauge', 'table']);
