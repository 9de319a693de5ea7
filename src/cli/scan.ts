import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BASELINE_FILE, baselineText, parsedBaseline, type Baseline } from '../scan/baseline.ts';
import { DELETING_IS_NOT_ENOUGH, consequence, nameOfKind, sarif } from '../scan/sarif.ts';
import { Scan, type ScanResult } from '../scan/scan.ts';
import type { Finding } from '../scan/secret-scanner.ts';
import { VERSION } from '../version.ts';
import { argumentProblem, refused, shown, type Command, type CommandIo } from './command.ts';
import { GitError, scanHistory, scanPaths, scanStaged } from './scan-files.ts';
import { installHook } from './scan-hook.ts';

const FOUND = 1;

const INCOMPLETE = 3;

/** `plimsoll scan`. */
export const command: Command = {
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

/** What `plimsoll scan --help` teaches. */
export const USAGE = [
  'plimsoll scan [options] [PATH...]     finds Anthropic secrets; - is standard input',
  '  --staged            what is staged in git, as it would be committed',
  "  --history           all of git's history, with its messages and stashes",
  '  --install           writes a pre-commit hook that runs `plimsoll scan --staged`',
  '  --baseline FILE     secrets that are known and let be',
  `                      (${BASELINE_FILE}, where there is one)`,
  '  --write-baseline    adds what is found to the baseline and lets it be',
  '  --format FORMAT     text, json or sarif (text)',
  '',
  'Without a path, the present folder. Of a git work tree it scans what git would',
  'add; what .gitignore names is scanned when it is named: plimsoll scan dist.',
  'Looks into tar, zip, gzip, zstd, brotli and source maps, and through base64 and',
  'escapes. Binary files and placeholders are passed over. Never shows a secret.',
  'Exit code: 0 nothing found, 1 something found, 2 wrong arguments, 3 could not',
  'scan all that was asked for.',
];

const OPTIONS = {
  staged: { type: 'boolean', default: false },
  history: { type: 'boolean', default: false },
  install: { type: 'boolean', default: false },
  baseline: { type: 'string' },
  'write-baseline': { type: 'boolean', default: false },
  format: { type: 'string', default: 'text' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const FORMATS = ['text', 'json', 'sarif'] as const;

const SOURCES = ['staged', 'history', 'install'] as const;

/** What is scanned; `install` scans nothing. */
export type ScanSource = (typeof SOURCES)[number] | 'paths';

/** The arguments of `plimsoll scan`. */
export interface ScanArguments {
  readonly source: ScanSource;
  readonly paths: readonly string[];
  readonly format: (typeof FORMATS)[number];
  /** `null` where none was named. */
  readonly baseline: string | null;
  readonly writeBaseline: boolean;
}

/** What is asked for, or everything that is wrong with it. */
export function scanArguments(
  args: readonly string[],
): ScanArguments | 'help' | { readonly problems: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help) return 'help';
    const sources = SOURCES.filter((source) => values[source]);
    const name = values.json ? 'json' : values.format;
    const format = FORMATS.find((known) => known === name);
    const asked = [...sources.map((source) => `--${source}`), ...(positionals.length > 0 ? ['paths'] : [])];
    const problems = [
      ...(asked.length > 1 ? [`Expected one of paths, --staged, --history, --install, got ${asked.join(', ')}.`] : []),
      ...(format === undefined ? [`--format: expected one of ${FORMATS.join(', ')}, got ${name}.`] : []),
    ];
    if (format === undefined || problems.length > 0) return { problems };
    return {
      source: sources[0] ?? 'paths',
      paths: positionals.length > 0 ? positionals : ['.'],
      format,
      baseline: values.baseline ?? null,
      writeBaseline: values['write-baseline'],
    };
  } catch (error) {
    return { problems: [argumentProblem(error)] };
  }
}

/** What a scan came to, the secrets of the baseline taken out of `findings` and counted. */
export interface Reported extends ScanResult {
  readonly known: number;
}

/** Writes the report: findings on `out`, what could not be scanned on `err` as well. */
export function report(result: Reported, format: ScanArguments['format'], io: CommandIo): void {
  if (format === 'sarif') io.out(sarif(result.findings, VERSION));
  else if (format === 'json') io.out(JSON.stringify(result, null, 2));
  else textLines(result).forEach((line) => io.out(line));
  for (const { path, reason } of result.skipped) io.err(`not scanned: ${path}: ${reason}`);
}

function textLines(result: Reported): readonly string[] {
  const { findings, known } = result;
  const secrets = new Set(findings.map(({ fingerprint }) => fingerprint)).size;
  const places = `${count(secrets, 'secret')} in ${count(findings.length, 'place')}`;
  return [
    ...findings.flatMap(findingLines),
    ...(findings.length === 0 ? [] : ['', ...advice(findings), '']),
    `${findings.length === 0 ? 'No secrets' : places}; scanned ${scannedWords(result)}.`,
    ...(known === 0 ? [] : [`${count(known, 'finding')} of the baseline let be.`]),
  ];
}

/** The place stands alone on its line, so that a terminal can open it, however long it is. */
function findingLines({ path, line, column, kind, shown, disguise, commit }: Finding): readonly string[] {
  const written = disguise === 'plain' ? '' : disguise === 'base64' ? ', in base64' : ', with escapes';
  const since = commit === null ? '' : `, since ${commit.slice(0, 12)}`;
  return [`${path}:${line}:${column}`, `  ${nameOfKind(kind)}, ${shown}${written}${since}`];
}

function advice(findings: readonly Finding[]): readonly string[] {
  return [...new Set(findings.map(({ kind }) => consequence(kind))), DELETING_IS_NOT_ENOUGH];
}

function scannedWords({ files, binaryFiles, bytes, skipped }: ScanResult): string {
  return [
    `${count(files, 'file')}, ${(bytes / 1e6).toFixed(1)} MB`,
    ...(binaryFiles === 0 ? [] : [`${binaryFiles} binary passed over`]),
    ...(skipped.length === 0 ? [] : [`${skipped.length} not scanned`]),
  ].join(', ');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
