import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { ruleFileText, type RecordingRule } from '../../src/rules/rule.ts';
import { freePort } from '../../testing/free-port.ts';
import { prometheus } from '../run/prometheus.ts';
import type { Running } from '../run/servers.ts';

interface BackfillOptions {
  readonly prometheus: string;
  readonly promtool: string;
  /** OpenMetrics files; each covers a time of its own. */
  readonly files: readonly string[];
  /** Times at which recording rules are evaluated, in seconds, two minutes apart. Default: never. */
  readonly recorded?: readonly TimeRange[];
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
  for (const file of options.files) {
    await run(options.promtool, ['tsdb', 'create-blocks-from', 'openmetrics', '-q', file, data], { maxBuffer: 1e8 });
  }
  const { recorded = [] } = options;
  for (const rules of passes()) {
    if (recorded.length > 0) await recordedInto(data, { ...options, folder, rules, recorded });
  }
  const running = await serving(options.prometheus, folder);
  return { url: running.url, stop: () => running.stop().then(() => rmSync(folder, { recursive: true, force: true })) };
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
  readonly rules: readonly RecordingRule[];
  readonly recorded: readonly TimeRange[];
}

/**
 * When in its interval a group is evaluated hangs on its name and on the path of its file as promtool was given it: both are
 * the same for each pass and each run, so a pass reads what the one before it kept of the very same moments.
 */
const GROUP = 'pass';

const FILE = 'rules.yml';

async function recordedInto(data: string, { folder, rules, recorded, ...options }: Pass): Promise<void> {
  const running = await serving(options.prometheus, folder);
  const cwd = mkdtempSync(join(folder, 'pass-'));
  writeFileSync(join(cwd, FILE), ruleFileText([{ name: GROUP, interval: '2m', rules }]));
  const out = join(cwd, 'recorded');
  try {
    for (const { from, to } of recorded) {
      const times = [`--start=${from}`, `--end=${to}`, '--eval-interval=2m'];
      const args = [
        'tsdb',
        'create-blocks-from',
        'rules',
        ...times,
        `--url=${running.url}`,
        `--output-dir=${out}`,
        FILE,
      ];
      await run(options.promtool, args, { cwd, maxBuffer: 1e8 });
    }
  } finally {
    await running.stop();
  }
  for (const block of readdirSync(out)) cpSync(join(out, block), join(data, block), { recursive: true });
}

/**
 * Rules in the order of what they stand on: promtool answers the rules of a pass from what was there before it. What a rule
 * reads of its own past is not there: that is for restarts, and these processes have none.
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

function mentions(expr: string, record: string): boolean {
  return new RegExp(`(?<![\\w:])${record}(?![\\w:])`).test(expr);
}
