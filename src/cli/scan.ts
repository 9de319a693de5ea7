import { readFileSync, writeFileSync } from 'node:fs';
import { type Baseline, BASELINE_FILE, baselineText, parsedBaseline } from '../scan/baseline.ts';
import type { Finding } from '../scan/finding.ts';
import { Scan } from '../scan/scan.ts';
import type { Command, CommandIo } from './command.ts';
import { GitError } from './git.ts';
import { scanArguments, type ScanArguments, USAGE } from './scan-arguments.ts';
import { scanPaths } from './scan-files.ts';
import { scanHistory, scanStaged } from './scan-git.ts';
import { installHook } from './scan-hook.ts';
import { report } from './scan-report.ts';
import { refused, shown } from './replies.ts';

const FOUND = 1;
const INCOMPLETE = 3;

/** `plimsoll scan`. */
export const command: Command = {
  name: 'scan',
  summary: "finds Anthropic secrets in files, in what is staged, in git's history",
  async run(args, io) {
    const asked = scanArguments(args);
    if (asked === 'help') return shown(USAGE, io);
    if ('problems' in asked) return refused(asked.problems, USAGE, io);
    try {
      return asked.source === 'install' ? await install(io) : await scanned(asked, io);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      io.err(`git: ${error.message}`);
      return INCOMPLETE;
    }
  },
};

async function install(io: CommandIo): Promise<number> {
  const { ok, lines } = await installHook();
  lines.forEach((line) => (ok ? io.out(line) : io.err(line)));
  return ok ? 0 : 1;
}

async function scanned(asked: ScanArguments, io: CommandIo): Promise<number> {
  const known = baseline(asked, io);
  if (known === null) return 2;
  const scan = new Scan();
  const found = await findings(scan, asked, io);
  if (asked.writeBaseline) return writeBaseline(asked.baseline ?? BASELINE_FILE, { found, known }, io);
  const unknown = found.filter(({ fingerprint }) => !known.has(fingerprint));
  report({ ...scan.result, findings: unknown, known: found.length - unknown.length }, asked.format, io);
  if (unknown.length > 0) return FOUND;
  return scan.result.skipped.length > 0 ? INCOMPLETE : 0;
}

async function findings(scan: Scan, { source, paths }: ScanArguments, io: CommandIo): Promise<readonly Finding[]> {
  if (source === 'history') return scanHistory(scan);
  if (source === 'staged') await scanStaged(scan);
  else {
    if (paths.includes('-')) await scan.addStream('standard input', io.stdin);
    await scanPaths(
      scan,
      paths.filter((path) => path !== '-'),
    );
  }
  return scan.result.findings;
}

/** `null` where a baseline is not to be had; an empty one where none was named and none is there. */
function baseline(asked: ScanArguments, io: CommandIo): Baseline | null {
  const path = asked.baseline ?? BASELINE_FILE;
  const isOptional = asked.baseline === null || asked.writeBaseline;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (isOptional && code === 'ENOENT') return new Map();
    io.err(`${path}: expected a baseline that can be read, got ${String(code)}.`);
    return null;
  }
  const parsed = parsedBaseline(text);
  if (!('problem' in parsed)) return parsed;
  io.err(`${path}: ${parsed.problem}`);
  return null;
}

interface Baselined {
  readonly found: readonly Finding[];
  readonly known: Baseline;
}

function writeBaseline(path: string, { found, known }: Baselined, io: CommandIo): number {
  writeFileSync(path, baselineText(found, known));
  const count = new Set([...known.keys(), ...found.map(({ fingerprint }) => fingerprint)]).size;
  io.out(`Wrote ${path}: ${count} ${count === 1 ? 'secret is' : 'secrets are'} known from now on.`);
  return 0;
}
