/** What a command may touch of the world, passed in so that tests need no process. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  /** Writes one line of what was asked for. */
  out(line: string): void;
  /** Writes one line of what went wrong or is worth a warning. */
  err(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Width of the terminal. */
  readonly columns: number;
  readonly color: boolean;
  /** Aborted when the user wants the command to end. */
  readonly signal: AbortSignal;
}

/** One word after `plimsoll`. */
export interface Command {
  /** Comes back with the exit code: 0 done, 1 what was asked for failed, 2 wrong arguments. Reports errors on `err`. */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}

/** What was asked for; comes back with the exit code, 0. */
export function shown(lines: readonly string[], io: CommandIo): number {
  lines.forEach((line) => io.out(line));
  return 0;
}

/** Why what was asked for cannot be had; comes back with the exit code, 1. */
export function failed(lines: readonly string[], io: CommandIo): number {
  lines.forEach((line) => io.err(line));
  return 1;
}

/** What is wrong with the arguments, and how they are used; comes back with the exit code, 2. */
export function refused(problems: readonly string[], usage: readonly string[], io: CommandIo): number {
  [...problems, '', ...usage].forEach((line) => io.err(line));
  return 2;
}

/** What `parseArgs` throws, in a sentence: Node's goes on to explain how positional arguments may begin with a dash. */
export function argumentProblem(error: unknown): string {
  return error instanceof Error ? `${error.message.split('. ')[0]}.` : String(error);
}

/**
 * Why a page or file could not be read: `ECONNREFUSED`, `ENOENT`, or what the error says of itself. A port that is kept for
 * another protocol, which `fetch` refuses and calls only bad, is named as such.
 */
export function unreadableReason(error: unknown): string {
  const cause: unknown = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'no reason given';
  if (cause.message === 'bad port') return 'a port that fetch never asks';
  if (cause.name === 'TimeoutError') return 'no answer in time';
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
}

/** A text broken between words into lines of so many characters; a word that is longer stays whole. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
