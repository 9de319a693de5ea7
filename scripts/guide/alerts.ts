import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Page } from './scraping.ts';

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

export interface AlertsOptions {
  readonly promtool: string;
  /** The folder of the shipped rules. */
  readonly rules: string;
  /** What Prometheus read, in order, at a steady pace. */
  readonly pages: readonly Page[];
  readonly scrapeSeconds: number;
  /** Of the scraped target. */
  readonly labels: Readonly<Record<string, string>>;
}

const STEP_MS = 30_000;

/** The alerts of the shipped rules that fire over what was scraped, as promtool's Prometheus evaluates them. */
export async function alertsOver(options: AlertsOptions): Promise<readonly FiredAlert[]> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-guide-alerts-'));
  try {
    writeFileSync(join(folder, 'rules.yml'), inOneGroup(options.rules));
    const held = new Evaluation(folder, options);
    const spans = await held.spans();
    return await held.described(spans);
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

interface Span {
  readonly labels: string;
  readonly fromMs: number;
  readonly untilMs: number | null;
}

class Evaluation {
  readonly #folder: string;
  readonly #options: AlertsOptions;
  readonly #beginMs: number;
  readonly #endMs: number;

  constructor(folder: string, options: AlertsOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#beginMs = options.pages[0]?.atMs ?? 0;
    this.#endMs = options.pages.at(-1)?.atMs ?? 0;
  }

  /** From when to when each alert fired: what the series ALERTS says every half minute. */
  async spans(): Promise<readonly Span[]> {
    const times: number[] = [];
    for (let atMs = this.#beginMs; atMs <= this.#endMs; atMs += STEP_MS) times.push(atMs);
    const asked = times.map((atMs) => ({
      expr: 'ALERTS{alertstate="firing"}',
      eval_time: this.#since(atMs),
      // Never there: promtool prints what is.
      exp_samples: [{ labels: 'nothing', value: 0 }],
    }));
    const printed = await this.#tested({ promql_expr_test: asked });
    const open = new Map<string, number>();
    const spans: Span[] = [];
    const seen = new Map<number, readonly string[]>();
    for (const [, time = '', got = ''] of printed.matchAll(/time: (\S+),\s+exp:.*\n\s+got: ?(.*)/g))
      seen.set(
        this.#beginMs + milliseconds(time),
        [...got.matchAll(/\{__name__="ALERTS", (.*?)\} 1E\+00/g)].map(([, labels = '']) => labels),
      );
    for (const atMs of times) {
      const firing = seen.get(atMs) ?? [];
      for (const [labels, fromMs] of open) {
        if (firing.includes(labels)) continue;
        spans.push({ labels, fromMs, untilMs: atMs });
        open.delete(labels);
      }
      for (const labels of firing) if (!open.has(labels)) open.set(labels, atMs);
    }
    for (const [labels, fromMs] of open) spans.push({ labels, fromMs, untilMs: null });
    return spans.toSorted((one, other) => one.fromMs - other.fromMs || one.labels.localeCompare(other.labels));
  }

  /** With what each says at the moment when it begins to fire. */
  async described(spans: readonly Span[]): Promise<readonly FiredAlert[]> {
    // More than once: promtool can leave out the last that it is asked for.
    const asked = spans.flatMap(({ labels, fromMs }) =>
      [0, STEP_MS, 2 * STEP_MS].map((laterMs) => ({
        eval_time: this.#since(fromMs + laterMs),
        alertname: labelOf(labels, 'alertname'),
        exp_alerts: [],
      })),
    );
    const printed = await this.#tested({ alert_rule_test: asked });
    const failures = printed.split(/^ +alertname: ?/m).map((text) => {
      const [, alert = '', time = ''] = /^(\w+), time: (\S+),/.exec(text) ?? [];
      return { alert, atMs: this.#beginMs + milliseconds(time), text };
    });
    return spans.map((span) => {
      const name = labelOf(span.labels, 'alertname');
      const said = failures.find(({ alert, atMs }) => alert === name && atMs >= span.fromMs)?.text;
      if (said === undefined) throw new Error(`promtool did not say what ${name} says:\n${printed.slice(0, 2_000)}`);
      const { fromMs, untilMs, labels } = span;
      const [summary, description] = [labelOf(said, 'summary'), labelOf(said, 'description')];
      return { name, severity: labelOf(labels, 'severity'), summary, description, fromMs, untilMs };
    });
  }

  #since(atMs: number): string {
    return `${(atMs - this.#beginMs) / 1_000}s`;
  }

  async #tested(asked: object): Promise<string> {
    const { promtool, scrapeSeconds } = this.#options;
    const test = { interval: `${scrapeSeconds}s`, input_series: this.#series(), ...asked };
    const file = join(this.#folder, 'test.json');
    writeFileSync(file, JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '30s', tests: [test] }));
    return new Promise((resolve) => {
      execFile(promtool, ['test', 'rules', file], { maxBuffer: 1e9 }, (_, stdout, stderr) => resolve(stdout + stderr));
    });
  }

  #series(): readonly object[] {
    const { pages, labels, scrapeSeconds } = this.#options;
    const count = Math.round((this.#endMs - this.#beginMs) / (scrapeSeconds * 1_000)) + 1;
    const target = Object.entries(labels)
      .map(([name, value]) => `${name}="${value}"`)
      .join(',');
    const series = new Map<string, string[]>();
    for (const { atMs, text } of pages) {
      const index = Math.round((atMs - this.#beginMs) / (scrapeSeconds * 1_000));
      for (const [, name = '', own = '', value = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
        const key = `${name}{${target}${own === '' ? '' : `,${own}`}}`;
        const values = series.get(key) ?? Array.from({ length: count }, () => '_');
        series.set(key, values);
        // The time of promtool begins with the test: a point in time is told from there.
        values[index] = /_time(?:stamp)?_seconds$/.test(name) ? String(Number(value) - this.#beginMs / 1_000) : value;
      }
    }
    const up = Array.from({ length: count }, () => '1');
    return [...series, [`up{${target}}`, up] as const].map(([key, values]) => ({
      series: key,
      values: values.join(' '),
    }));
  }
}

const UNITS_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000 };

/** Of a time as promtool writes it: `1h2m30s`. */
function milliseconds(time: string): number {
  return [...time.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, n, unit = '']) => sum + Number(n) * (UNITS_MS[unit] ?? 0),
    0,
  );
}

/** Of a list of labels or annotations as Prometheus writes them. */
function labelOf(text: string, name: string): string {
  const quoted = new RegExp(`(?:^|[{, ])${name}=("(?:[^"\\\\]|\\\\.)*")`).exec(text)?.[1];
  return quoted === undefined ? '' : (JSON.parse(quoted) as string);
}
