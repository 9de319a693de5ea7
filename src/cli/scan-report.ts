import type { Finding } from '../scan/finding.ts';
import { sarif } from '../scan/sarif.ts';
import type { ScanResult } from '../scan/scan.ts';
import { consequence, DELETING_IS_NOT_ENOUGH, nameOfKind } from '../scan/wording.ts';
import { VERSION } from '../version.ts';
import type { CommandIo } from './command.ts';
import type { ScanArguments } from './scan-arguments.ts';

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
