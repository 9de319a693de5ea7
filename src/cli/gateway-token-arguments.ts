import { parseArgs } from 'node:util';
import { tokenParts } from '../gateway/access/token.ts';
import { argumentProblem } from './replies.ts';

/** What `plimsoll gateway token --help` teaches. */
export const USAGE = [
  'plimsoll gateway token create CLIENT [options]   a token, shown once',
  '  --expires TIME      how long it holds: 90d, 12h, 30m; else until it is revoked',
  '  --note TEXT         what it is for; stands in lists',
  'plimsoll gateway token list [options]            who has tokens; do they hold?',
  '                      (times are UTC)',
  '  --minted            also those that clients minted for their users',
  '  --json              for programs: one object',
  'plimsoll gateway token revoke ID [options]       at once, with what it minted',
  '',
  '  --config FILE       the configuration of the gateway; without it, where',
  '                      PLIMSOLL_TOKENS says, and the one client is default',
  '',
  'The gateway may run meanwhile. `create` writes the token alone to stdout:',
  '  TOKEN=$(plimsoll gateway token create checkout --config gateway.yaml)',
];

const OPTIONS = {
  config: { type: 'string' },
  expires: { type: 'string' },
  note: { type: 'string', default: '' },
  minted: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** The word after `token`. */
export type TokenAction = 'create' | 'list' | 'revoke';

/** The arguments of `plimsoll gateway token`. */
export interface TokenArguments {
  readonly action: TokenAction;
  /** The client, or the id; empty for a list. */
  readonly what: string;
  readonly config: string | undefined;
  /** `null`: without an end. */
  readonly lifetimeMs: number | null;
  readonly note: string;
  readonly minted: boolean;
  readonly json: boolean;
}

/** What is asked for, or the first thing that is wrong with it. */
export function tokenArguments(args: readonly string[]): TokenArguments | 'help' | { readonly problem: string } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help) return 'help';
    const [action = '', what = '', ...others] = positionals;
    if (!isAction(action)) return { problem: `Expected create, list or revoke, got ${action || 'nothing'}.` };
    const lifetimeMs = values.expires === undefined ? null : durationMs(values.expires);
    const problem =
      subjectProblem(action, [what, ...others]) ?? optionProblem(values.note, { lifetimeMs, expires: values.expires });
    if (problem !== null) return { problem };
    const { config, note, minted, json } = values;
    return { action, what: action === 'revoke' ? idIn(what) : what, config, lifetimeMs, note, minted, json };
  } catch (error) {
    return { problem: argumentProblem(error) };
  }
}

const EXPECTED: Readonly<Record<TokenAction, string>> = {
  create: 'the name of one client',
  list: 'nothing after list',
  revoke: 'the id of one token',
};

function isAction(text: string): text is TokenAction {
  return Object.hasOwn(EXPECTED, text);
}

function subjectProblem(action: TokenAction, [what = '', ...others]: readonly string[]): string | null {
  const isOne = others.length === 0 && (what === '') === (action === 'list');
  if (!isOne) return `Expected ${EXPECTED[action]}, got ${what === '' ? 'nothing' : 'something else'}.`;
  const isId = action !== 'revoke' || /^[0-9a-z]{1,20}$/.test(idIn(what));
  return isId ? null : `Expected ${EXPECTED.revoke}, got something else.`;
}

/** Whoever has but the token itself may revoke it by that. */
function idIn(text: string): string {
  return tokenParts(text)?.id ?? text;
}

function optionProblem(
  note: string,
  { lifetimeMs, expires }: { readonly lifetimeMs: number | null; readonly expires: string | undefined },
): string | null {
  if (Number.isNaN(lifetimeMs)) return `--expires: expected a time such as 90d, 12h or 30m, got ${expires}.`;
  return /^[^\p{C}]{0,200}$/u.test(note) ? null : '--note: expected up to 200 characters in one line.';
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `NaN` for what is no time. */
function durationMs(text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  return Number(count || Number.NaN) * (UNITS_MS[unit] ?? Number.NaN);
}
