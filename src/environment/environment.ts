import type { Budget } from '../budget/budget.ts';
import { systemClock } from '../clock.ts';
import { ConfigurationError, mayHoldSecret, phraseOf, type Notice, type Problem } from '../errors.ts';
import { keyAlias, keyEnvironment } from '../keys/alias.ts';
import type { PriceTable } from '../pricing/prices.ts';
import { DEFAULT_MAX_TOKENS, MAX_TOKENS_VARIABLE, maxTokens, models, type Models } from '../routing/models.ts';
import { Findings, credential, quoted, textOf, type Credential, type Env } from './credential.ts';
import { budgetsOf, ledgerOf, pricesOf, type LedgerPlace } from './ledger-place.ts';
import { modelFindings } from './models.ts';

/** The settings of the environment, checked, with the defaults filled in. */
export interface Configuration {
  readonly credential: Credential;
  readonly models: Models;
  /** The default `max_tokens` of calls. */
  readonly maxTokens: number;
  /** The timeout of one attempt. */
  readonly timeoutMs: number;
  /** `dev`, `test`, `ci`, `staging`, `demo` or `prod`; `null` if it is not set. */
  readonly environment: string | null;
  /** `null` for the API's own. */
  readonly baseUrl: string | null;
  /** Alias of the key; `null` if it has none. */
  readonly key: string | null;
  readonly prices: PriceTable;
  /** The budgets of `PLIMSOLL_BUDGETS`; empty if it is not set. */
  readonly budgets: readonly Budget[];
  /** The place of the budgets' spend; `null` if none is set. */
  readonly ledger: LedgerPlace | null;
}

/** A configuration, or the problems that prevent one. */
export interface EnvironmentReport {
  /** `null` if there is a problem. */
  readonly configuration: Configuration | null;
  /** Every problem; `field` is the variable, and the place in the file that it names. */
  readonly problems: readonly Problem[];
  readonly notices: readonly Notice[];
}

/**
 * Reads the configuration of the environment: `ANTHROPIC_API_KEY` (or else `ANTHROPIC_AUTH_TOKEN`) and the variables of
 * `.env.example`, with the files that they name. Throws a `ConfigurationError` (`PLIMSOLL_ENVIRONMENT_INVALID`) with
 * every problem; none contains a secret. `onNotice` is called with settings that work but should be changed;
 * `sentenceOf` makes a sentence of a notice.
 */
export function environment(
  env: Env = process.env,
  onNotice: (notice: Notice) => void = () => undefined,
): Configuration {
  const { configuration, problems, notices } = environmentReport(env);
  if (configuration === null) throw new ConfigurationError('PLIMSOLL_ENVIRONMENT_INVALID', problems);
  notices.forEach((notice) => onNotice(notice));
  return configuration;
}

/** Reads the same without throwing, with problems and notices together. */
export function environmentReport(env: Env = process.env, nowMs: number = systemClock.epochMs()): EnvironmentReport {
  const findings = new Findings();
  const sent = credential(env, findings);
  const named = models(env);
  const prices = pricesOf(env, findings);
  modelFindings(named, { prices, nowMs }, findings);
  const where = environmentOf(env, findings);
  const settings = {
    models: named,
    maxTokens: maxTokensOf(env, findings),
    timeoutMs: timeoutOf(env, findings),
    environment: where,
    baseUrl: baseUrlOf(env, findings),
    key: keyOf(env, where, findings),
    prices,
    budgets: budgetsOf(env, findings),
    ledger: ledgerOf(env, findings),
  };
  const { problems, notices } = findings;
  const usable = sent !== null && problems.length === 0;
  return { configuration: usable ? { credential: sent, ...settings } : null, problems, notices };
}

