/** The kinds of problems, a closed set for diagnosis. */
export const PROBLEM_KINDS = [
  'missing',
  'invalid',
  'unknown_field',
  'conflict',
  'unreadable',
  'no_key',
  'wrong_key',
  'gateway_token',
  'retired_model',
  'not_installed',
  'too_old',
] as const;

/** What is wrong with a setting. */
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

/** An unusable setting, as data. Every text is a short phrase without a secret. */
export interface Problem {
  readonly kind: ProblemKind;
  /** The variable, the option, or the path in a file: `ANTHROPIC_TIMEOUT_MS`, `gateway.yaml: clients.web.models[2]`. */
  readonly field: string;
  /** Completes "expected …". */
  readonly expected: string;
  /** Completes "got …". */
  readonly got: string;
  /** Says what to do, as an imperative; `null` if `expected` says it all. */
  readonly advice: string | null;
}

/** A problem of a value whose field is not known yet. */
export type ValueProblem = Omit<Problem, 'field'>;

/** A setting that works and should be changed. */
export interface Notice {
  /** The variable, the option, or the path in a file. */
  readonly field: string;
  /** Says what should be changed, without a secret. */
  readonly text: string;
}

/**
 * A user's setting cannot be used. Thrown where it was set, with every problem at once. `code` names the kind of
 * settings; `problems` has the problems as data; `message` has them as sentences.
 */
export class ConfigurationError extends Error {
  readonly code: string;
  readonly problems: readonly Problem[];

  constructor(code: string, problems: readonly Problem[]) {
    const sentences = problems.map(sentenceOf);
    super(
      sentences.length === 1
        ? sentences[0]
        : `${sentences.length} problems:\n${sentences.map((sentence) => `- ${sentence}`).join('\n')}`,
    );
    this.name = 'ConfigurationError';
    this.code = code;
    this.problems = problems;
  }
}

/** Says a problem or a notice in one sentence without a period: `FIELD: expected …, got …: do …`. */
export function sentenceOf(finding: Problem | Notice): string {
  if ('text' in finding) return `${finding.field}: ${finding.text}`;
  if (finding.kind !== 'no_key') return `${finding.field}: ${phraseOf(finding)}`;
  const { field, got: state, expected, advice } = finding;
  return `${field} is ${state}: expected ${expected}${advice === null ? '' : `; ${advice}`}`;
}

/** Says the same without the field. */
export function phraseOf({ expected, got, advice }: ValueProblem): string {
  return `expected ${expected}, got ${got}${advice === null ? '' : `: ${advice}`}`;
}

/** Returns the same problems, for fields inside of `place`: a file, or the variable that names it. */
export function inside(place: string, problems: readonly Problem[]): readonly Problem[] {
  return problems.map((problem) => ({
    ...problem,
    field: problem.field === '' ? place : `${place}: ${problem.field}`,
  }));
}

/** The problem of a value that is missing or wrong. */
export function unfit(
  field: string,
  value: unknown,
  { expected, advice = null }: { readonly expected: string; readonly advice?: string | null },
): Problem {
  return { kind: value === undefined ? 'missing' : 'invalid', field, expected, got: got(value), advice };
}

/** The problem of an unknown field: without it, a misspelled field would be ignored silently. `field` is its path. */
export function unknownField(field: string, known: readonly string[], advice: string | null = null): Problem {
  return { kind: 'unknown_field', field, expected: `one of ${known.join(', ')}`, got: 'an unknown field', advice };
}

/** The names of options, all of which the compiler asks for: `Record<keyof Options, true>`. */
type OptionNames = Readonly<Record<string, true>>;

/** The problems of options from plain JavaScript: no object, or names that are none of `known`, which would be ignored silently. */
export function optionProblems(given: unknown, known: OptionNames): readonly Problem[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return [unfit('options', given, { expected: 'an object of options' })];
  const names = Object.keys(known);
  return Object.keys(given)
    .filter((name) => !Object.hasOwn(known, name))
    .map((name) => unknownField(gotName(name), names, didYouMean(name, names) ?? 'correct or remove it'));
}

/** Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) for the problems that there are. */
export function refuseOptions(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_OPTIONS_INVALID', problems);
}

/** The problem of a value that is none of a few names. */
export function unlisted(field: string, value: string, names: readonly string[]): Problem {
  return unfit(field, value, { expected: `one of ${names.join(', ')}`, advice: didYouMean(value, names) });
}

/** Asks for the name that was probably meant, with `lead` before it; `null` if none is near. */
export function didYouMean(name: string, names: readonly string[], lead = ''): string | null {
  const near = nearest(name.slice(0, LONGEST_COMPARED), names);
  return near === null ? null : `did you mean ${lead}${near}?`;
}

