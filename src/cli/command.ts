import type { ParseArgsOptionsConfig } from 'node:util';
import { ConfigurationError, sentenceOf, type Problem } from '../errors.ts';
import { redacted } from '../keys/secrets.ts';
import { ARGUMENTS_INVALID, parseArguments, type Given, type Taken } from './arguments.ts';

/** The terminal that a command draws on. */
export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): void;
  /** Calls back when the size has changed, until the returned function is called. */
  onResize(listener: () => void): () => void;
  /** Calls back for each key at once, until the returned function is called. Ctrl-C is a key then: `\u0003`. */
  onKey(listener: (key: string) => void): () => void;
}

/** The command's access to the outside, passed in so that tests need no process. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  /** Writes one line of the result. */
  out(line: string): void;
  /** Writes one line of an error or a warning. */
  err(line: string): void;
  /** Writes a secret that was made just now: the one line in which `out` would leave it out. */
  reveal(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Width of the terminal. */
  readonly columns: number;
  readonly color: boolean;
  /** Absent where the output is no terminal. What is drawn on it is not guarded: `terminal.ts` does that. */
  readonly terminal?: Terminal;
  /** Aborted when the user wants the command to end. */
  readonly signal: AbortSignal;
  /** Calls the listener when the user wants the command to read its configuration again. */
  onReload(listener: () => void): void;
}

/**
 * The same access, by which nothing can be written that must not be shown: names of files, texts of others and arguments
 * may have secrets in them, or what a terminal obeys.
 */
export function guarded(io: CommandIo): CommandIo {
  const shown = (text: string): string => redacted(text).split('\n').map(printable).join('\n');
  return Object.create(io, {
    out: { value: (line: string) => io.out(shown(line)) },
    err: { value: (line: string) => io.err(shown(line)) },
  }) as CommandIo;
}

const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/**
 * Writes what is not printed but obeyed by a terminal, line ends and marks of direction among it, as JSON escapes it:
 * `\u001b`. So JSON stays JSON.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** One subcommand of `plimsoll`. */
export interface Command {
  /** Everything that it takes: of a command with subcommands, without and with each of them. */
  readonly takes: readonly Taken[];
  /** Resolves to the exit code: 0 done, 1 failed, 2 wrong arguments. Reports errors on `err`. */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}

/** The definition of a command in its file. */
interface CommandDefinition<Options extends ParseArgsOptionsConfig> extends Taken<Options> {
  /** The lines that `--help` prints. */
  readonly usage: readonly string[];
  /** Resolves to the exit code. If it throws a `ConfigurationError`, the error is printed, and the exit code is 1. */
  run(given: Given<Options>, io: CommandIo): Promise<number>;
}

/**
 * Makes a command: parses its arguments, prints its usage for `--help`, and prints every problem. The usage is not
 * printed with them: what is wrong would be lost above it.
 */
export function defineCommand<const Options extends ParseArgsOptionsConfig>(
  definition: CommandDefinition<Options>,
): Command {
  const { usage } = definition;
  return {
    takes: [definition],
    async run(args, io) {
      try {
        const given = parseArguments(args, definition);
        return given === 'help' ? print(usage, io) : await definition.run(given, io);
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        printProblems(error.problems, io);
        return error.code === ARGUMENTS_INVALID ? 2 : 1;
      }
    },
  };
}

const COLUMNS = 80;

/** Prints each problem as a sentence, with its further lines indented. */
export function printProblems(problems: readonly Problem[], io: CommandIo): void {
  for (const problem of problems) {
    const [first = '', ...rest] = wrapped(sentenceOf(problem), COLUMNS - 2);
    [first, ...rest.map((line) => `  ${line}`)].forEach((line) => io.err(line));
  }
}

/** Prints the problems of arguments, and returns the exit code, 2. */
export function refuseArguments(problems: readonly Problem[], io: CommandIo): number {
  printProblems(problems, io);
  return 2;
}

/** Prints the result, and returns the exit code, 0. */
export function print(lines: readonly string[], io: CommandIo): number {
  lines.forEach((line) => io.out(line));
  return 0;
}

/** Prints why the command failed, and returns the exit code, 1. */
export function fail(lines: readonly string[], io: CommandIo): number {
  lines.forEach((line) => io.err(line));
  return 1;
}

/** Resolves when the user wants the command to end. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Breaks a text between words into lines of at most `width` characters; a longer word stays whole. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
