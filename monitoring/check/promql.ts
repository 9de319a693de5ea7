import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

/** The parts of a query, from its text alone. */
interface QueryShape {
  /** Syntax errors; empty if there are none. */
  readonly errors: readonly string[];
  readonly selectors: readonly Selector[];
  /** Labels of `by`, `on`, `ignoring` and `group_left`. */
  readonly groupingLabels: readonly string[];
  /** Labels that `count_values` makes. */
  readonly madeLabels: readonly string[];
  /** Windows of range selectors and subqueries, as written. */
  readonly windows: readonly string[];
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
  /** The functions and operators around it, innermost first. */
  readonly within: readonly string[];
  readonly window: string | null;
  /** It stands before `unless`: what counts is that the series is there. */
  readonly isBefore: boolean;
  /** It stands at a moment of its own (`@ 0`), whatever the time range. */
  readonly isFixed: boolean;
}

interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** Reads a query with Prometheus' own grammar. Types are not checked: promtool does that. */
export function queryShape(query: string): QueryShape {
  const errors: string[] = [];
  const selectors: Selector[] = [];
  const groupingLabels: string[] = [];
  const madeLabels: string[] = [];
  const windows: string[] = [];
  const text = ({ from, to }: SyntaxNode): string => query.slice(from, to);
  parser.parse(query).iterate({
    enter({ node }) {
      if (node.type.isError) errors.push(`cannot be read at ${node.from}: ${query.slice(node.from, node.from + 20)}`);
      if (node.name === 'VectorSelector') selectors.push(selector(node, text));
      if (node.name === 'GroupingLabels') groupingLabels.push(...names(node, 'LabelName', text));
      if (node.name === 'AggregateExpr') madeLabels.push(...made(node, text));
      if (node.name === 'MatrixSelector' || node.name === 'SubqueryExpr') windows.push(window(text(node)));
    },
  });
  return { errors, selectors, groupingLabels, madeLabels, windows };
}

type Text = (node: SyntaxNode) => string;

function selector(node: SyntaxNode, text: Text): Selector {
  const identifier = node.getChild('Identifier');
  const list = node.getChild('LabelMatchers');
  const matchers = list === null ? [] : list.getChildren('UnquotedLabelMatcher').map((each) => matcher(text(each)));
  const matrix = node.parent?.name === 'MatrixSelector' ? node.parent : null;
  return {
    metric: identifier === null ? '' : text(identifier),
    matchers,
    within: around(node, text),
    window: matrix === null ? null : window(text(matrix)),
    isBefore: isBeforeUnless(node),
    isFixed: node.parent?.name === 'StepInvariantExpr',
  };
}

function made(aggregate: SyntaxNode, text: Text): readonly string[] {
  if (aggregate.getChild('AggregateOp')?.getChild('CountValues') === null) return [];
  const label = aggregate.getChild('FunctionCallBody')?.getChild('StringLiteral');
  return label ? [text(label).slice(1, -1)] : [];
}

function isBeforeUnless({ parent, from }: SyntaxNode): boolean {
  return parent !== null && parent.getChild('Unless') !== null && parent.firstChild?.from === from;
}

function matcher(written: string): Matcher {
  const [, label = '', operator = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/s.exec(written) ?? [];
  return { label, operator, value };
}

function around(node: SyntaxNode, text: Text): readonly string[] {
  const found: string[] = [];
  for (let outer = node.parent; outer !== null; outer = outer.parent) {
    if (outer.name !== 'FunctionCall' && outer.name !== 'AggregateExpr') continue;
    const name = outer.firstChild;
    if (name !== null) found.push(text(name));
  }
  return found;
}

function names(node: SyntaxNode, kind: string, text: Text): readonly string[] {
  return node.getChildren(kind).map(text);
}

/** `5m` of `x[5m]` and of `x[5m:1m]`. */
function window(written: string): string {
  return /\[([^\]:]+)[^\]]*\]$/.exec(written.replace(/\s+offset.*$/, ''))?.[1] ?? '';
}
