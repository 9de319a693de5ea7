import { TableSortByFieldStateBuilder } from '@grafana/grafana-foundation-sdk/common';
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/table';
import type { Panel } from './panel.ts';

/** Joins several queries into one table by their labels. The labels come first, then one column per query. */
export function grafanaTable({ targets, columns = {}, textColors = {}, labels = [], first }: Panel): PanelBuilder {
  const values = targets.map((_, index) => valueColumn(targets.length, index));
  const shown = targets.map(({ legend }, index) => [values[index] ?? '', legend] as const);
  const titles = [...labels.map((label) => [label, title(label)] as const), ...shown.filter(([, name]) => name !== '')];
  const hidden = ['Time', ...shown.filter(([, name]) => name === '').map(([column]) => column)];
  const builder = new PanelBuilder().withTransformation({ id: 'merge', options: {} }).withTransformation({
    id: 'organize',
    options: {
      excludeByName: Object.fromEntries(hidden.map((name) => [name, true])),
      indexByName: Object.fromEntries([...labels, ...values].map((name, index) => [name, index])),
      renameByName: Object.fromEntries(titles),
    },
  });
  for (const [name, given] of Object.entries(columns)) {
    const [unit, decimals] = typeof given === 'string' ? [given] : given;
    const unitOnly = [{ id: 'unit', value: unit }];
    builder.overrideByName(
      name,
      decimals === undefined ? unitOnly : [...unitOnly, { id: 'decimals', value: decimals }],
    );
  }
  for (const [name, colors] of Object.entries(textColors)) {
    const options = Object.fromEntries(Object.entries(colors).map(([text, color], index) => [text, { color, index }]));
    builder.overrideByName(name, [
      { id: 'custom.cellOptions', value: { type: 'color-text' } },
      { id: 'mappings', value: [{ type: 'value', options }] },
    ]);
  }
  if (first !== undefined) {
    builder.sortBy([new TableSortByFieldStateBuilder().displayName(first.column).desc(first.largest)]);
  }
  return builder;
}

function valueColumn(targets: number, index: number): string {
  return targets === 1 ? 'Value' : `Value #${refId(index)}`;
}

/** Grafana identifies each query of a panel by a letter. */
export function refId(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}

/** Turns `next_tier` into `Next tier`, and `alertname` into `Alert`. */
function title(label: string): string {
  if (label === 'alertname') return 'Alert';
  const words = label.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
