import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { environment } from '../keys/alias.ts';
import type { Command, CommandIo } from './command.ts';
import { samplesIn, type Sample } from './exposition-samples.ts';
import { countedSinceMs, keyAccounts, type KeyQuestion } from './key-account.ts';
import { keyLines } from './key-lines.ts';
import { unreadableReason } from './unreadable-reason.ts';
import { argumentProblem, refused, shown } from './replies.ts';

const USAGE = [
  'plimsoll keys [options]           are the keys named well, and are they used?',
  '  --alias NAME        a key by its alias; may be given more than once, and with',
  '                      several between commas (PLIMSOLL_KEY)',
  "  --metrics PAGE      URL or file of a service's metrics, or -: what each key",
  '                      was used for since that process began',
  '  --json              for programs: one object',
  '',
  'Judges an alias by env-service-role (prod-checkout-api) and by ANTHROPIC_ENV.',
  'A key whose series have no call in them was not used in that time: revoke it,',
  'or see why. It knows what one page knows: another process counts for itself.',
  'Exit code: 0 all is well, 1 a key is badly named or of another environment, or',
  'the page could not be read, 2 wrong arguments.',
];

const OPTIONS = {
  alias: { type: 'string', multiple: true },
  metrics: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const LONGEST_WAIT_MS = 10_000;

/** `plimsoll keys`. */
export const command: Command = {
  name: 'keys',
  summary: 'are the keys named well, and which were used, when, and for how much?',
  async run(args, io) {
    const asked = parsed(args);
    if (typeof asked === 'string') return refused([asked], USAGE, io);
    if (asked.help) return shown(USAGE, io);
    const anthropicEnv = io.env['ANTHROPIC_ENV']?.trim() || null;
    if (anthropicEnv !== null && environment(anthropicEnv) === null) {
      return refused(['ANTHROPIC_ENV: expected dev, test, ci, staging, demo or prod, got another.'], USAGE, io);
    }
    const aliases = aliasesOf([...(asked.alias ?? []), io.env['PLIMSOLL_KEY'] ?? '']);
    if (aliases.length === 0 && asked.metrics === undefined) {
      return refused(['Expected a key to judge, got none: give --alias, --metrics, or set PLIMSOLL_KEY.'], USAGE, io);
    }
    const samples = asked.metrics === undefined ? null : await page(asked.metrics, io);
    if (samples === 'unreadable') return 1;
    return accounted({ aliases, anthropicEnv, samples }, asked.json, io);
  },
};

function aliasesOf(lists: readonly string[]): readonly string[] {
  const aliases = lists.flatMap((list) => list.split(','));
  return aliases.map((alias) => alias.trim()).filter((alias) => alias !== '');
}

function accounted(question: KeyQuestion, json: boolean, io: CommandIo): number {
  const keys = keyAccounts(question);
  const sinceMs = question.samples === null ? null : countedSinceMs(question.samples);
  shown(json ? [JSON.stringify({ sinceMs, keys }, null, 2)] : keyLines(keys, sinceMs), io);
  return keys.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

async function page(place: string, io: CommandIo): Promise<readonly Sample[] | 'unreadable'> {
  try {
    const samples = samplesIn(await textAt(place, io));
    if (samples !== null) return samples;
    io.err('--metrics: expected a page in the text format of Prometheus, got something else.');
  } catch (error) {
    io.err(`--metrics: expected a page that can be read, got ${unreadableReason(error)}.`);
  }
  return 'unreadable';
}

async function textAt(place: string, io: CommandIo): Promise<string> {
  if (place === '-') {
    const pieces: Buffer[] = [];
    for await (const piece of io.stdin) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces).toString('utf8');
  }
  if (!/^https?:\/\//.test(place)) return readFile(place, 'utf8');
  const response = await fetch(place, {
    headers: { accept: 'text/plain' },
    signal: AbortSignal.timeout(LONGEST_WAIT_MS),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.text();
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    return argumentProblem(error);
  }
}
