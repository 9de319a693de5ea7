import type { Notice, Problem } from '../errors.ts';
import { judgedKey, redacted } from '../keys/secrets.ts';

/** The variables of the credential. The first that is set is used, as the SDK does. */
export const CREDENTIALS = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'] as const;

/**
 * The credential of the environment. A function returns its text, so that printing a configuration does not show it.
 */
export interface Credential {
  readonly variable: (typeof CREDENTIALS)[number];
  readonly token: () => string;
}

const MAKE_ONE =
  'create one at https://platform.claude.com/settings/keys, put ANTHROPIC_AUTH_TOKEN=... or ANTHROPIC_API_KEY=... in ' +
  '.env (.env.example shows it), and start with node --env-file=.env';

/** Reads the credential; `null` if there is none to use, with the problem in `findings`. */
export function credential(env: Env, findings: Findings): Credential | null {
  const [named, other] = CREDENTIALS.map((variable) => ({ variable, value: textOf(env, variable) })).filter(
    ({ value }) => value !== '',
  );
  if (named === undefined) {
    findings.problem({
      kind: 'no_key',
      field: 'ANTHROPIC_AUTH_TOKEN',
      expected: 'the API key',
      got: env['ANTHROPIC_AUTH_TOKEN'] === undefined ? 'not set' : 'empty',
      advice: MAKE_ONE,
    });
    return null;
  }
  const { variable, value } = named;
  if (other !== undefined && other.value !== value)
    findings.notice(variable, `it is used instead of ${other.variable}, which has another value: unset one`);
  const { kind, problem } = judgedKey(value);
  if (problem !== null) {
    findings.problem({ field: variable, ...problem });
    return null;
  }
  if (kind === 'gateway_token' && callsTheApi(env)) {
    findings.problem({
      kind: 'gateway_token',
      field: variable,
      expected: 'a Claude API key',
      got: 'a plimsoll gateway token, which the API does not know',
      advice: 'set ANTHROPIC_BASE_URL to the address of the gateway',
    });
    return null;
  }
  if (kind === 'unrecognized' && callsTheApi(env))
    findings.notice(variable, 'API keys begin with sk-ant-, and this one does not: the API will refuse it with 401');
  return { variable, token: () => value };
}

/** Tells whether calls go to the API itself: a gateway, a proxy or the simulator may have other credentials. */
function callsTheApi(env: Env): boolean {
  const baseUrl = textOf(env, 'ANTHROPIC_BASE_URL');
  return baseUrl === '' || /(?:^|\.)(?:anthropic|claude)\.com$/.test(URL.parse(baseUrl)?.hostname ?? '');
}

/** Variables by name, such as `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Returns the text of a variable without surrounding blanks; empty if it is not set. */
export function textOf(env: Env, variable: string): string {
  return env[variable]?.trim() ?? '';
}

const LONGEST_SHOWN = 60;

/** Collects the problems and notices of an environment, without anything that looks like a secret. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly notices: Notice[] = [];

  problem(...problems: readonly Problem[]): void {
    this.problems.push(...problems.map((problem) => ({ ...problem, got: redacted(problem.got) })));
  }

  notice(field: string, text: string): void {
    this.notices.push({ field, text: redacted(text) });
  }
}

/** Shows a value: quoted, cut, and without secrets. */
export function quoted(value: string): string {
  const shown = redacted(value);
  return JSON.stringify(shown.length > LONGEST_SHOWN ? `${shown.slice(0, LONGEST_SHOWN)}…` : shown);
}
