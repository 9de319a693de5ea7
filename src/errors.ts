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

/**
 * The error itself, or the first among its causes, that carries the brand: helpers of the SDK wrap what they catch.
 * `null` where none does. Causes that go round in a circle end the search.
 */
export function brandedCause(error: unknown, brand: symbol): object | null {
  const seen = new Set<unknown>();
  for (let cause = error; typeof cause === 'object' && cause !== null && !seen.has(cause);) {
    if ((cause as Readonly<Record<symbol, unknown>>)[brand] === true) return cause;
    seen.add(cause);
    cause = (cause as { cause?: unknown }).cause;
  }
  return null;
}

/** Neither long nor the beginning of a key, of whatever vendor: the file may be one of secrets, given by mistake. */
function isShowable(text: string): boolean {
  return text.length <= 32 && !text.includes('sk-') && !mayHoldSecret(text);
}

/** What came instead of what was expected, short enough for a message, and never a key. */
export function got(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'string' && !isShowable(value)) return `a text of ${value.length} characters`;
  if (typeof value === 'string') return JSON.stringify(value);
  return value === null || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : `a ${typeof value}`;
}

/** The name of a field that nobody knows, as `got` shows what came. */
export function gotName(name: string): string {
  return isShowable(name) ? name : `(a name of ${name.length} characters)`;
}

/** What every secret begins with: those of the API, and the tokens of a plimsoll gateway. */
const MARK = /sk-ant-|plk_/i;

/** Whether a text may have a secret in it, whole or in part: then it is shown nowhere. */
export function mayHoldSecret(text: string): boolean {
  return MARK.test(text);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file: check the path',
  ENOTDIR: 'no such file: check the path',
  EISDIR: 'a folder: name a file in it',
  EACCES: 'no permission: check who may read it',
  EPERM: 'no permission: check who may read it',
};

/**
 * What came instead of a file, and what to do, as the end of a sentence that begins with what was expected. Of an error its
 * code alone is shown.
 */
export function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'no reason given';
  return REASONS[code] ?? `${code}: check the path and who may read it`;
}
