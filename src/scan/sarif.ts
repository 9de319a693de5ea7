import type { Finding } from './finding.ts';
import { consequence, DELETING_IS_NOT_ENOUGH, nameOfKind } from './wording.ts';

/** The findings as SARIF 2.1.0, which code hosts show beside the lines. */
export function sarif(findings: readonly Finding[], version: string): string {
  const kinds = [...new Set(findings.map(({ kind }) => kind))].sort();
  const rules = kinds.map((kind) => ({
    id: ruleId(kind),
    shortDescription: { text: `Anthropic secret: ${nameOfKind(kind)}` },
    help: { text: `${consequence(kind)} ${DELETING_IS_NOT_ENOUGH}` },
    defaultConfiguration: { level: 'error' },
  }));
  const driver = { name: 'plimsoll', version, rules };
  const results = findings.map(result);
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    // Columns are counted as JavaScript counts a string.
    runs: [{ tool: { driver }, columnKind: 'utf16CodeUnits', results }],
  };
  return JSON.stringify(log, null, 2);
}

function result({ kind, shown, fingerprint, path, line, column, commit }: Finding) {
  const [file = path, ...inside] = path.split('!');
  const where = inside.length === 0 ? '' : `, in ${inside.join('!')} at ${line}:${column}`;
  // A place inside an archive is no place in the archive's own bytes.
  const region = inside.length === 0 ? { region: { startLine: line, startColumn: column } } : {};
  return {
    ruleId: ruleId(kind),
    level: 'error',
    message: { text: `${nameOfKind(kind)} ${shown}${where}${commit === null ? '' : `, since commit ${commit}`}` },
    locations: [{ physicalLocation: { artifactLocation: { uri: encodeURI(file) }, ...region } }],
    partialFingerprints: { 'plimsollSecret/v1': fingerprint },
  };
}

function ruleId(kind: string): string {
  return `anthropic-secret/${kind.replaceAll('_', '-')}`;
}
