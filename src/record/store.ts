import { CATALOGUE } from './catalogue.ts';
import type { CounterName, GaugeName, LabelsOf, MetricName, MoneyName } from './catalogue.ts';
import { Family } from './family.ts';
import type { AnyFamily } from './family.ts';
import { BoundedLabel, fitForLabel } from './labels.ts';
import type { MetricDeclaration } from './metric.ts';
import { CounterSeries, GaugeSeries, HistogramSeries, MoneySeries } from './series.ts';
import type { Stage } from './stages.ts';

type Families = {
  readonly [Name in MetricName]: Family<
    LabelsOf<Name>,
    Name extends MoneyName
      ? MoneySeries
      : Name extends CounterName
        ? CounterSeries
        : Name extends GaugeName
          ? GaugeSeries
          : HistogramSeries
  >;
};

/** Which values of a label keep their place, and how many others get one. */
export interface LabelPlaces {
  readonly reserved: Iterable<string>;
  readonly cap: number;
  /** What may have a place at all. */
  readonly fit?: (value: string) => boolean;
}

/** All families of the catalogue, and the caps of their labels: one for each registry. */
export class Store {
  readonly families: Families;
  readonly #labels = new Map<string, BoundedLabel>();

  constructor() {
    const onError = (): void => this.errors('scrape');
    this.families = Object.fromEntries(
      CATALOGUE.map((metric) => [metric.name, familyOf(metric, onError)]),
    ) as unknown as Families;
  }

  family<Name extends MetricName>(name: Name): Families[Name] {
    return this.families[name];
  }

  /** In the order of the catalogue. */
  all(): readonly AnyFamily[] {
    return Object.values(this.families);
  }

  /** Counts an error that plimsoll swallowed. */
  errors(stage: Stage): void {
    this.families.plimsoll_errors_total.series({ stage }).add(1);
  }

  /** The cap of a label, shared by all who feed this store; more reserved values and a larger cap add to it. */
  boundedLabel(label: string, { reserved, cap, fit = fitForLabel }: LabelPlaces): BoundedLabel {
    let bounded = this.#labels.get(label);
    if (bounded === undefined) {
      bounded = new BoundedLabel(this.families.plimsoll_label_values_dropped_total.series({ label }), fit);
      this.#labels.set(label, bounded);
    }
    bounded.reserve(reserved);
    bounded.allow(cap);
    return bounded;
  }

  /** Counters and histograms back to 0. */
  reset(): void {
    for (const family of this.all()) family.reset();
  }
}

function familyOf(metric: MetricDeclaration, onError: () => void): AnyFamily {
  if (metric.type === 'gauge') return new Family(metric, (labels) => new GaugeSeries(labels, onError));
  if (metric.type === 'histogram')
    return new Family(metric, (labels) => new HistogramSeries(labels, metric.buckets ?? []));
  if (metric.unit === 'usd') return new Family(metric, (labels) => new MoneySeries(labels));
  return new Family(metric, (labels) => new CounterSeries(labels));
}
