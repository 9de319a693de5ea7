/**
 * Something the user set cannot be used. Thrown where it was set, with every problem at once; each says what was
 * expected, what came and what to do, and never shows a secret.
 */
export class ConfigurationError extends Error {
  /** Stable: what kind of setting is wrong. */
  readonly code: string;
  readonly problems: readonly string[];

  constructor(code: string, problems: readonly string[]) {
    super(
      problems.length === 1
        ? problems[0]
        : `${problems.length} problems:\n${problems.map((problem) => `- ${problem}`).join('\n')}`,
    );
    this.name = 'ConfigurationError';
    this.code = code;
    this.problems = problems;
  }
}
