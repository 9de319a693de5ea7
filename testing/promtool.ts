import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { AlertingRule, RecordingRule, RuleGroup } from '../src/rules/rule.ts';
import { ruleFiles } from '../src/rules/rule-files.ts';
import { secondsOf } from '../src/rules/promql.ts';
import { tool } from './tools.ts';

export const promtool = tool('promtool');

/**
 * What Prometheus would be told, and what must come of it. Processes are hours old and known, unless a case has series of
 * `plimsoll_start_time_seconds` for them.
 */
export interface AlertCase {
  /** A sentence without subject: `fires when …` or `does not fire when …`. */
  readonly name: string;
  readonly alert: string;
  /** Values by series, one each `step`. */
  readonly series: Readonly<Record<string, readonly number[] | string>>;
  /** Default: a minute. */
  readonly step?: string;
  /** How often the rules are evaluated. Default: at each step. */
  readonly every?: string;
  readonly at: string;
  /** What fires, by its labels but for the severity, and its summary; empty for nothing. */
  readonly firing: readonly (readonly [labels: Readonly<Record<string, string>>, summary: string])[];
}

type Rule = AlertingRule | RecordingRule;

const RULES: readonly Rule[] = ruleFiles().flatMap(({ groups }) => groups.flatMap(({ rules }) => rules));

export const ALERTS: readonly AlertingRule[] = RULES.filter((rule) => 'alert' in rule);

export function alertNamed(name: string): AlertingRule {
  const found = ALERTS.find(({ alert }) => alert === name);
  if (found === undefined) throw new Error(`no alert is called ${name}`);
  return found;
}

/** The rules that an expression stands on, in their order: groups are evaluated side by side, rules of one in order. */
export function supporting(expr: string, rules: readonly Rule[] = RULES): readonly Rule[] {
  const needed = new Set<Rule>();
  const visit = (text: string): void => {
    for (const rule of rules) {
      if (needed.has(rule) || !text.includes('record' in rule ? rule.record : rule.alert)) continue;
      needed.add(rule);
      visit(rule.expr);
    }
  };
  visit(expr);
  return rules.filter((rule) => needed.has(rule));
}

/** The groups with those of their rules that an expression stands on: the others would take most of promtool's time. */
export function supportingGroups(expr: string, groups: readonly RuleGroup[]): readonly RuleGroup[] {
  const all = groups.flatMap(({ rules }) => rules);
  const needed = new Set(supporting(expr, all));
  return groups
    .map((group) => ({ ...group, rules: group.rules.filter((rule) => needed.has(rule)) }))
    .filter(({ rules }) => rules.length > 0);
}

/** What promtool has against an alert and its mutants: nothing, or what it prints. */
export interface Judgement {
  /** Names of those of which a case does not come out as it says. */
  readonly wrong: ReadonlySet<string>;
  readonly printed: string;
}

/**
 * Holds an alert to its cases, and mutants of it, each under a name of its own, in one run. The alert is evaluated at every
 * step, as Prometheus does. A mutant is asked only at the moment that its case names, for what would be firing then: it
 * would take most of the time otherwise.
 */
export async function judged(
  rule: AlertingRule,
  mutants: readonly AlertingRule[],
  cases: readonly AlertCase[],
): Promise<Judgement> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-rules-'));
  try {
    // Only the summary: a description says the same at length, and is rendered in the tests that run a Prometheus. And only
    // the condition: an alert that goes on firing would hide what ends it. Whole days are in recording-bad-days.test.ts.
    const { keep_firing_for: _kept, ...held } = { ...rule, annotations: { summary: rule.annotations['summary'] } };
    const rules = [...supporting([rule, ...mutants].map(({ expr }) => expr).join(' ')), held];
    writeFileSync(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'held', rules }] }));
    const files = [...new Set(cases.map(pace))].map((every, index) => {
      const tests = cases.filter((each) => pace(each) === every).map((each) => testOf(each, rule, mutants));
      const path = join(folder, `cases-${index}.yml`);
      writeFileSync(path, stringify({ rule_files: ['rules.yml'], evaluation_interval: every, tests }));
      return path;
    });
    const printed = await testedRules(...files);
    const wrong = new Set(
      [...printed.matchAll(/^ +(?:alertname: ?(\w+)|expr: ".*# (\w+)"), time/gm)].map(
        ([, alert, mutant]) => alert ?? mutant ?? '',
      ),
    );
    return { wrong, printed };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Days of half minutes would take promtool minutes. */
