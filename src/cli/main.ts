#!/usr/bin/env node
import { realpathSync } from 'node:fs';
import { inspect } from 'node:util';
import { didYouMean, hasWords, unfit, unreadable, type Problem } from '../errors.ts';
import { VERSION, nodeProblem } from '../version.ts';
import { guarded, printProblems, refuseArguments, type Command, type CommandIo, type Terminal } from './command.ts';

interface Listed {
  /** One line, for the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** A command's code is loaded only if it is run: `plimsoll prices` needs no simulator, and `--help` nothing. */
const COMMANDS: Readonly<Record<string, Listed>> = {
  simulate: {
    summary: 'runs a fake Claude API on this machine, without a key',
    load: () => import('./simulate.ts'),
  },
  prices: {
    summary: 'lists the prices in force, and explains what a response cost',
    load: () => import('./prices.ts'),
  },
  budgets: {
    summary: 'shows budgets: what is spent, reserved and forecast',
    load: () => import('./budgets.ts'),
  },
  check: {
    summary: 'checks that this machine can call the Claude API; else says why',
    load: () => import('./check.ts'),
  },
  scan: {
    summary: 'finds Anthropic secrets in files, staged changes and git history',
    load: () => import('./scan.ts'),
  },
  advise: {
    summary: "advises on a running service's budgets, limits and routes",
    load: () => import('./advise.ts'),
  },
  console: {
    summary: 'serves a live page over the metrics of any number of replicas',
    load: () => import('./console.ts'),
  },
  top: {
    summary: 'shows the same in this terminal',
    load: () => import('./top.ts'),
  },
  keys: {
    summary: 'checks key aliases, and shows how each key was used',
    load: () => import('./keys.ts'),
  },
  organization: {
    summary: "compares Anthropic's bill with what plimsoll saw, by cause",
    load: () => import('./organization.ts'),
  },
  dashboards: {
    summary: 'exports dashboards and alert rules with your own thresholds',
    load: () => import('./dashboards.ts'),
  },
  gateway: {
    summary: 'runs a proxy that holds the API key, with tokens for its clients',
    load: () => import('./gateway.ts'),
  },
  completion: {
    summary: 'prints a script that completes all of this in bash, zsh or fish',
    load: async () => ({ command: (await import('./completion.ts')).completionOf(COMMANDS) }),
  },
};

/**
 * Runs the command that the arguments name, and resolves to the exit code. Prints no key, no password, and nothing that a
 * terminal obeys, whatever the command writes or throws.
 */
export async function main(args: readonly string[], given: CommandIo): Promise<number> {
  const io = guarded(given);
  try {
    return await run(args, io);
  } catch (error) {
    if (hasWords(error)) printProblems([refused(error)], io);
    else io.err(inspect(error));
    return 1;
  }
}

/** What the machine refused to a command that does not expect it: a path or an address, and why. */
function refused(error: unknown): Problem {
  const { path, address } = error as { readonly path?: unknown; readonly address?: unknown };
  const place = [path, address].find((each) => typeof each === 'string') ?? 'plimsoll';
  return { field: String(place), ...unreadable(error, 'to use it') };
}

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const [name = '--help', ...rest] = args;
  const tooOld = nodeProblem();
  if (tooOld !== null) return refuseArguments([tooOld], io);
  if (name === '--version' || name === '-v' || name === 'version') {
    io.out(VERSION);
    return 0;
  }
  if (name === 'help' && rest.length > 0) return run([...rest, '--help'], io);
  if (name === '--help' || name === '-h' || name === 'help') {
    for (const line of usage()) io.out(line);
    return 0;
  }
  const listed = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (listed === undefined) return refuseArguments([unknownCommand(name)], io);
  return (await listed.load()).command.run(rest, io);
}

function unknownCommand(name: string): Problem {
  const advice = didYouMean(name, [...Object.keys(COMMANDS), 'help', 'version']) ?? 'plimsoll --help lists them';
  return unfit('plimsoll', name, { expected: 'a command', advice });
}

function usage(): readonly string[] {
  return [
    'plimsoll COMMAND [options]',
    '',
    ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(14)}${summary}`),
    '',
    'plimsoll COMMAND --help explains a command.',
  ];
}

function processIo(): CommandIo {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  // The reader has closed the pipe, as `head` does: there is nothing to report, and a running command ends.
  process.stdout.on('error', (error: Error) => unlessPipeClosed(error, () => ending.abort()));
  process.stderr.on('error', (error: Error) => unlessPipeClosed(error, () => undefined));
  return {
    get stdin() {
      return process.stdin;
    },
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    reveal: (line) => process.stdout.write(`${line}\n`),
    env: process.env,
    now: () => Date.now(),
    columns: process.stdout.isTTY ? process.stdout.columns : 80,
    color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
    ...(process.stdout.isTTY && { terminal: processTerminal() }),
    signal: ending.signal,
    // Other commands end with their terminal, as usual.
    onReload: (listener) => void process.on('SIGHUP', listener),
  };
}

function processTerminal(): Terminal {
  const { stdin, stdout } = process;
  return {
    get columns() {
      return stdout.columns;
    },
    get rows() {
      return stdout.rows;
    },
    write: (text) => void stdout.write(text),
    onResize(listener) {
      stdout.on('resize', listener);
      return () => stdout.off('resize', listener);
    },
    onKey(listener) {
      if (!stdin.isTTY) return () => undefined;
      const hear = (keys: Buffer): void => [...keys.toString('utf8')].forEach(listener);
      stdin.setRawMode(true).on('data', hear);
      return () => stdin.off('data', hear).setRawMode(false).pause();
    },
  };
}

function unlessPipeClosed(error: Error, closed: () => void): void {
  if (!('code' in error && error.code === 'EPIPE')) throw error;
  closed();
}

/** In an installed package, the command is a link to this file. */
const started = process.argv[1] === undefined ? null : realpathSync(process.argv[1]);

if (started === import.meta.filename) {
  const io = processIo();
  process.exitCode = await main(process.argv.slice(2), io);
  // A user who ends a command waits for no timer of a library; what was written before is out by then.
  // A worker that could not start would live on by its channel.
  if (io.signal.aborted || process.connected) process.stdout.write('', () => process.exit());
}
