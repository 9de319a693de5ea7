import { readFileSync, writeFileSync } from 'node:fs';
import { BASELINE_FILE, baselineText, parseBaseline, type Baseline } from '../scan/baseline.ts';
import { DELETING_IS_NOT_ENOUGH, consequence, nameOfKind, sarif } from '../scan/sarif.ts';
import { Scan, type ScanResult } from '../scan/scan.ts';
import type { Finding } from '../scan/secret-scanner.ts';
import { VERSION } from '../version.ts';
import { codeOf, unlisted, unreadable, type Problem } from '../errors.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print, printProblems, printable, type CommandIo } from './command.ts';
import { GitError, gitRefusal, scanHistory, scanPaths, scanStaged } from './scan-files.ts';
import { installHook } from './scan-hook.ts';

const USAGE = [
  'plimsoll scan [options] [PATH...]   finds Anthropic secrets; - is standard input',
  '  --staged            scan what is staged in git, as it would be committed',
  "  --history           scan all of git's history, with messages and stashes",
  '  --install           write a pre-commit hook that runs `plimsoll scan --staged`',
  '  --baseline FILE     known secrets, which are not reported',
  `                      (${BASELINE_FILE}, if there is one)`,
  '  --write-baseline    add what is found to the baseline',
  '  --format FORMAT     text, json or sarif (text)',
  '  --json              the same as --format json',
  '',
  'Without a path it scans the current folder. In a git work tree it scans what git',
  'would add; to scan an ignored folder, name it: plimsoll scan dist. It looks into',
  'tar, zip, gzip, zstd, brotli and source maps, and through base64 and escapes. It',
  'skips binary files and placeholders, and never shows a secret.',
  'Exit code: 0 nothing found, 1 something found, 2 wrong arguments, 3 something',
  'could not be scanned.',
];

const FORMATS = ['text', 'json', 'sarif'] as const;

const OPTIONS = {
  staged: { type: 'boolean', default: false },
  history: { type: 'boolean', default: false },
  install: { type: 'boolean', default: false },
  baseline: { type: 'string' },
  'write-baseline': { type: 'boolean', default: false },
  format: { type: 'string', default: 'text' },
  json: { type: 'boolean', default: false },
} as const;

const FOUND = 1;

const INCOMPLETE = 3;

/** `plimsoll scan`. Reading from git and writing the hook have their own files. */
export const command = defineCommand({
  name: 'scan',
  usage: USAGE,
  options: OPTIONS,
  choices: { format: FORMATS },
  takesArguments: true,
  async run({ values, positionals }, io) {
    const asked = askedIn(values, positionals);
    try {
      return asked.source === 'install' ? await install(io) : await scanAll(asked, io);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      const outside = asked.source === 'paths' ? null : await outsideOfGit(asked.source);
      if (outside === null) io.err(`git: ${error.message}`);
      else printProblems([outside], io);
      return INCOMPLETE;
    }
  },
});

const SOURCES = ['staged', 'history', 'install'] as const;

/** The source of the scanned files; `install` scans nothing. */
type ScanSource = (typeof SOURCES)[number] | 'paths';

interface Asked {
  readonly source: ScanSource;
  readonly paths: readonly string[];
  readonly format: (typeof FORMATS)[number];
  /** `null` if none was named. */
  readonly baseline: string | null;
  readonly writeBaseline: boolean;
}

interface Given extends Readonly<Record<(typeof SOURCES)[number] | 'write-baseline' | 'json', boolean>> {
  readonly format: string;
  readonly baseline?: string | undefined;
}

/** Reads the options. Throws with every problem. */
function askedIn(given: Given, paths: readonly string[]): Asked {
  const sources = SOURCES.filter((source) => given[source]);
  const name = given.json ? 'json' : given.format;
  const format = FORMATS.find((known) => known === name);
  const asked = [...sources.map((source) => `--${source}`), ...(paths.length > 0 ? ['paths'] : [])];
  const one = 'one of paths, --staged, --history, --install';
  const problems: readonly Problem[] = [
    ...(asked.length > 1
      ? [{ kind: 'conflict', field: 'scan', expected: one, got: asked.join(', '), advice: null } as const]
      : []),
    ...(format === undefined ? [unlisted('--format', name, FORMATS)] : []),
  ];
  if (format === undefined || problems.length > 0) throw wrongArguments(...problems);
  return {
    source: sources[0] ?? 'paths',
    paths: paths.length > 0 ? paths : ['.'],
    format,
    baseline: given.baseline ?? null,
    writeBaseline: given['write-baseline'],
  };
}

/** The problem of a source that only git has, where there is no repository: `git diff` answers there with its usage. */
async function outsideOfGit(source: ScanSource): Promise<Problem | null> {
  const refusal = await gitRefusal();
  if (refusal === null) return null;
  const [expected, advice] = ['a folder of a git repository', 'run it in one, or name the files to scan'];
  return { kind: 'missing', field: `--${source}`, expected, got: `"${refusal}"`, advice };
}