function pace({ every, step = '1m' }: AlertCase): string {
  return every ?? step;
}

function testOf(each: AlertCase, rule: AlertingRule, mutants: readonly AlertingRule[]): object {
  const { name, series, step = '1m', at, firing } = each;
  const samples = firing.map(([found]) => ({ labels: labelSet(found), value: 1 }));
  return {
    name,
    interval: step,
    input_series: Object.entries({ ...oldProcesses(series), ...series }).map(([key, values]) => ({
      series: key,
      values: typeof values === 'string' ? values : values.join(' '),
    })),
    alert_rule_test: [
      {
        eval_time: at,
        alertname: rule.alert,
        exp_alerts: firing.map(([found, summary]) => ({
          exp_labels: { ...rule.labels, ...found },
          exp_annotations: { summary },
        })),
      },
    ],
    // The alert itself too: what is asked of mutants is what an alert does.
    promql_expr_test: [rule, ...mutants].map((asked) => ({
      expr: firingNow(asked, each),
      eval_time: at,
      exp_samples: samples,
    })),
  };
}

/** A query for what fires at a moment: it was found at each evaluation for as long as it must hold. */
function firingNow({ alert, expr, for: wait }: AlertingRule, each: AlertCase): string {
  const seconds = lasting(pace(each));
  const evaluations = Math.ceil(lasting(wait) / seconds);
  const early = lasting(each.at) % seconds;
  const found =
    evaluations === 0 && early === 0
      ? `(${expr})`
      : `(count_over_time((${expr})[${evaluations * seconds + early + 1}s:${seconds}s]) == ${evaluations + 1})`;
  return `${found} ^ 0 # ${alert}`;
}

/** Seconds of `6h30m`. */
function lasting(duration: string): number {
  return [...duration.matchAll(/\d+[smhd]/g)].reduce((seconds, [part]) => seconds + secondsOf(part), 0);
}

function labelSet(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${pairs.join(', ')}}`;
}

const TARGET = ['job', 'cluster', 'namespace', 'instance'];

/** The start of each process of the series that has none, two hours before the first sample. */
function oldProcesses(series: AlertCase['series']): AlertCase['series'] {
  const targets = Object.keys(series).map((key) =>
    TARGET.flatMap((label) => new RegExp(`[{,]${label}="[^"]*"`).exec(key)?.[0].slice(1) ?? []).join(),
  );
  const starts = [...new Set(targets)].map((target) => `plimsoll_start_time_seconds{${target}}`);
  return Object.fromEntries(starts.filter((start) => !(start in series)).map((start) => [start, '-7200x5000']));
}

/** What promtool has against files of rule tests: nothing, or what it prints. */
export function testedRules(...files: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    // A fifth less time goes into collecting memory, of which there is little.
    const env = { ...process.env, GOGC: '1000' };
    execFile(promtool.path, ['test', 'rules', ...files], { env }, (error, stdout, stderr) =>
      resolve(error === null ? '' : `${stdout}${stderr}`),
    );
  });
}

/** A counter that grows by so much at each step, for so many steps; then by the next. Begins at 0. */
export function grown(...parts: readonly (readonly [steps: number, by: number])[]): readonly number[] {
  const values = [0];
  for (const [steps, by] of parts) {
    for (let step = 0; step < steps; step += 1) values.push(Number(((values.at(-1) ?? 0) + by).toFixed(6)));
  }
  return values;
}

/** A gauge that stands at a value for so many steps; then at the next. */
export function level(...parts: readonly (readonly [steps: number, value: number])[]): readonly number[] {
  return parts.flatMap(([steps, value]) => Array.from({ length: steps }, () => value));
}
