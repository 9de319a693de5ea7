import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { codeOf, ConfigurationError, got, gotName, nearest, unfit, type Problem } from '../errors.ts';

/** The options by name, and the positional arguments. */
export type Given<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true }>
>;

/** The arguments that a command takes. */
export interface Taken<Options extends ParseArgsOptionsConfig> {
  /** Options in the form of `parseArgs`, without `--help`. */
  readonly options: Options;
  /** Allows positional arguments. Default: `false`. */
  readonly takesArguments?: boolean;
}

/** Parses the arguments of a command. Throws `wrongArguments` with every problem. */
export function parseArguments<Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  { options, takesArguments: allowPositionals = false }: Taken<Options>,
): Given<Options> | 'help' {
  const withHelp = { ...options, help: { type: 'boolean', short: 'h' } } as const;
  try {
    const given = parseArgs({ args: [...args], options: withHelp, allowPositionals });
    return (given.values as { readonly help?: boolean }).help === true ? 'help' : given;
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
  const near = nearest(name.slice(0, 64), names);
  return {
    kind: 'unknown_field',
    field: gotName(rawName),
    expected: `one of ${names.map((known) => `--${known}`).join(', ')}`,
    got: 'an unknown option',
    advice: near === null ? null : `did you mean --${near}?`,
  };
}
