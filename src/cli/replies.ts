import type { CommandIo } from './command.ts';

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
