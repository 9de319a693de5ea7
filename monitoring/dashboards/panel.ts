/** A panel as its author describes it; `grafana-panel.ts` translates it for Grafana. */
export interface Panel {
  readonly kind: 'stat' | 'gauge' | 'bar gauge' | 'time series' | 'stacked' | 'heatmap' | 'table';
  readonly title: string;
  /** The meaning of the panel, and what to do if it looks wrong. */
  readonly description: string;
  /** Grafana's id of the unit. */
  readonly unit: string;
  readonly targets: readonly Target[];
  /** Width in columns, of 24. */
  readonly width: number;
  /** In grid rows. Default 8. */
  readonly height?: number;
  readonly min?: number;
  readonly max?: number;
  readonly decimals?: number;
  /** Colors by the value at which each begins; the first step has no value. */
  readonly steps?: readonly (readonly [from: number | null, color: string])[];
  /** Text to show if there is no data. */
  readonly noValue?: string;
  /** Texts to show in place of values. */
  readonly texts?: Readonly<Record<number, string>>;
  /** Least length of a step, for panels over time. Default: a minute, as counters are recorded. */
  readonly every?: '1m' | '5m';
  /** Bar gauges: names stand above their bars, for long ones. */
  readonly namesAbove?: boolean;
  /** Tables: the unit of each column by name, and its decimals if they matter. */
  readonly columns?: Readonly<Record<string, string | readonly [unit: string, decimals: number]>>;
  /** Tables: colors of the texts of a column, by its name. */
  readonly textColors?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Tables: the labels that identify a row, in the order of their columns. */
  readonly labels?: readonly string[];
  /** Tables: the column to sort by. */
  readonly first?: { readonly column: string; readonly largest: boolean };
  /** Shows the legend as a table on the right, with these figures for each series, most important first. For many series. */
  readonly legend?: 'min' | 'max' | 'lastNotNull';
  /** Least upper end of the axis. */
  readonly reaches?: number;
  /** Gives each series the color of its outcome, status or reason. */
  readonly colored?: boolean;
  /** Opens the dashboard Calls, narrowed to the series. */
  readonly drillDown?: boolean;
  /** Tables of alerts: opens the runbook of the row's alert. */
  readonly runbooks?: boolean;
}

interface Target {
  readonly expr: string;
  /** The legend, or the column's name in a table; a column without one is not shown. */
  readonly legend: string;
  /** Shows the traces of single observations. */
  readonly exemplars?: boolean;
}

/** A titled row of panels; they flow from left to right and top to bottom. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly name: 'overview' | 'budget' | 'tier' | 'bill' | 'calls';
  readonly title: string;
  readonly description: string;
  readonly from: string;
  readonly rows: readonly Row[];
  /** Adds a variable that chooses another model to compare with. */
  readonly whatIf?: boolean;
  /** Adds a variable that chooses one of the attribution labels that are recorded. */
  readonly attribution?: boolean;
}

/** Kinds that show one value per series, queried at one moment. */
export const REDUCED: ReadonlySet<Panel['kind']> = new Set(['stat', 'gauge', 'bar gauge', 'table']);
