import type { CommandIo } from '../src/cli/command.ts';

/** The surroundings of a command that a test runs in its own process: a terminal of 80 columns without color. */
interface Surroundings {
  /** Default: the epoch. */
  readonly now?: () => number;
  /** A text, or the pieces in which it comes. Default: nothing. */
  readonly stdin?: string | readonly (Uint8Array | string)[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The lines that a command has written, as they come. */
interface KeptIo {
  readonly io: CommandIo;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

export function keptIo({ now = () => 0, stdin = '', env = {} }: Surroundings = {}): KeptIo {
  const out: string[] = [];
  const err: string[] = [];
  const io: CommandIo = {
    stdin: (async function* () {
      yield* typeof stdin === 'string' ? [Buffer.from(stdin)] : stdin;
    })(),
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    reveal: (line) => out.push(line),
    env,
    now,
    columns: 80,
    color: false,
    onReload: () => undefined,
    signal: new AbortController().signal,
  };
  return { io, out, err };
}
