import { ruleFiles } from '../../src/rules/rule-files.ts';
import type { AlertingRule } from '../../src/rules/rule.ts';
import { asked } from '../run/prometheus.ts';
import type { Range } from './answers.ts';

/** An alert that would have fired in the range. */
export interface Fired {
  readonly alert: string;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface Matrix {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly values: readonly (readonly [number, string])[];
  }[];
}

/** The firings of every alert in the range, from its query at each step and its `for`. */
export async function firedIn(url: string, range: Range): Promise<readonly Fired[]> {
  const rules = ruleFiles().flatMap(({ groups }) =>
    groups.flatMap((group) => group.rules.filter((rule) => 'alert' in rule)),
  );
  const fired: Fired[] = [];
  for (const rule of rules) fired.push(...(await firedBy(url, rule, range)));
  return fired;
}

async function firedBy(url: string, rule: AlertingRule, { from, to, step }: Range): Promise<readonly Fired[]> {
  const parameters = { query: rule.expr, start: String(from), end: String(to), step: String(step) };
  const { result } = await asked<Matrix>(url, '/api/v1/query_range', parameters);
  const steps = Math.ceil(seconds(rule.for) / step) + 1;
  return result
    .filter(
      ({ values }) =>
        longestRun(
          values.map(([at]) => at),
          step,
        ) >= steps,
    )
    .map(({ metric }) => ({ alert: rule.alert, severity: rule.labels['severity'] ?? '', labels: metric }));
}

function longestRun(times: readonly number[], step: number): number {
  let run = 0;
  let longest = 0;
  let earlier = -Infinity;
  for (const at of times) {
    run = at - earlier > step ? 1 : run + 1;
    longest = Math.max(longest, run);
    earlier = at;
  }
  return longest;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

function seconds(duration: string): number {
  const [, amount = '0', unit = 's'] = /^(\d+)([smh])$/.exec(duration) ?? [];
  return Number(amount) * (SECONDS[unit] ?? 1);
}
