import type { ProblemView, TableRow, View } from '../src/console/view.ts';
import { byId, element, foreign, setText, showEmpty, updateRows } from './dom.ts';
import { clock, compact, cut, percent, shortModel, usd, whole } from './format.ts';

export interface Sorting {
  readonly column: string;
  readonly isDescending: boolean;
}

interface Column {
  readonly name: string;
  readonly of: (row: TableRow) => number | string;
  readonly cell: (row: TableRow) => Node | string;
}

const COLUMNS: readonly Column[] = [
  { name: 'Cost', of: ({ costUsd }) => costUsd, cell: ({ costUsd }) => usd(costUsd) },
  { name: 'Calls', of: ({ calls }) => calls, cell: ({ calls }) => whole(calls) },
  { name: 'Success', of: success, cell: (row) => percent(row.ok + row.failed === 0 ? null : success(row)) },
  { name: 'Tokens', of: ({ tokens }) => tokens, cell: ({ tokens }) => compact(tokens) },
  { name: 'Per call', of: perCall, cell: (row) => usd(row.calls === 0 ? null : perCall(row)) },
  {
    name: 'On a cheaper model',
    of: ({ cheaper, costUsd }) => (cheaper === null ? costUsd : cheaper.costUsd),
    cell: cheaperCell,
  },
];

function success({ ok, failed }: TableRow): number {
  return ok + failed === 0 ? 0 : ok / (ok + failed);
}

function perCall({ costUsd, calls }: TableRow): number {
  return calls === 0 ? 0 : costUsd / calls;
}

function cheaperCell({ cheaper, costUsd }: TableRow): Node | string {
  if (cheaper === null) return element('small', {}, 'none cheaper');
  const less = costUsd === 0 ? '' : `−${percent(1 - cheaper.costUsd / costUsd, 0)} `;
  return element('span', {}, `${usd(cheaper.costUsd)} `, element('small', {}, `${less}${shortModel(cheaper.model)}`));
}

export function showTable(
  { table }: View,
  { sorting, sort }: { readonly sorting: Sorting; readonly sort: (column: string) => void },
): void {
  const node = byId('table');
  if (node.querySelector('tbody') === null) node.replaceChildren(headOf(sort), element('tbody'));
  const heads = [...node.querySelectorAll('th')];
  setText(heads[0]?.firstElementChild ?? node, table.by);
  for (const head of heads) {
    const isSorted = head.dataset['column'] === sorting.column;
    head.setAttribute('aria-sort', isSorted ? (sorting.isDescending ? 'descending' : 'ascending') : 'none');
  }
  const body = node.querySelector('tbody');
  if (body === null) return;
  if (table.rows.length === 0)
    return body.replaceChildren(
      element(
        'tr',
        {},
        element('td', { colspan: String(COLUMNS.length + 1), class: 'empty' }, 'No call in the range.'),
      ),
    );
  updateRows(body, sorted(table.rows, sorting), {
    id: ({ value }) => `row ${value}`,
    make: (row) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, foreign(cut(row.value), row.value)),
        ...COLUMNS.map(({ cell }) => element('td', {}, cell(row))),
      ),
  });
}

function headOf(sort: (column: string) => void): HTMLElement {
  const heads = ['', ...COLUMNS.map(({ name }) => name)].map((name) => {
    const button = element('button', { type: 'button' }, name);
    button.addEventListener('click', () => sort(name));
    return element('th', { scope: 'col', 'data-column': name }, button);
  });
  return element('thead', {}, element('tr', {}, ...heads));
}

function sorted(rows: readonly TableRow[], { column, isDescending }: Sorting): readonly TableRow[] {
  const of = COLUMNS.find(({ name }) => name === column)?.of ?? (({ value }: TableRow) => value);
  const sign = isDescending ? -1 : 1;
  return rows.toSorted((one, other) => {
    const [a, b] = [of(one), of(other)];
    return sign * (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b)));
  });
}

export function showProblems({ problems }: View): void {
  const list = byId('problems');
  if (problems.length === 0) return showEmpty(list, 'No call has failed in the range.');
  updateRows(list, problems, {
    id: ({ model, operation, outcome, reason, retries }) =>
      JSON.stringify([model, operation, outcome, reason, retries]),
    make: problemRow,
  });
}

function problemRow({ atMs, model, operation, outcome, reason, retries, requestId, count }: ProblemView): HTMLElement {
  const details = [reason, retries === 0 ? null : `${retries} ${retries === 1 ? 'retry' : 'retries'}`].filter(
    (one) => one !== null,
  );
  return element(
    'li',
    {},
    element('time', {}, clock(atMs)),
    element('span', {}, foreign(shortModel(model)), ' ', element('small', {}, operation.replace(/^messages\./, ''))),
    element(
      'span',
      {},
      element('b', {}, outcome),
      details.length === 0 ? '' : ` ${details.join(' · ')}`,
      count > 1 ? element('span', { class: 'tag' }, `× ${whole(count)}`) : '',
    ),
    ...(requestId === null ? [] : [element('code', {}, foreign(requestId))]),
  );
}
