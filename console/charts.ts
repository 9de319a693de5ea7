import uPlot from 'uplot';
import type { View } from '../src/console/view.ts';
import { DEFINITIONS, type Definition, type Series } from './chart-definitions.ts';
import { byId, element, foreign, updateRows } from './dom.ts';
import { clock, cut, usd, whole } from './format.ts';

/** Colors, read again when the scheme changes. */
function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Pixels that the label of a moment needs on its right, beyond the padding: one that would be cut is left out. */
const HALF_LABEL = 16;

const VALUES_WIDTH = 52;

const RIGHT_PADDING = 10;

export interface ChartEvents {
  /** The pinned moment, or null. */
  readonly pinned: () => number | null;
  readonly pin: (atMs: number) => void;
}

/** All charts of the page: they share their moment. */
export class ChartSet {
  readonly #plots = new Map<string, { readonly plot: uPlot; readonly shape: string }>();
  readonly #events: ChartEvents;
  #view: View | null = null;
  /** The bin under the cursor; `null` is none. */
  #index: number | null = null;

  constructor(events: ChartEvents) {
    this.#events = events;
    const redraw = (): void => this.#rebuild();
    window.addEventListener('resize', redraw);
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  }

  show(view: View): void {
    this.#view = view;
    for (const definition of DEFINITIONS) this.#draw(definition, view);
    this.#legends();
  }

  #rebuild(): void {
    for (const { plot } of this.#plots.values()) plot.destroy();
    this.#plots.clear();
    if (this.#view !== null) this.show(this.#view);
  }

  #draw(definition: Definition, view: View): void {
    const series = definition.series(view);
    const shape = series.map(({ name }) => name).join('\n');
    const known = this.#plots.get(definition.id);
    const data = dataOf(definition, series, view);
    if (known?.shape === shape) {
      known.plot.setData(data);
      return;
    }
    known?.plot.destroy();
    const place = byId(`c-${definition.id}`);
    const plot = new uPlot(this.#options(definition, series, place), data, place);
    this.#reachable(plot, definition);
    this.#plots.set(definition.id, { plot, shape });
  }

  #options(definition: Definition, series: readonly Series[], place: HTMLElement): uPlot.Options {
    const isLine = definition.kind === 'lines';
    const { width, height } = place.getBoundingClientRect();
    return {
      ...{
        width: Math.max(120, width),
        height: Math.max(80, height),
        padding: [8, RIGHT_PADDING, 0, 0],
        legend: { show: false },
      },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1_000), 'Etc/UTC'),
      cursor: { sync: { key: 'all' }, y: false, drag: { x: false, y: false }, points: { show: isLine } },
      scales: {
        x: { time: true, range: () => this.#range() },
        y: { range: (_, __, most) => [0, highest(definition, most)] },
      },
      axes: this.#axes(definition),
      series: [{}, ...drawnSeries(definition, series)],
      hooks: {
        setCursor: [(plot) => this.#moved(plot.cursor.idx ?? null)],
        draw: [(plot) => this.#drawPin(plot)],
      },
    };
  }

  #axes(definition: Definition): uPlot.Axis[] {
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: color('--muted'), font, ticks: { show: false } };
    const times = (plot: uPlot, at: readonly number[]): string[] => {
      const [from, to] = this.#range();
      const width = plot.width - VALUES_WIDTH - RIGHT_PADDING;
      const isCut = (one: number): boolean => ((to - one) / (to - from)) * width < HALF_LABEL;
      return at.map((one) => (isCut(one) ? '' : clock(one * 1_000, this.#digits())));
    };
    const values = (at: readonly number[]): string[] => at.map((one) => tick(definition, one));
    const grid = { stroke: color('--grid'), width: 1 };
    return [
      {
        ...{ ...axis, size: 28, gap: 9, grid: { show: false }, values: times },
        ...{ incrs: () => this.#tickSeconds(), space: () => (this.#digits() === 8 ? 60 : 38) },
      },
      { ...axis, size: VALUES_WIDTH, gap: 6, space: 28, grid, values: (_, at) => values(at) },
    ];
  }

  #range(): [number, number] {
    const charts = this.#view?.charts;
    const first = charts?.startsMs[0] ?? 0;
    const last = charts?.startsMs.at(-1) ?? 1;
    return [first / 1_000, (last + (charts?.stepMs ?? 0)) / 1_000];
  }

  /** Seconds are shown where a bin is one. */
  #digits(): number {
    return (this.#view?.charts.stepMs ?? 60_000) < 5_000 ? 8 : 5;
  }

  /** Between two labels: whole minutes where no seconds are shown. */
  #tickSeconds(): number[] {
    return this.#digits() === 8 ? [5, 10, 15, 30] : [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600];
  }

  #drawPin(plot: uPlot): void {
    const atMs = this.#events.pinned();
    const [from, to] = this.#range();
    if (atMs === null || atMs < from * 1_000 || atMs > to * 1_000) return;
    const half = (this.#view?.charts.stepMs ?? 0) / 2;
    const x = Math.round(plot.valToPos((atMs + half) / 1_000, 'x', true));
    plot.ctx.fillStyle = color('--link');
    plot.ctx.fillRect(x - 1, plot.bbox.top, 2, plot.bbox.height);
  }

  /** A chart is reached by keyboard: arrows move the moment, Enter pins it. */
  #reachable(plot: uPlot, { id }: Definition): void {
    const title = byId(`h-${id}`).textContent;
    plot.over.tabIndex = 0;
    plot.over.setAttribute('role', 'img');
    plot.over.setAttribute('aria-label', `${title}. Left and right arrows move the moment, Enter pins it.`);
    plot.over.addEventListener('click', () => this.#pin(plot.cursor.idx ?? null));
    plot.over.addEventListener('keydown', (event) => this.#key(plot, event));
  }

  #key(plot: uPlot, event: KeyboardEvent): void {
    const last = (this.#view?.charts.startsMs.length ?? 1) - 1;
    const at = this.#index ?? last;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (event.key === 'Enter') this.#pin(at);
    if (to === undefined) return;
    event.preventDefault();
    const index = Math.min(last, Math.max(0, to));
    const left = plot.valToPos(plot.data[0][index] ?? 0, 'x');
    plot.setCursor({ left, top: 10 });
    byId('say').textContent = this.#said(index);
  }

  #said(index: number): string {
    const view = this.#view;
    if (view === null) return '';
    const values = DEFINITIONS.slice(0, 2).flatMap((definition) =>
      definition.series(view).map(({ name, row }) => `${name} ${definition.unit(row[index] ?? null)}`),
    );
    return `${clock(view.charts.startsMs[index] ?? 0)}: ${values.join(', ')}`;
  }

  #pin(index: number | null): void {
    const atMs = index === null ? undefined : this.#view?.charts.startsMs[index];
    if (atMs !== undefined) this.#events.pin(atMs);
  }

