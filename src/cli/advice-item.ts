/** One piece of advice, whatever it is about. */
export interface AdviceItem {
  readonly about: 'budget' | 'tier' | 'route';
  readonly kind: string;
  readonly severity: Severity;
  readonly text: string;
  /** The figures it stands on. */
  readonly evidence: Readonly<Record<string, string | number | null>>;
}

export type Severity = (typeof SEVERITIES)[number];
const SEVERITIES = ['critical', 'warning', 'info'] as const;

/** Most important first; of equal importance in the order given. */
export function inOrder(items: readonly AdviceItem[]): readonly AdviceItem[] {
  return items.toSorted((one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity));
}