/** What is longer is no typo, and would take long to compare. */
const LONGEST_COMPARED = 64;

/** Finds the name with the fewest typos, at most a third of its length; `null` if none is near. */
export function nearest(name: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let fewest = Math.floor(name.length / 3) + 1;
  for (const candidate of names) {
    const count = mistakes(name.toLowerCase(), candidate.toLowerCase());
    if (count < fewest) [best, fewest] = [candidate, count];
  }
  return best;
}

/** Counts the characters to add, drop or change, and neighbors to swap: the distance of Damerau, computed row by row. */
function mistakes(typed: string, meant: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: meant.length + 1 }, (_, index) => index);
  for (let i = 1; i <= typed.length; i++) {
    const next = [i];
    for (let j = 1; j <= meant.length; j++) {
      const changed = (row[j - 1] ?? 0) + (typed[i - 1] === meant[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && typed[i - 1] === meant[j - 2] && typed[i - 2] === meant[j - 1];
      const swapped = isSwapped ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(changed, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[meant.length] ?? 0;
}

/** Shows what came instead of what was expected, short enough for a message, and never a key. */
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

/** Shows the name of an unknown field, as `got` shows a value. */
export function gotName(name: string): string {
  return isShowable(name) ? name : `(a name of ${name.length} characters)`;
}

/**
 * Tells whether a text is short and does not begin like a key of any vendor: the file may contain secrets, passed by
 * mistake.
 */
function isShowable(text: string): boolean {
  return text.length <= 32 && !text.includes('sk-') && !mayHoldSecret(text) && !mayHoldPassword(text);
}

/** Tells whether a text may be a URL, or the end of one, with a password: `redis://:PASSWORD@host`, `user:PASSWORD@host`. */
function mayHoldPassword(text: string): boolean {
  const colon = text.indexOf(':');
  return colon !== -1 && text.lastIndexOf('@') > colon;
}

/** The beginning of every secret: the API's, and those of a plimsoll gateway. */
const MARK = /sk-ant-|plk_/i;

/** Tells whether a text may contain a secret, or part of one: then it is never shown. */
export function mayHoldSecret(text: string): boolean {
  return MARK.test(text);
}

/** Phrases for Node's errors by their code: what came, and what to do. */
const UNREADABLE: Readonly<Record<string, readonly [got: string, advice: string]>> = {
  ENOENT: ['no such file', 'check the path'],
  ENOTDIR: ['no such file', 'check the path'],
  ERR_INVALID_ARG_TYPE: ['no path', 'name a file'],
  EISDIR: ['a folder', 'name a file in it'],
  EACCES: ['no permission', 'check its permissions'],
  EPERM: ['no permission', 'check its permissions'],
  EROFS: ['a read-only file system', 'name another place'],
  EEXIST: ['a file where a folder belongs', 'name another place'],
  ELOOP: ['a link that leads back to itself', 'check the path'],
  ENAMETOOLONG: ['a name that is too long', 'check the path'],
  ENOSPC: ['a full disk', 'make room, or name another place'],
  ECONNREFUSED: ['a refused connection', 'start the service, or correct the address'],
  ECONNRESET: ['a broken connection', 'try again, or correct the address'],
  UND_ERR_SOCKET: ['a broken connection', 'try again, or correct the address'],
  ETIMEDOUT: ['no response in time', 'try again, or correct the address'],
  UND_ERR_CONNECT_TIMEOUT: ['no response in time', 'try again, or correct the address'],
  ENOTFOUND: ['an unknown host', 'correct the address'],
  EAI_AGAIN: ['an unknown host', 'try again, or correct the address'],
  EHOSTUNREACH: ['no way to the host', 'check the network, or correct the address'],
  ENETUNREACH: ['no way to the host', 'check the network, or correct the address'],
};

/** Tells whether an error is one that the machine gives, and that `unreadable` has words for. */
export function hasWords(error: unknown): boolean {
  return Object.hasOwn(UNREADABLE, codeOf(error) ?? '');
}

/** The problem of a file or a page that cannot be read. Shows of the error only its code, in words. */
export function unreadable(error: unknown, expected = 'to read the file'): ValueProblem {
  const code = codeOf(error) ?? 'no reason given';
  const [got, advice] = UNREADABLE[code] ?? [code, 'check the path and its permissions'];
  return { kind: 'unreadable', expected, got, advice };
}

/** The code of an error of Node or plimsoll; `null` if it has none. */
export function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/**
 * Returns the error itself, or its first cause, that has the brand: some of the SDK's helpers wrap errors. `null` if
 * none has it. Stops at circular causes.
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
