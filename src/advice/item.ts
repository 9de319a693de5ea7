/** One piece of advice on any subject. */
export interface AdviceItem {
  readonly about: 'budget' | 'tier' | 'route' | 'cache';
  readonly kind: string;
  readonly severity: Severity;
  readonly text: string;
  /** The figures behind it. */
  readonly evidence: Readonly<Record<string, string | number | null>>;
}

export type Severity = (typeof SEVERITIES)[number];

const SEVERITIES = ['critical', 'warning', 'info'] as const;

/** Sorts by importance, most important first, and otherwise keeps the order. */
export function inOrder(items: readonly AdviceItem[]): readonly AdviceItem[] {
  return items.toSorted((one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity));
}
