import { parser } from '@prometheus-io/lezer-promql';
import type { SyntaxNode } from '@lezer/common';
import type { AlertingRule } from '../../src/rules/rule.ts';

export interface Mutant {
  /** What was done, for the one who reads that it survived. */
  readonly change: string;
  readonly rule: AlertingRule;
}

/** Where something stands in the text. */
interface Part {
  readonly from: number;
  readonly to: number;
}

interface Comparison {
  readonly operator: Part;
  readonly right: Part;
  /** It only keeps a divisor from being 0: always true, it makes an answer that is not a number, which no alert stands on. */
  readonly guardsDivision: boolean;
}

/**
 * The wrong rules that somebody could write in place of this one: each comparison raised out of reach, negated, and left out;
 * and the alert that waits for days.
 */
export function mutantsOf(rule: AlertingRule): readonly Mutant[] {
  const { expr } = rule;
  const changed = (change: string, { from, to }: Part, text: string): Mutant => ({
    change: `${change}: ${expr.slice(0, from)}[${expr.slice(from, to)} → ${text}]`,
    rule: { ...rule, expr: expr.slice(0, from) + text + expr.slice(to) },
  });
  const mutants = comparisons(expr).flatMap(({ operator, right, guardsDivision }) => {
    const sign = expr.slice(operator.from, operator.to);
    const limit = expr.slice(right.from, right.to);
    const whole = { from: operator.from, to: right.to };
    const raised = sign.startsWith('<') ? `${sign} ${limit} - 1e9` : `${sign} ${raisedLimit(limit)}`;
    const always = sign.startsWith('<') ? '< 1e12' : '> -1e12';
    return [
      changed('raised', whole, raised),
      changed('negated', operator, NEGATED[sign] ?? sign),
      ...(guardsDivision ? [] : [changed('left out', whole, always)]),
    ];
  });
  return [...mutants, { change: 'waits for 100 days', rule: { ...rule, for: '100d' } }];
}

const NEGATED: Readonly<Record<string, string>> = {
  '>': '<=',
  '>=': '<',
  '<': '>=',
  '<=': '>',
  '==': '!=',
  '!=': '==',
};

/** A number is raised tenfold: a test that fires far over its threshold does not prove where the threshold is. */
function raisedLimit(limit: string): string {
  const number = Number(limit);
  return Number.isNaN(number) || number === 0 ? `1e9 + ${limit}` : String(number * 10);
}

const COMPARISONS = new Set(['Gtr', 'Gte', 'Lss', 'Lte', 'EqlC', 'Neq']);

function comparisons(expr: string): readonly Comparison[] {
  const found: Comparison[] = [];
  parser.parse(expr).iterate({
    enter({ node }) {
      if (node.type.isError) throw new Error(`cannot be parsed at ${node.from}: ${expr}`);
      if (node.name !== 'BinaryExpr') return;
      const operator = childNamed(node, COMPARISONS);
      const right = node.lastChild;
      if (operator === null || right === null) return;
      found.push({ operator, right, guardsDivision: isDivisor(node) });
    },
  });
  return found;
}

function childNamed(node: SyntaxNode, names: ReadonlySet<string>): SyntaxNode | null {
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (names.has(child.name)) return child;
  }
  return null;
}

function isDivisor(node: SyntaxNode): boolean {
  const { parent } = node;
  if (parent === null) return false;
  if (parent.name === 'ParenExpr') return isDivisor(parent);
  return (
    parent.name === 'BinaryExpr' &&
    childNamed(parent, new Set(['Div'])) !== null &&
    parent.lastChild?.from === node.from
  );
}
