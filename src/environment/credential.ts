import { judgedKey, redacted } from '../keys/secrets.ts';

/** The credential of the environment. Its text comes out of a function, so that printing a configuration shows none. */
export interface Credential {
  readonly variable: 'ANTHROPIC_AUTH_TOKEN' | 'ANTHROPIC_API_KEY';
  readonly token: () => string;
}

const MISSING =
  'ANTHROPIC_AUTH_TOKEN is undefined: expected the key that calls are made with, got nothing. Make one at ' +
  'https://platform.claude.com/settings/keys, put ANTHROPIC_AUTH_TOKEN=... into .env (.env.example shows it), and start ' +
  'with node --env-file=.env';

/** `null` where none can be used; `findings` then says why. */
export function credential(env: Env, findings: Findings): Credential | null {
  const [named, other] = (['ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_API_KEY'] as const)
    .map((variable) => ({ variable, value: textOf(env, variable) }))
    .filter(({ value }) => value !== '');
  if (named === undefined) {
    findings.problems.push(
      env['ANTHROPIC_AUTH_TOKEN'] === undefined ? MISSING : MISSING.replace('is undefined', 'is empty'),
    );
    return null;
  }
  const { variable, value } = named;
  if (other !== undefined && other.value !== value)
    findings.notice(variable, `it is used, and not ${other.variable}, which is set to another value: unset one`);
  const { kind, problem } = judgedKey(value);
  if (problem !== null) {
    findings.problem(variable, 'a key of the Claude API', problem.replace(/^got /, ''));
    return null;
  }
  if (kind === 'gateway_token' && callsTheApi(env)) {
    findings.problem(variable, 'a key of the Claude API', GATEWAY_TOKEN);
    return null;
  }
  if (kind === 'unrecognized' && callsTheApi(env))
    findings.notice(variable, 'keys of the API begin with sk-ant- and this does not: the API will refuse it with 401');
  return { variable, token: () => value };
}

const GATEWAY_TOKEN =
  'a token of a plimsoll gateway, which the API does not know: set ANTHROPIC_BASE_URL to the address of the gateway';

/** And not a gateway, a proxy or the simulator, which have credentials of their own. */
function callsTheApi(env: Env): boolean {
  const baseUrl = textOf(env, 'ANTHROPIC_BASE_URL');
  return baseUrl === '' || /(?:^|\.)(?:anthropic|claude)\.com$/.test(URL.parse(baseUrl)?.hostname ?? '');
}

/** Variables by name, such as `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

/** A variable without the blanks around it; empty where it is not set. */
export function textOf(env: Env, variable: string): string {
  return env[variable]?.trim() ?? '';
}

const LONGEST_SHOWN = 60;

/** What is wrong with an environment, and what is worth saying of it. */
export class Findings {
  readonly problems: string[] = [];
  readonly notices: string[] = [];

  /** `got` comes with what to do; both are shown without what looks like a secret. */
  problem(variable: string, expected: string, got: string): void {
    this.problems.push(`${variable}: expected ${expected}, got ${redacted(got)}`);
  }

  notice(variable: string, text: string): void {
    this.notices.push(`${variable}: ${redacted(text)}`);
  }
}

/** A value as it may be shown: quoted, cut, and without secrets. */
export function quoted(value: string): string {
  const shown = redacted(value);
  return JSON.stringify(shown.length > LONGEST_SHOWN ? `${shown.slice(0, LONGEST_SHOWN)}…` : shown);
}
