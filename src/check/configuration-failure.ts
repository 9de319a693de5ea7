import { judgedKey } from '../keys/secrets.ts';
import { CheckFailure } from './report.ts';

type Env = Readonly<Record<string, string | undefined>>;

const RETIRED = /, retired/;

/** The failure that problems of the environment are; each of them says what to do. */
export function configurationFailure(problems: readonly string[], env: Env): CheckFailure {
  const key = [env['ANTHROPIC_AUTH_TOKEN'], env['ANTHROPIC_API_KEY']].map((value) => value?.trim() ?? '').find(Boolean);
  const seen = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const text = problems.map(asSentence).join('\n');
  const next = 'Correct the environment or the .env file, and check again.';
  if (key === undefined) return new CheckFailure('no key', { cause: 'no_key', text, next });
  const judged = judgedKey(key);
  if (!judged.usable) return new CheckFailure(`not an API key: ${judged.kind}`, { cause: 'wrong_key', text, next });
  const cause = problems.every((problem) => RETIRED.test(problem)) ? 'model_retired' : 'configuration';
  return new CheckFailure(seen, { cause, text, next });
}

function asSentence(problem: string): string {
  return /[.!?]$/.test(problem) ? problem : `${problem}.`;
}
