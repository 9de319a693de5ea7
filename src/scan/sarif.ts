import type { Finding } from './secret-scanner.ts';

/** The findings as SARIF 2.1.0, which code hosts show next to the lines. */
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
    // Columns are counted in UTF-16 code units, like JavaScript strings.
    runs: [{ tool: { driver }, columnKind: 'utf16CodeUnits', results }],
  };
  return JSON.stringify(log, null, 2);
}

function result({ kind, shown, fingerprint, path, line, column, commit }: Finding) {
  const [file = path, ...inside] = path.split('!');
  const where = inside.length === 0 ? '' : `, in ${inside.join('!')} at ${line}:${column}`;
  // A line inside an archive is not a line of the archive itself.
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

const NAMES: Readonly<Record<string, string>> = {
  api_key: 'an API key',
  admin_key: 'an admin key',
  enterprise_admin_key: 'an enterprise admin key',
  oauth_token: 'an OAuth access token',
  refresh_token: 'an OAuth refresh token',
  session: 'a browser session',
  gateway_token: 'a plimsoll gateway token',
};

/** The name of a kind of secret in a sentence. */
export function nameOfKind(kind: string): string {
  return NAMES[kind] ?? 'a new kind of secret';
}

/** The advice for a secret that others may have seen. */
export function consequence(kind: string): string {
  if (kind === 'session') return 'Log out of claude.ai in that browser.';
  if (kind === 'gateway_token') return 'Revoke the token: plimsoll gateway token revoke ID.';
  if (kind === 'oauth_token' || kind === 'refresh_token') return 'Log out of the program that the token was given to.';
  return 'Disable the key in the Console: https://platform.claude.com/settings/keys';
}

/** A warning that comes with every finding. */
export const DELETING_IS_NOT_ENOUGH = 'Deleting the text is not enough: whoever has seen a secret can use it.';
