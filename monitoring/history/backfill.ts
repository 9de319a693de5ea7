import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { secondsOf } from '../../src/rules/promql.ts';
import type { AlertingRule, RecordingRule } from '../../src/rules/rule.ts';
import { freePort } from '../../testing/free-port.ts';
import { asked, prometheus } from '../run/prometheus.ts';
import type { Running } from '../run/servers.ts';

interface BackfillOptions {
  readonly prometheus: string;
  readonly promtool: string;
  /** OpenMetrics files; each covers a time of its own. */
  readonly files: readonly string[];
  /** Times in which recording rules are evaluated every two minutes, in seconds. Default: never. */
  readonly recorded?: readonly TimeRange[];
  /** Whether alerts are evaluated at the same times. Default: `false`. */
  readonly alerts?: boolean;
}

interface TimeRange {
  readonly from: number;
  readonly to: number;
}

const run = promisify(execFile);

/** A Prometheus that scrapes nothing and has what the files say, and what the recording rules would have kept of it. */
export async function backfilled(options: BackfillOptions): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-backfill-'));
  const data = join(folder, 'data');
  mkdirSync(data);
  for (const file of options.files) await broughtIn(options.promtool, file, data);
  const { recorded = [], alerts = false } = options;
  for (const rules of [...passes(), ...(alerts ? alertPasses() : [])]) {
    if (recorded.length > 0) await recordedInto(data, { ...options, folder, rules, recorded });
  }
  const running = await serving(options.prometheus, folder);
  return { url: running.url, stop: () => running.stop().then(() => rmSync(folder, { recursive: true, force: true })) };
}

async function broughtIn(promtool: string, file: string, data: string): Promise<void> {
  // A block for two hours, its default, means to read the whole file once for every two hours.
  const asOne = '--max-block-duration=720h';
  await run(promtool, ['tsdb', 'create-blocks-from', 'openmetrics', asOne, '-q', file, data], { maxBuffer: 1e8 });
}

async function serving(program: string, folder: string): Promise<Running> {
  const configPath = join(folder, 'prometheus.yml');
  writeFileSync(configPath, 'scrape_configs: []\n');
  // A copy: the server that is ended takes its data with it.
  const data = mkdtempSync(join(folder, 'served-'));
  cpSync(join(folder, 'data'), data, { recursive: true });
  return prometheus({ program, configPath, port: await freePort() }, data);
}

interface Pass extends BackfillOptions {
  readonly folder: string;
  readonly rules: readonly Recorded[];
  readonly recorded: readonly TimeRange[];
}

/** A rule whose result may bear labels of its own. */
interface Recorded extends RecordingRule {
  readonly labels?: Readonly<Record<string, string>>;
}

/** Seconds between the moments at which rules are evaluated. */
const PACE = '120';

interface Matrix {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly values: readonly (readonly [number, string])[];
  }[];
}

/** `promtool tsdb create-blocks-from rules` does the same with a block for each rule and two hours, and Prometheus reads them all. */
async function recordedInto(data: string, { folder, rules, recorded, ...options }: Pass): Promise<void> {
  const files = recorded.map((_, index) => join(folder, `recorded-${index}.txt`));
  const running = await serving(options.prometheus, folder);
  try {
    for (const [index, { from, to }] of recorded.entries()) {
      const out = createWriteStream(files[index] ?? '');
      for (const { record, expr, labels } of rules) {
        // Results that differ in their names alone would be two series of the same name.
        const parameters = { query: `(${expr}) + 0`, start: String(from), end: String(to), step: PACE };
        const { result } = await asked<Matrix>(running.url, '/api/v1/query_range', parameters);
        for (const { metric, values } of result) out.write(samples(record, { ...metric, ...labels }, values));
      }
      out.end('# EOF\n');
      await once(out, 'close');
    }
  } finally {
    await running.stop();
  }
  for (const file of files) await broughtIn(options.promtool, file, data);
}

function samples(
  name: string,
  labels: Matrix['result'][number]['metric'],
  values: Matrix['result'][number]['values'],
): string {
  const pairs = Object.entries(labels).filter(([label]) => label !== '__name__');
  const series = `${name}{${pairs.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join()}}`;
  return values.map(([at, value]) => `${series} ${value} ${at}\n`).join('');
}

/**
 * Rules in the order of what they stand on: those of a pass are answered from what was there before it. What a rule reads of
 * its own past is not there: that is for restarts, and these processes have none.
 */
function passes(): readonly (readonly RecordingRule[])[] {
  let waiting = ruleFiles().flatMap(({ groups }) =>
    groups.flatMap(({ rules }) => rules.filter((rule) => 'record' in rule)),
  );
  const ordered: RecordingRule[][] = [];
  while (waiting.length > 0) {
    const ready = waiting.filter(
      (rule) => !waiting.some((other) => other !== rule && mentions(rule.expr, other.record)),
    );
    ordered.push(ready);
    waiting = waiting.filter((rule) => !ready.includes(rule));
  }
  return ordered;
}

/** How far back the beginning of what fires is looked for. */
const LONGEST_FIRING = '6h';

/** What Prometheus itself writes of alerts that fire, with their waits. */
function alertPasses(): readonly (readonly Recorded[])[] {
  const alerts = ruleFiles().flatMap(({ groups }) =>
    groups.flatMap(({ rules }) => rules.filter((rule) => 'alert' in rule)),
  );
  const forState = alerts.map(({ alert, labels }) => {
    const fired = `ALERTS{alertname="${alert}"}`;
    const expr = `min_over_time(timestamp(${fired})[${LONGEST_FIRING}:2m]) and ${fired}`;
    return { record: 'ALERTS_FOR_STATE', labels: { alertname: alert, ...labels }, expr };
  });
  return [alerts.map(firing), forState];
}

function firing({ alert, expr, labels, for: wait, keep_firing_for: kept }: AlertingRule): Recorded {
  const evaluations = Math.floor(secondsOf(wait) / Number(PACE)) + 1;
  const held = `count_over_time((0 * (${expr}))[${secondsOf(wait) + 1}s:${PACE}s]) >= ${evaluations}`;
  const goesOn = kept === undefined ? held : `last_over_time((${held})[${kept}:${PACE}s])`;
  return {
    record: 'ALERTS',
    expr: `0 * (${goesOn}) + 1`,
    labels: { alertname: alert, alertstate: 'firing', ...labels },
  };
}

function mentions(expr: string, record: string): boolean {
  return new RegExp(`(?<![\\w:])${record}(?![\\w:])`).test(expr);
}
