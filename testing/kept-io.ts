import type { CommandIo } from '../src/cli/command.ts';

/** The surroundings of a command that a test runs in its own process: a terminal of 80 columns without color. */
interface Surroundings {
  readonly nowMs: number;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The lines that a command has written, as they come. */
interface KeptIo {
  readonly io: CommandIo;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

export function keptIo({ nowMs, stdin = '', env = {} }: Surroundings): KeptIo {
  const out: string[] = [];
  const err: string[] = [];
  const io: CommandIo = {
    stdin: (async function* () {
      if (stdin !== '') yield Buffer.from(stdin);
    })(),
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    reveal: (line) => out.push(line),
    env,
    now: () => nowMs,
    columns: 80,
    color: false,
    signal: new AbortController().signal,
  };
  return { io, out, err };
}
