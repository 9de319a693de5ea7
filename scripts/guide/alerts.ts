import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { milliseconds, ruleTest, type RuleTest, type Scraped } from './rule-test.ts';

/** An alert that fired. */
export interface FiredAlert {
  readonly name: string;
  readonly severity: string;
  readonly summary: string;
  readonly description: string;
  /** When Prometheus began to say so, and when it no longer did; `null` for an alert that still fires at the end. */
  readonly fromMs: number;
  readonly untilMs: number | null;
}

export interface AlertsOptions extends Scraped {
  /** The folder of the shipped rules. */
  readonly rules: string;
}

const STEP_MS = 30_000;

/** The alerts of the shipped rules that fire over what was scraped, as promtool's Prometheus evaluates them. */
export async function alertsOver(options: AlertsOptions): Promise<readonly FiredAlert[]> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-guide-alerts-'));
  try {
    writeFileSync(join(folder, 'rules.yml'), inOneGroup(options.rules));
    const held = ruleTest(folder, options);
    return await described(spans(await firing(held)), held);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Rules {
  readonly groups: readonly { readonly rules: readonly Readonly<Record<string, unknown>>[] }[];
}

/**
 * The rules of a folder, what is recorded before what alerts: promtool evaluates groups of the same moment in any order, the
 * rules of one group in theirs.
 */
function inOneGroup(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yml'));
  const all = files.flatMap((name) => (parse(readFileSync(join(folder, name), 'utf8')) as Rules).groups);
  const rules = all.flatMap((group) => group.rules);
  const ordered = [...rules.filter((rule) => 'record' in rule), ...rules.filter((rule) => 'alert' in rule)];
  return stringify({ groups: [{ name: 'all', rules: ordered }] });
}

interface Moment {
  readonly atMs: number;
  /** The labels of each alert that fires, as Prometheus writes them. */
  readonly firing: readonly string[];
}

/** What fires at each half minute, by the series ALERTS. */
async function firing({ beginMs, endMs, since, tested }: RuleTest): Promise<readonly Moment[]> {
  const times: number[] = [];
  for (let atMs = beginMs; atMs <= endMs; atMs += STEP_MS) times.push(atMs);
  const asked = times.map((atMs) => ({
    expr: 'ALERTS{alertstate="firing"}',
    eval_time: since(atMs),
    // Never there: promtool prints what is.
    exp_samples: [{ labels: 'nothing', value: 0 }],
  }));
  const printed = await tested({ promql_expr_test: asked });
  return [...printed.matchAll(/time: (\S+),\s+exp:.*\n\s+got: ?(.*)/g)].map(([, time = '', got = '']) => ({
    atMs: beginMs + milliseconds(time),
    firing: [...got.matchAll(/\{__name__="ALERTS", (.*?)\} 1E\+00/g)].map(([, labels = '']) => labels),
  }));
}

interface Span {
  readonly labels: string;
  readonly fromMs: number;
  readonly untilMs: number | null;
}

/** From when to when each alert fired; of those that began together by name. */
function spans(moments: readonly Moment[]): readonly Span[] {
  const open = new Map<string, number>();
  const over: Span[] = [];
  for (const { atMs, firing: now } of moments) {
    for (const [labels, fromMs] of open) {
      if (now.includes(labels)) continue;
      over.push({ labels, fromMs, untilMs: atMs });
      open.delete(labels);
    }
    for (const labels of now) if (!open.has(labels)) open.set(labels, atMs);
  }
  const still = [...open].map(([labels, fromMs]) => ({ labels, fromMs, untilMs: null }));
  return [...over, ...still].toSorted((a, b) => a.fromMs - b.fromMs || (a.labels < b.labels ? -1 : 1));
}

/** With what each says when it begins to fire. */
async function described(found: readonly Span[], { beginMs, since, tested }: RuleTest): Promise<readonly FiredAlert[]> {
  // More than once: promtool can leave out the last that it is asked for.
  const asked = found.flatMap(({ labels, fromMs }) =>
    [0, STEP_MS, 2 * STEP_MS].map((laterMs) => ({
      eval_time: since(fromMs + laterMs),
      alertname: valueIn(labels, 'alertname'),
      exp_alerts: [],
    })),
  );
  const printed = await tested({ alert_rule_test: asked });
  const failures = printed.split(/^ +alertname: ?/m).map((text) => {
    const [, alert = '', time = ''] = /^(\w+), time: (\S+),/.exec(text) ?? [];
    return { alert, atMs: beginMs + milliseconds(time), text };
  });
  return found.map(({ labels, fromMs, untilMs }) => {
    const name = valueIn(labels, 'alertname');
    const said = failures
      .filter(({ alert, atMs }) => alert === name && atMs >= fromMs)
      .flatMap(({ text }) => text.split(/^ +\d+:/m))
      .find((alert) => hasLabels(alert, labels));
    if (said === undefined) throw new Error(`promtool did not say what ${name} says:\n${printed.slice(0, 2_000)}`);
    const [summary, description] = [valueIn(said, 'summary'), valueIn(said, 'description')];
    return { name, severity: valueIn(labels, 'severity'), summary, description, fromMs, untilMs };
  });
}

/** Tells whether an alert, as promtool prints it, is the one with these labels: several of one name can fire at a time. */
function hasLabels(alert: string, labels: string): boolean {
  const printed = /^ *Labels:\{(.*)\}$/m.exec(alert)?.[1];
  const names = [...(printed ?? '').matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, name = '']) => name);
  return names.length > 0 && names.every((name) => valueIn(printed ?? '', name) === valueIn(labels, name));
}

/** Of a list of labels or annotations as Prometheus writes them. */
function valueIn(text: string, name: string): string {
  const quoted = new RegExp(`(?:^|[{, ])${name}=("(?:[^"\\\\]|\\\\.)*")`).exec(text)?.[1];
  return quoted === undefined ? '' : (JSON.parse(quoted) as string);
}
