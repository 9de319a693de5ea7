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
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Comes back with the exit code: 0 done, 1 what was asked for failed, 2 wrong arguments. Reports errors on `err`. */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}
