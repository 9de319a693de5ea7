import { unfit } from '../errors.ts';
import { wrongArguments, type Taken } from './arguments.ts';
import { defineCommand, print, type Command } from './command.ts';

const USAGE = [
  'plimsoll completion bash|zsh|fish     prints a script that completes commands,',
  '                                      options and their values in that shell',
  '',
  '  bash   plimsoll completion bash >> ~/.bashrc',
  '  zsh    plimsoll completion zsh > "${fpath[1]}/_plimsoll"',
  '  fish   plimsoll completion fish > ~/.config/fish/completions/plimsoll.fish',
];

/** The commands by name, with a line about each. */
type Listed = Readonly<
  Record<string, { readonly summary: string; readonly load: () => Promise<{ readonly command: Command }> }>
>;

/** What may follow some words. */
interface Place {
  /** The words after `plimsoll`. */
  readonly name: string;
  /** The words that may come next. */
  readonly words: readonly string[];
  readonly options: readonly Option[];
}

interface Option {
  /** Without its dashes. */
  readonly name: string;
  readonly takesValue: boolean;
  /** The only values; empty where any will do, and files are offered. */
  readonly choices: readonly string[];
}

const SHELLS: Readonly<Record<string, (places: readonly Place[], listed: Listed) => readonly string[]>> = {
  bash: bashLines,
  zsh: zshLines,
  fish: fishLines,
};

/** `plimsoll completion`: made from the options that the commands define, so that it offers what they take. */
export function completionOf(listed: Listed): Command {
  const command: Command = defineCommand({
    name: 'completion',
    usage: USAGE,
    options: {},
    actions: Object.keys(SHELLS),
    async run({ positionals: [shell, ...rest] }, io) {
      const lines = SHELLS[shell ?? ''];
      if (lines === undefined || rest.length > 0)
        throw wrongArguments(unfit('completion', rest[0], { expected: 'one shell: bash, zsh or fish' }));
      const others = Object.entries(listed).filter(([name]) => name !== 'completion');
      const loaded = await Promise.all(others.map(async ([, { load }]) => (await load()).command.takes));
      return print(lines([...loaded.flat(), ...command.takes].map(placeOf), listed), io);
    },
  });
  return command;
}

function placeOf({ name, options, choices = {}, actions = [] }: Taken): Place {
  const own = Object.entries(options).map(([option, { type }]) => ({
    name: option,
    takesValue: type === 'string',
    choices: choices[option] ?? [],
  }));
  return { name, words: actions, options: [...own, { name: 'help', takesValue: false, choices: [] }] };
}

/** The places below a command that have a name of their own, as `gateway token`. */
function subcommandsOf(command: string, places: readonly Place[]): readonly string[] {
  return places.flatMap(({ name }) => (name.startsWith(`${command} `) ? [name.slice(command.length + 1)] : []));
}

const listOf = (options: readonly Option[]): string => options.map(({ name }) => `--${name}`).join(' ');

/** The cases of a shell's `case`: for each place what may follow, and for each of its options the values. */
function caseLines(places: readonly Place[]): readonly string[] {
  return places.flatMap((place) => [
    `    '${place.name}')`,
    `      flags='${listOf(place.options)}'`,
    `      next='${[...place.words, ...subcommandsOf(place.name, places)].join(' ')}'`,
    `      case $before in`,
    ...place.options
      .filter(({ takesValue }) => takesValue)
      .map(({ name, choices }) => `        --${name}) values='${choices.join(' ')}'; valued=yes ;;`),
    `      esac ;;`,
  ]);
}

/** The words that choose the place: two if they are the name of a subcommand. */
function placeCase(places: readonly Place[], [first, second]: readonly [string, string]): readonly string[] {
  const nested = places.filter(({ name }) => name.includes(' ')).map(({ name }) => `'${name}'`);
  return [
    `  place=${first}`,
    `  case "${first} ${second}" in ${nested.join(' | ')}) place="${first} ${second}" ;; esac`,
  ];
}

function bashLines(places: readonly Place[], listed: Listed): readonly string[] {
  return [
    '_plimsoll() {',
    '  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} place flags next values valued',
    '  # Bash takes the = of --option=value for a word.',
    '  if [ "$current" = = ]; then current=; elif [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi',
    '  COMPREPLY=()',
    '  if [ "$COMP_CWORD" = 1 ]; then',
    `    COMPREPLY=($(compgen -W '${[...Object.keys(listed), '--help', '--version'].join(' ')}' -- "$current"))`,
    '    return',
    '  fi',
    ...placeCase(places, ['${COMP_WORDS[1]}', '${COMP_WORDS[2]}']),
    '  case $place in',
    ...caseLines(places),
    '    *) return ;;',
    '  esac',
    '  if [ -n "$valued" ]; then COMPREPLY=($(compgen -W "$values" -- "$current"))',
    '  elif [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current"))',
    '  else COMPREPLY=($(compgen -W "$next" -- "$current")); fi',
    '}',
    'complete -o default -F _plimsoll plimsoll',
  ];
}

function zshLines(places: readonly Place[], listed: Listed): readonly string[] {
  return [
    '#compdef plimsoll',
    '_plimsoll() {',
    '  local before=${words[CURRENT-1]} place flags next values valued',
    '  # What stands before the = of --option=value is its name.',
    '  if [[ $PREFIX == --*=* ]]; then before=${PREFIX%%=*}; compset -P "*="; fi',
    '  if (( CURRENT == 2 )); then',
    `    compadd -- ${[...Object.keys(listed), '--help', '--version'].join(' ')}`,
    '    return',
    '  fi',
    ...placeCase(places, ['${words[2]}', '${words[3]}']),
    '  case $place in',
    ...caseLines(places),
    '  esac',
    '  if [[ -n $valued && -n $values ]]; then compadd -- ${=values}',
    '  elif [[ -n $valued ]]; then _files',
    '  elif [[ $PREFIX == -* ]]; then compadd -- ${=flags}',
    '  elif [[ -n $next ]]; then compadd -- ${=next}',
    '  else _files; fi',
    '}',
    'if [ "$funcstack[1]" = _plimsoll ]; then _plimsoll "$@"; else compdef _plimsoll plimsoll; fi',
  ];
}

function fishLines(places: readonly Place[], listed: Listed): readonly string[] {
  const lead = 'complete -c plimsoll';
  const names = Object.entries(listed).map(
    ([name, { summary }]) => `${lead} -f -n __fish_use_subcommand -a ${name} -d ${fishQuoted(summary)}`,
  );
  return [...names, ...places.flatMap((place) => fishPlace(place, places, lead))];
}

function fishPlace(place: Place, places: readonly Place[], lead: string): readonly string[] {
  const words = place.name.split(' ');
  const below = subcommandsOf(place.name, places);
  const when = [
    ...words.map((word) => `__fish_seen_subcommand_from ${word}`),
    ...below.map((word) => `not __fish_seen_subcommand_from ${word}`),
  ].join('; and ');
  const start = `${lead} -n '${when}'`;
  const next = [...place.words, ...below];
  const unsaid = next.length === 0 ? '' : `; and not __fish_seen_subcommand_from ${next.join(' ')}`;
  return [
    ...(next.length === 0 ? [] : [`${lead} -f -n '${when}${unsaid}' -a '${next.join(' ')}'`]),
    ...place.options.map(({ name, takesValue, choices }) => {
      const value = !takesValue ? '' : choices.length === 0 ? ' -r' : ` -x -a '${choices.join(' ')}'`;
      return `${start} -l ${name}${value}`;
    }),
  ];
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
