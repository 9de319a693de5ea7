/** Writes the table of exit codes in `docs/check.md`. */
import type { Cause } from '../src/check/report.ts';
import { EXIT_CODES } from '../src/cli/check.ts';

const MEANINGS: Readonly<Record<Cause, string>> = {
  no_key: 'there is none',
  wrong_key:
    "an admin key, refresh token, session, placeholder, truncated key, or a gateway's token without its gateway",
  configuration: 'other settings are wrong',
  dns: 'the name has no address',
  unreachable: 'no route to the address',
  connection_refused: 'nothing listens there',
  connection_broken: 'the connection was cut',
  timeout: 'no answer in time',
  certificate: 'it cannot be verified',
  no_tls: 'the server does not speak TLS',
  proxy: 'a proxy failed, or something other than the API answered',
  unauthorized: '401',
  forbidden: '403',
  model_unknown: 'no such model for this key',
  model_retired: 'no longer served',
  billing: 'no credit, or no payment',
  spend_limit: 'says which, and when it lifts',
  rate_limited: '429: try again later',
  overloaded: '529: try again later',
  server_error: 'try again later',
  unexpected: 'anything else',
};

/** A row for each exit code, with the causes that have it. */
export function exitCodes(): string {
  const byCode = new Map<number, string[]>();
  for (const [cause, code] of Object.entries(EXIT_CODES)) {
    const meaning = MEANINGS[cause as Cause];
    byCode.set(code, [...(byCode.get(code) ?? []), `\`${cause}\` (${meaning})`]);
  }
  const rows = [...byCode, [0, ['none: this machine can make calls']], [2, ['none: the arguments are wrong']]] as const;
  const sorted = rows.toSorted(([one], [other]) => one - other);
  const lines = sorted.map(([code, causes]) => `| ${code} | ${causes.join(', ')} |`);
  return ['| exit code | `diagnosis.cause` in `--json` |', '| --- | --- |', ...lines].join('\n');
}