async function install(io: CommandIo): Promise<number> {
  const { ok, lines } = await installHook();
  return ok ? print(lines, io) : fail(lines, io);
}

async function scanAll(asked: Asked, io: CommandIo): Promise<number> {
  const known = readBaseline(asked, io);
  if (known === null) return 2;
  const scan = new Scan();
  const found = await findings(scan, asked, io);
  if (asked.writeBaseline) return writeBaseline(asked.baseline ?? BASELINE_FILE, { found, known }, io);
  const unknown = found.filter(({ fingerprint }) => !known.has(fingerprint));
  printReport({ ...scan.result, findings: unknown, known: found.length - unknown.length }, asked.format, io);
  if (unknown.length > 0) return FOUND;
  return scan.result.skipped.length > 0 ? INCOMPLETE : 0;
}

async function findings(scan: Scan, { source, paths }: Asked, io: CommandIo): Promise<readonly Finding[]> {
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

/** Reads the baseline. `null`, with an error message, if it cannot be read; empty if none is named and none exists. */
function readBaseline(asked: Asked, io: CommandIo): Baseline | null {
  const path = asked.baseline ?? BASELINE_FILE;
  const isOptional = asked.baseline === null || asked.writeBaseline;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isOptional && codeOf(error) === 'ENOENT') return new Map();
    printProblems([{ field: path, ...unreadable(error, 'a readable baseline') }], io);
    return null;
  }
  const parsed = parseBaseline(text);
  if (parsed !== null) return parsed;
  const [expected, got] = ['what --write-baseline writes', 'something else'];
  printProblems([{ kind: 'unreadable', field: path, expected, got, advice: null }], io);
  return null;
}

interface Baselined {
  readonly found: readonly Finding[];
  readonly known: Baseline;
}

function writeBaseline(path: string, { found, known }: Baselined, io: CommandIo): number {
  try {
    writeFileSync(path, baselineText(found, known));
  } catch (error) {
    printProblems([{ field: path, ...unreadable(error, 'to write the baseline') }], io);
    return INCOMPLETE;
  }
  const count = new Set([...known.keys(), ...found.map(({ fingerprint }) => fingerprint)]).size;
  io.out(`Wrote ${path}: ${count} ${count === 1 ? 'secret is' : 'secrets are'} now known.`);
  return 0;
}

/** The result of a scan, with the secrets of the baseline removed from `findings` and counted. */
interface Reported extends ScanResult {
  readonly known: number;
}

/** Prints the report: findings on `out`, skipped files on `err` as well. */
function printReport(result: Reported, format: Asked['format'], io: CommandIo): void {
  if (format === 'sarif') io.out(sarif(result.findings, VERSION));
  else if (format === 'json') io.out(JSON.stringify(result, null, 2));
  else textLines(result).forEach((line) => io.out(line));
  for (const { path, reason } of result.skipped) io.err(`not scanned: ${printable(path)}: ${reason}`);
}

function textLines(result: Reported): readonly string[] {
  const { findings, known } = result;
  const secrets = new Set(findings.map(({ fingerprint }) => fingerprint)).size;
  const places = `${count(secrets, 'secret')} in ${count(findings.length, 'place')}`;
  return [
    ...findings.flatMap(findingLines),
    ...(findings.length === 0 ? [] : ['', ...advice(findings), '']),
    `${findings.length === 0 ? 'No secrets' : places}; scanned ${scannedWords(result)}.`,
    ...(known === 0 ? [] : [`Ignored ${count(known, 'finding')} in the baseline.`]),
  ];
}

/** The location has its own line, so that a terminal can open it, whatever its length. */
function findingLines({ path, line, column, kind, shown, disguise, commit }: Finding): readonly string[] {
  const written = disguise === 'plain' ? '' : disguise === 'base64' ? ', in base64' : ', with escapes';
  const since = commit === null ? '' : `, since ${commit.slice(0, 12)}`;
  return [`${printable(path)}:${line}:${column}`, `  ${nameOfKind(kind)}, ${shown}${written}${since}`];
}

function advice(findings: readonly Finding[]): readonly string[] {
  return [...new Set(findings.map(({ kind }) => consequence(kind))), DELETING_IS_NOT_ENOUGH];
}

function scannedWords({ files, binaryFiles, bytes, skipped }: ScanResult): string {
  return [
    `${count(files, 'file')}, ${(bytes / 1e6).toFixed(1)} MB`,
    ...(binaryFiles === 0 ? [] : [`${binaryFiles} binary skipped`]),
    ...(skipped.length === 0 ? [] : [`${skipped.length} not scanned`]),
  ].join(', ');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
