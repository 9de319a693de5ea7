import { environment, keyAlias } from '../keys/alias.ts';
import { DEFAULT_MAX_TOKENS, maxTokens, MAX_TOKENS_VARIABLE } from '../routing/models.ts';
import { quoted, textOf, type Env, type Findings } from './findings.ts';

/** 1,024 where nothing is said. */
export function maxTokensOf(env: Env, findings: Findings): number {
  const tokens = maxTokens(env);
  if (tokens !== null) return tokens;
  const got = `${quoted(textOf(env, MAX_TOKENS_VARIABLE))}: write digits only, such as ${DEFAULT_MAX_TOKENS}`;
  findings.problem(MAX_TOKENS_VARIABLE, 'a whole number of tokens from 1 up', got);
  return DEFAULT_MAX_TOKENS;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** `setTimeout` fires at once for more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** 30 seconds where nothing is said. */
export function timeoutOf(env: Env, findings: Findings): number {
  const variable = 'ANTHROPIC_TIMEOUT_MS';
  const text = textOf(env, variable);
  if (text === '') return DEFAULT_TIMEOUT_MS;
  const ms = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(ms >= 1 && ms <= LONGEST_TIMER_MS)) {
    const got = `${quoted(text)}: write digits only, such as ${DEFAULT_TIMEOUT_MS} for 30 seconds`;
    findings.problem(variable, 'whole milliseconds from 1 up', got);
  } else if (ms < 1_000) {
    findings.notice(variable, `${ms} ms is less than a second, and hardly any answer is so quick: were seconds meant?`);
  }
  return ms;
}

/** The one spelling of it; `null` where nothing is said. */
export function environmentOf(env: Env, findings: Findings): string | null {
  const text = textOf(env, 'ANTHROPIC_ENV');
  if (text === '') return null;
  const known = environment(text);
  if (known === null)
    findings.problem('ANTHROPIC_ENV', 'dev, test, ci, staging, demo or prod', `${quoted(text)}: name one of them`);
  return known;
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** `null` where nothing is said. */
export function baseUrlOf(env: Env, findings: Findings): string | null {
  const variable = 'ANTHROPIC_BASE_URL';
  const text = textOf(env, variable);
  if (text === '') return null;
  const url = URL.parse(text);
  const expected = 'the address of an API, such as https://api.anthropic.com';
  if (url === null || !/^https?:$/.test(url.protocol)) {
    findings.problem(variable, expected, `${quoted(text)}: begin with https://`);
  } else if (url.username !== '' || url.password !== '') {
    findings.problem(variable, expected, `one with a password in it, of ${url.host}: take it out`);
  } else if (/\/v1\/?$/.test(url.pathname)) {
    findings.problem(variable, expected, `${quoted(text)}: leave out /v1, which the SDK adds`);
  } else if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    findings.notice(variable, `${url.host} is called without TLS: the key can be read on the way. Use https://`);
  }
  return text;
}

/** `null` where nothing is said. An alias of another environment than `where` is a problem. */
export function keyOf(env: Env, where: string | null, findings: Findings): string | null {
  const text = textOf(env, 'PLIMSOLL_KEY');
  if (text === '') return null;
  const alias = keyAlias(text);
  if (!/^[\w.-]{1,64}$/.test(text) || /sk-ant-/i.test(text)) {
    findings.problems.push(`PLIMSOLL_KEY: ${alias.problem}`);
  } else if (where !== null && alias.environment !== null && alias.environment !== where) {
    const got = `${quoted(text)}, a key of ${alias.environment}: use the key of ${where}, or correct ANTHROPIC_ENV`;
    findings.problem('PLIMSOLL_KEY', `the alias of a key of ${where}, which ANTHROPIC_ENV names`, got);
  } else if (alias.problem !== null) {
    findings.notice('PLIMSOLL_KEY', alias.problem);
  }
  return text;
}
