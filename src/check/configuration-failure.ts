import { judgedKey, type KeyJudgement } from '../keys/secrets.ts';
import { CheckFailure } from './report.ts';

/** Kinds that are no key even when they are whole. */
const OTHER_THAN_KEY: ReadonlySet<string> = new Set<KeyJudgement['kind']>([
  'admin_key',
  'enterprise_admin_key',
  'refresh_token',
  'session',
  'placeholder',
  'gateway_token',
]);

const MAKE_ONE =
  'Make a key at https://platform.claude.com/settings/keys and put ANTHROPIC_AUTH_TOKEN=... into .env (.env.example shows it); ' +
  'then check again with node --env-file=.env node_modules/.bin/plimsoll check.';

type Env = Readonly<Record<string, string | undefined>>;

const RETIRED = /, retired/;
const OF_KEY = /^ANTHROPIC_(?:AUTH_TOKEN|API_KEY): /;

/** The failure that problems of the environment are; each of them says what to do. */
export function configurationFailure(problems: readonly string[], env: Env): CheckFailure {
  const key = [env['ANTHROPIC_AUTH_TOKEN'], env['ANTHROPIC_API_KEY']].map((value) => value?.trim() ?? '').find(Boolean);
  const seen = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const text = problems.map(asSentence).join('\n');
  const next = 'Correct the environment or the .env file, and check again.';
  if (key === undefined) {
    // What is to be done about it is said beneath, and not twice.
    const said = problems.map((problem) => asSentence(problem.split('. Make one at ')[0] ?? '')).join('\n');
    return new CheckFailure('no key', { cause: 'no_key', text: said, next: MAKE_ONE });
  }
  const judged = judgedKey(key);
  // A key is judged where it is sent: a token of a gateway is one only for the API itself.
  const isWrong =
    !judged.usable || (judged.kind === 'gateway_token' && problems.some((problem) => OF_KEY.test(problem)));
  if (isWrong) return new CheckFailure(wrongKey(judged), { cause: 'wrong_key', text, next });
  const cause = problems.every((problem) => RETIRED.test(problem)) ? 'model_retired' : 'configuration';
  return new CheckFailure(seen, { cause, text, next });
}

function wrongKey({ kind }: KeyJudgement): string {
  return OTHER_THAN_KEY.has(kind) ? `not an API key: ${kind.replaceAll('_', ' ')}` : 'not a whole key';
}

function asSentence(problem: string): string {
  return /[.!?]$/.test(problem) ? problem : `${problem}.`;
}
