import { redacted } from '../keys/secrets.ts';

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