/** 1,024 if it is not set. */
function maxTokensOf(env: Env, findings: Findings): number {
  const tokens = maxTokens(env);
  if (tokens !== null) return tokens;
  findings.problem({
    kind: 'invalid',
    field: MAX_TOKENS_VARIABLE,
    expected: 'a whole number of tokens from 1 up',
    got: quoted(textOf(env, MAX_TOKENS_VARIABLE)),
    advice: `write digits only, such as ${DEFAULT_MAX_TOKENS}`,
  });
  return DEFAULT_MAX_TOKENS;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** For a longer delay, `setTimeout` fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** 30 seconds if it is not set. */
function timeoutOf(env: Env, findings: Findings): number {
  const field = 'ANTHROPIC_TIMEOUT_MS';
  const text = textOf(env, field);
  if (text === '') return DEFAULT_TIMEOUT_MS;
  const ms = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(ms >= 1 && ms <= LONGEST_TIMER_MS)) {
    const advice = `write digits only, such as ${DEFAULT_TIMEOUT_MS} for 30 seconds`;
    findings.problem({ kind: 'invalid', field, expected: 'whole milliseconds from 1 up', got: quoted(text), advice });
  } else if (ms < 1_000) {
    findings.notice(field, `${ms} ms is less than a second, and few responses are that fast: did you mean seconds?`);
  }
  return ms;
}

/** The canonical spelling; `null` if it is not set. */
function environmentOf(env: Env, findings: Findings): string | null {
  const field = 'ANTHROPIC_ENV';
  const text = textOf(env, field);
  if (text === '') return null;
  const known = keyEnvironment(text);
  if (known !== null) return known;
  const expected = 'dev, test, ci, staging, demo or prod';
  findings.problem({ kind: 'invalid', field, expected, got: quoted(text), advice: 'name one of them' });
  return null;
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** `null` if it is not set. */
export function baseUrlOf(env: Env, findings: Findings): string | null {
  const field = 'ANTHROPIC_BASE_URL';
  const text = textOf(env, field);
  if (text === '') return null;
  const url = URL.parse(text);
  const wrong = (got: string, advice: string): void => {
    const expected = 'the address of an API, such as https://api.anthropic.com';
    findings.problem({ kind: 'invalid', field, expected, got, advice });
  };
  if (url === null || !/^https?:$/.test(url.protocol)) {
    wrong(quoted(text), 'begin with https://');
  } else if (url.username !== '' || url.password !== '') {
    wrong(`one with a password in it, for ${url.host}`, 'remove it');
  } else if (/\/v1\/?$/.test(url.pathname)) {
    wrong(quoted(text), 'leave out /v1, which the SDK adds');
  } else if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    findings.notice(field, `calls to ${url.host} do not use TLS, so others can read the key in transit. Use https://`);
  }
  return text;
}

/** `null` if it is not set. An alias of another environment than `where` is a problem. */
function keyOf(env: Env, where: string | null, findings: Findings): string | null {
  const field = 'PLIMSOLL_KEY';
  const text = textOf(env, field);
  if (text === '') return null;
  const { environment: named, problem } = keyAlias(text);
  if (!isLabel(text)) {
    findings.problem({ field, ...(problem ?? TOO_LONG) });
  } else if (where !== null && named !== null && named !== where) {
    findings.problem({
      kind: 'conflict',
      field,
      expected: `the alias of a key of ${where}, which ANTHROPIC_ENV names`,
      got: `${quoted(text)}, a key of ${named}`,
      advice: `use the key of ${where}, or correct ANTHROPIC_ENV`,
    });
  } else if (problem !== null) {
    findings.notice(field, phraseOf(problem));
  }
  return text;
}

/** Tells whether an alias can be the value of the label `key`. */
function isLabel(alias: string): boolean {
  return /^[\w.-]{1,64}$/.test(alias) && !mayHoldSecret(alias);
}

const TOO_LONG = {
  kind: 'invalid',
  expected: 'an alias of up to 64 characters',
  got: 'a longer one',
  advice: 'shorten it',
} as const;
