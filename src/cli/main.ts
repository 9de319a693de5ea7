#!/usr/bin/env node
import { realpathSync } from 'node:fs';
import { VERSION, nodeProblem } from '../version.ts';
import type { Command, CommandIo } from './command.ts';

/** Each command's code is loaded when it is asked for: `plimsoll prices` needs no simulator. */
const COMMANDS: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  simulate: () => import('./simulate.ts'),
  prices: () => import('./prices.ts'),
  budgets: () => import('./budgets.ts'),
  check: () => import('./check.ts'),
  scan: () => import('./scan.ts'),
  advise: () => import('./advise.ts'),
  keys: () => import('./keys.ts'),
  dashboards: () => import('./dashboards.ts'),
  gateway: () => import('./gateway.ts'),
};

/** Runs the command that the arguments name; comes back with the exit code. */
export async function main(args: readonly string[], io: CommandIo): Promise<number> {
  const [name = '--help', ...rest] = args;
  const tooOld = nodeProblem();
  if (tooOld !== null) {
    io.err(tooOld);
    return 2;
  }
  if (name === '--version' || name === '-v') {
    io.out(VERSION);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    for (const line of await usage()) io.out(line);
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    io.err(`Expected a command, got ${name}.`);
    for (const line of await usage()) io.err(line);
    return 2;
  }
  return (await load()).command.run(rest, io);
}

async function usage(): Promise<readonly string[]> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  return [
    'plimsoll COMMAND [options]',
    '',
    ...commands.map(({ command }) => `  ${command.name.padEnd(12)}${command.summary}`),
    '',
    'plimsoll COMMAND --help says what a command does and how.',
  ];
}

function processIo(): CommandIo {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  // Whoever read has read enough, as `head` does: nothing to tell, and a command that would go on comes to its end.
  process.stdout.on('error', (error: Error) => unlessPipeClosed(error, () => ending.abort()));
  process.stderr.on('error', (error: Error) => unlessPipeClosed(error, () => undefined));
  return {
    get stdin() {
      return process.stdin;
    },
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    env: process.env,
    now: () => Date.now(),
    columns: process.stdout.isTTY ? process.stdout.columns : 80,
    color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
    signal: ending.signal,
  };
}

function unlessPipeClosed(error: Error, closed: () => void): void {
  if (!('code' in error && error.code === 'EPIPE')) throw error;
  closed();
}

/** Installed, the command is a link to this file. */
const started = process.argv[1] === undefined ? null : realpathSync(process.argv[1]);

if (started === import.meta.filename) process.exitCode = await main(process.argv.slice(2), processIo());
