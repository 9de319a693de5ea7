import type { Budget } from '../budget/budget.ts';
import { systemClock } from '../clock.ts';
import { ConfigurationError } from '../configuration-error.ts';
import type { PriceTable } from '../pricing/prices.ts';
import { models, type Models } from '../routing/models.ts';
import { credential, type Credential } from './credential.ts';
import { Findings, type Env } from './findings.ts';
import { ledgerOf, type LedgerPlace } from './ledger-place.ts';
import { modelFindings } from './model-findings.ts';
import { budgetsOf, pricesOf } from './named-files.ts';
import { baseUrlOf, environmentOf, keyOf, maxTokensOf, timeoutOf } from './settings.ts';

/** What the environment says, checked, with the defaults filled in. */
export interface Configuration {
  readonly credential: Credential;
  readonly models: Models;
  /** The `max_tokens` of a call that does not say. */
  readonly maxTokens: number;
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** `dev`, `test`, `ci`, `staging`, `demo` or `prod`; `null` where nothing is said. */
  readonly environment: string | null;
  /** `null`: the API's own. */
  readonly baseUrl: string | null;
  /** Alias of the key; `null` where it has none. */
  readonly key: string | null;
  readonly prices: PriceTable;
  /** Of `PLIMSOLL_BUDGETS`; empty where it is not set. */
  readonly budgets: readonly Budget[];
  /** Where the spend of budgets is kept; `null` where nothing is said. */
  readonly ledger: LedgerPlace | null;
}

/** A configuration, or what is wrong with it. */
export interface EnvironmentReport {
  /** `null` where there is a problem. */
  readonly configuration: Configuration | null;
  /** Each with the variable, what was expected, what came and what to do. */
  readonly problems: readonly string[];
  /** What works and had better be changed. */
  readonly notices: readonly string[];
}

/**
 * The configuration of the environment: `ANTHROPIC_AUTH_TOKEN` (or `ANTHROPIC_API_KEY`) and the variables of `.env.example`.
 * Reads the files that are named. Throws a `ConfigurationError` (`PLIMSOLL_ENVIRONMENT_INVALID`) with every problem; none
 * shows a secret. `onNotice` is told what works and had better be changed.
 */
export function environment(
  env: Env = process.env,
  onNotice: (notice: string) => void = () => undefined,
): Configuration {
  const { configuration, problems, notices } = environmentReport(env);
  if (configuration === null) throw new ConfigurationError('PLIMSOLL_ENVIRONMENT_INVALID', problems);
  notices.forEach((notice) => onNotice(notice));
  return configuration;
}

/** The same without throwing, with problems and notices together. */
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
