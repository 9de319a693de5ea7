import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { AlertingRule, RecordingRule } from '../src/rules/rule.ts';
import { ruleFiles } from '../src/rules/rule-files.ts';
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

/** What an expression stands on, in the order of the files: groups are evaluated side by side, rules of one in order. */
function supporting(expr: string): readonly Rule[] {
  const needed = new Set<Rule>();
  const visit = (text: string): void => {
    for (const rule of RULES) {
      if (!('record' in rule) || needed.has(rule) || !text.includes(rule.record)) continue;
      needed.add(rule);
      visit(rule.expr);
    }
  };
  visit(expr);
  return RULES.filter((rule) => needed.has(rule));
}

/** What promtool has against a rule: nothing, or what it prints. */
export interface Judgement {
  /** Names of those rules of which a case does not come out as it says. */
  readonly wrong: ReadonlySet<string>;
  readonly printed: string;
}

/**
 * Holds several rules to the cases of one alert, in one run: the alert itself and mutants of it, each under a name of its own.
 */
export async function judged(rules: readonly AlertingRule[], cases: readonly AlertCase[]): Promise<Judgement> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-rules-'));
  try {
    // Only the summary: a description says the same at length, and is rendered in the tests that run a Prometheus. And only
    // the condition: an alert that goes on firing would hide what ends it. Whole days are in recording-bad-days.test.ts.
    const held = rules.map(({ keep_firing_for: _kept, ...rule }) => ({
      ...rule,
      annotations: { summary: rule.annotations['summary'] },
    }));
    const all = [...supporting(rules.map(({ expr }) => expr).join(' ')), ...held];
    writeFileSync(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'held', rules: all }] }));
    const files = [...new Set(cases.map(pace))].map((held, index) => {
      const tests = cases.filter((each) => pace(each) === held).map((each) => testOf(each, rules));
      const path = join(folder, `cases-${index}.yml`);
      writeFileSync(path, stringify({ rule_files: ['rules.yml'], evaluation_interval: held, tests }));
      return path;
    });
    const printed = await testedRules(...files);
    const wrong = new Set([...printed.matchAll(/^ +alertname: ?(\w+), time/gm)].map(([, name = '']) => name));
    return { wrong, printed };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Days of half minutes would take promtool minutes. */
function pace({ every, step = '1m' }: AlertCase): string {
  return every ?? step;
}

function testOf({ name, series, step = '1m', at, firing }: AlertCase, rules: readonly AlertingRule[]): object {
  return {
    name,
    interval: step,
    input_series: Object.entries({ ...oldProcesses(series), ...series }).map(([key, values]) => ({
      series: key,
      values: typeof values === 'string' ? values : values.join(' '),
    })),
    alert_rule_test: rules.map(({ alert, labels }) => ({
      eval_time: at,
      alertname: alert,
      exp_alerts: firing.map(([found, summary]) => ({
        exp_labels: { ...labels, ...found },
        exp_annotations: { summary },
      })),
    })),
  };
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
    execFile(promtool.path, ['test', 'rules', ...files], (error, stdout, stderr) =>
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
