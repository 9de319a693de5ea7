import type { Finding } from './secret-scanner.ts';

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

const NAMES: Readonly<Record<string, string>> = {
  api_key: 'an API key',
  admin_key: 'an admin key',
  enterprise_admin_key: 'an admin key of an enterprise',
  oauth_token: 'an OAuth access token',
  refresh_token: 'an OAuth refresh token',
  session: 'the session of a browser',
  gateway_token: 'a token of a plimsoll gateway',
};

/** A kind of secret as a sentence names it. */
export function nameOfKind(kind: string): string {
  return NAMES[kind] ?? 'a secret of a kind that is new';
}

/** What to do about a secret that others may have seen. */
export function consequence(kind: string): string {
  if (kind === 'session') return 'Log out of claude.ai in that browser.';
  if (kind === 'gateway_token') return 'Revoke the token: plimsoll gateway token revoke ID.';
  if (kind === 'oauth_token' || kind === 'refresh_token') return 'Log out of the program that the token was given to.';
  return 'Disable the key in the Console: https://platform.claude.com/settings/keys';
}

/** What many hope, and should not. */
export const DELETING_IS_NOT_ENOUGH = 'Deleting the text takes nothing back: who has seen a secret can use it.';
