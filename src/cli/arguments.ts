import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { codeOf, ConfigurationError, didYouMean, got, gotName, unfit, unlisted, type Problem } from '../errors.ts';

/** The options by name, and the positional arguments. */
export type Given<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true }>
>;

/** The arguments that a command takes. */
export interface Taken<Options extends ParseArgsOptionsConfig = ParseArgsOptionsConfig> {
  /** The words after `plimsoll` that name the command. */
  readonly name: string;
  /** Options in the form of `parseArgs`, without `--help`. */
  readonly options: Options;
  /** The only values that options take. The command refuses others, since it knows all of its problems. */
  readonly choices?: Readonly<Partial<Record<keyof Options & string, readonly string[]>>>;
  /** Allows positional arguments. Default: `false`. */
  readonly takesArguments?: boolean;
  /** The only first positional arguments. Default: any. */
  readonly actions?: readonly string[];
}

/** Parses the arguments of a command. Throws `wrongArguments` with every problem. */
export function parseArguments<Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  { name, options, actions, takesArguments: allowPositionals = actions !== undefined }: Taken<Options>,
): Given<Options> | 'help' {
  const withHelp = { ...options, help: { type: 'boolean', short: 'h' } } as const;
  try {
    const given = parseArgs({ args: [...args], options: withHelp, allowPositionals });
    if ((given.values as { readonly help?: boolean }).help === true) return 'help';
    const [action] = given.positionals;
    if (actions === undefined || action === undefined || actions.includes(action)) return given;
    throw wrongArguments(unlisted(name, action, actions));
  } catch (error) {
    const problems = argumentProblems(args, withHelp, allowPositionals);
    if (problems.length === 0 || codeOf(error)?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
    throw wrongArguments(...problems);
  }
}

export const ARGUMENTS_INVALID = 'PLIMSOLL_ARGUMENTS_INVALID';

/** The error for arguments that cannot be used. */
export function wrongArguments(...problems: readonly Problem[]): ConfigurationError {
  return new ConfigurationError(ARGUMENTS_INVALID, problems);
}

/** The positional arguments as one text; `undefined` for none. */
export function wordsOf(positionals: readonly string[]): string | undefined {
  return positionals.length === 0 ? undefined : positionals.join(' ');
}

/** The port that `--port` names. Throws `wrongArguments` if it is none. */
export function portIn(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw wrongArguments(unfit('--port', text, { expected: '0 to 65535' }));
}

/** Finds every problem that `parseArgs` refuses: it throws only the first, and names it only in its message. */
function argumentProblems(
  args: readonly string[],
  options: ParseArgsOptionsConfig,
  takesArguments: boolean,
): readonly Problem[] {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const named = tokens.flatMap((token) => (token.kind === 'option' ? optionProblems(token, options) : []));
  // A word after an unknown option may be its value.
  if (takesArguments || named.length > 0) return named;
  return tokens.flatMap((token): readonly Problem[] => {
    if (token.kind !== 'positional') return [];
    return [{ kind: 'invalid', field: 'arguments', expected: 'only options', got: got(token.value), advice: null }];
  });
}

interface OptionToken {
  readonly name: string;
  /** The name with its dashes. */
  readonly rawName: string;
  readonly value: string | undefined;
  /** The value follows a `=`. */
  readonly inlineValue: boolean | undefined;
}

function optionProblems(token: OptionToken, options: ParseArgsOptionsConfig): readonly Problem[] {
  const { name, rawName, value, inlineValue } = token;
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) return [unknownOption(token, Object.keys(options))];
  const problem = { field: rawName, got: got(value), advice: null };
  if (option.type === 'boolean')
    return value === undefined ? [] : [{ kind: 'invalid', ...problem, expected: 'no value' }];
  if (value === undefined) return [{ kind: 'missing', ...problem, expected: 'a value' }];
  if (inlineValue === true || !/^-./.test(value)) return [];
  return [
    { kind: 'invalid', ...problem, expected: 'a value', advice: `if you mean it as a value, write ${rawName}=VALUE` },
  ];
}

function unknownOption({ name, rawName }: OptionToken, names: readonly string[]): Problem {
  return {
    kind: 'unknown_field',
    field: gotName(rawName),
    expected: `one of ${names.map((known) => `--${known}`).join(', ')}`,
    got: 'an unknown option',
    advice: didYouMean(name, names, '--'),
  };
}