  #moved(index: number | null): void {
    if (index === this.#index) return;
    this.#index = index;
    this.#legends();
  }

  /** Beside each name: of the moment under the cursor or the pin, else of the whole range. The note says which. */
  #legends(): void {
    const view = this.#view;
    if (view === null) return;
    const pinned = this.#events.pinned();
    const atPin = pinned === null ? -1 : view.charts.startsMs.findLastIndex((start) => start <= pinned);
    const index = this.#index ?? (atPin === -1 ? null : atPin);
    for (const definition of DEFINITIONS) {
      const at =
        index === null ? null : `at ${clock(view.charts.startsMs[index] ?? 0, view.charts.stepMs < 60_000 ? 8 : 5)}`;
      byId(`n-${definition.id}`).textContent = at ?? definition.note(view);
      updateRows(byId(`l-${definition.id}`), definition.series(view), {
        id: ({ name }) => name,
        make: (series) =>
          element(
            'li',
            {},
            element('i', { class: `key ${series.color.slice(2)}${series.isDashed === true ? ' dashed' : ''}` }),
            foreign(cut(series.name), series.name),
            element(
              'b',
              {},
              index === null ? definition.total(series, view) : definition.unit(series.row[index] ?? null),
            ),
          ),
      });
    }
  }
}

/** Bars are stacked by drawing the highest sum first. */
function dataOf({ kind }: Definition, series: readonly Series[], { charts }: View): uPlot.AlignedData {
  const middle = charts.stepMs / 2;
  const at = charts.startsMs.map((start) => (start + middle) / 1_000);
  if (kind === 'lines') return [at, ...series.map(({ row }) => [...row])];
  const sums = series.map((_, top) =>
    at.map((__, index) => series.slice(0, top + 1).reduce((sum, { row }) => sum + (row[index] ?? 0), 0)),
  );
  return [at, ...sums.reverse()];
}

function drawnSeries({ kind }: Definition, series: readonly Series[]): uPlot.Series[] {
  const ordered = kind === 'lines' ? series : series.toReversed();
  return ordered.map(({ color: name, isDashed }): uPlot.Series => {
    const stroke = color(name);
    if (kind === 'lines')
      return {
        stroke,
        width: isDashed === true ? 1.5 : 2,
        ...(isDashed === true && { dash: [4, 3] }),
        points: { show: false },
        spanGaps: true,
      };
    const paths = uPlot.paths.bars?.({ size: [0.8, 18] });
    return { fill: stroke, stroke, width: 0, points: { show: false }, ...(paths !== undefined && { paths }) };
  });
}

const LEAST = { bars: 4, lines: 0.5 } as const;

function highest({ kind, id }: Definition, most: number): number {
  const least = id === 'cost' ? 0.01 : LEAST[kind];
  return Math.max(least, (most || 0) * 1.12);
}

function tick({ id, kind }: Definition, value: number): string {
  if (id === 'cost') return value === 0 ? '$0' : usd(value);
  if (kind === 'lines' || id === 'waits') return `${Number(value.toFixed(2))} s`;
  return Number.isInteger(value) ? whole(value) : '';
}
