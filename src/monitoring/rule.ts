/** A rule that keeps the answer of a query under a name, `level:metric:operation`. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

/** `page`: what users feel or what stops hard. `ticket`: what a person must look at in working hours. */
export type Severity = 'page' | 'ticket';

/** An alert before the passes that every alert goes through. */
export interface Alert {
  /** Begins with `Plimsoll`; its runbook has the name. */
  readonly name: string;
  readonly severity: Severity;
  readonly expr: string;
  /** How long it must hold. */
  readonly for: string;
  /** One line, with the labels that say where. */
  readonly summary: string;
  /** Sentences with the values and what they mean. */
  readonly description: string;
  /** The dashboard that shows more. */
  readonly dashboard: 'overview' | 'budget' | 'tier' | 'calls';
}

/** An alert as Prometheus reads it. */
export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly interval: string;
  readonly rules: readonly (RecordingRule | AlertingRule)[];
}
