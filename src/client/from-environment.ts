import Anthropic from '@anthropic-ai/sdk';
import type { ClientOptions } from '@anthropic-ai/sdk';
import { sharedBudgets } from '../budget/budgets.ts';
import { sentenceOf, type Notice } from '../errors.ts';
import { isDisabled, warnOfDisabled } from '../environment/disabled.ts';
import { environment, type Configuration } from '../environment/environment.ts';
import type { Env } from '../environment/credential.ts';
import { dailyTotals } from '../totals/daily-totals.ts';
import type { Recorder } from '../vocabulary.ts';
import { instrument } from './instrument.ts';
import type { InstrumentOptions } from './options.ts';
import { routes } from '../routing/routes.ts';

/** Options of `clientFromEnvironment()`. Those of `instrument()` win over the environment. */
export interface EnvironmentClientOptions extends InstrumentOptions {
  /** Default: `process.env`. */
  readonly env?: Env;
  /** Options of the SDK's own, such as `fetch`; they win over the environment. */
  readonly client?: ClientOptions;
  /**
   * The SDK's class. Default: the one that `import Anthropic from '@anthropic-ai/sdk'` gives. Pass it where that is
   * another: in CommonJS, whose `require` gives a class of its own.
   */
  readonly Anthropic?: new (options: ClientOptions) => Anthropic;
  /** Gets what works and had better be changed. Default: warns by `process.emitWarning`. */
  readonly onNotice?: (notice: Notice) => void;
}

/**
 * An instrumented client, configured from environment variables only: credential, address, timeout, key alias, prices, budgets
 * and their ledger, the three models, and the `max_tokens` of calls that do not say. `.env.example` has every variable.
 *
 * Throws a `ConfigurationError` (`PLIMSOLL_ENVIRONMENT_INVALID`) with every problem of the environment, and what
 * `instrument()` throws.
 *
 * @example
 * const claude = clientFromEnvironment({ retry: retryPolicy() });
 */
export function clientFromEnvironment(options: EnvironmentClientOptions = {}): Anthropic {
  const { env = process.env, client = {}, Anthropic: Client = Anthropic, onNotice = warn, ...own } = options;
  const configuration = environment(env, onNotice);
  return instrument(new Client({ ...sdkOptions(configuration), ...client }), {
    ...instrumentOptions(configuration, env),
    ...(own.budgets === undefined && budgetsOption(configuration, env)),
    ...own,
    recorders: [...totalsOf(configuration), ...(own.recorders ?? [])],
  });
}

function sdkOptions({ credential, baseUrl, timeoutMs }: Configuration): ClientOptions {
  const sent =
    credential.variable === 'ANTHROPIC_API_KEY'
      ? { apiKey: credential.token() }
      : { authToken: credential.token(), apiKey: null };
  return { ...sent, timeout: timeoutMs, ...(baseUrl !== null && { baseURL: baseUrl }) };
}

function instrumentOptions({ key, models, prices }: Configuration, env: Env): InstrumentOptions {
  return {
    ...(key !== null && { key }),
    models: [...new Set(Object.values(models))],
    prices,
    routes: routes({}, { env }),
  };
}

/** Where plimsoll is disabled no ledger is opened: it may be what the trouble is with. */
function budgetsOption({ budgets, ledger }: Configuration, env: Env): Pick<InstrumentOptions, 'budgets'> {
  if (budgets.length === 0) return {};
  if (isDisabled(env)) {
    warnOfDisabled(budgets);
    return {};
  }
  return { budgets: sharedBudgets(budgets, ledger === null ? {} : { ledger: ledger.open() }) };
}

/** Keeps daily totals where spend is kept, with budgets or without. */
function totalsOf({ ledger, prices }: Configuration): readonly Recorder[] {
  const store = ledger?.openTotals() ?? null;
  return store === null ? [] : [dailyTotals({ store, prices }).recorder];
}

function warn(notice: Notice): void {
  process.emitWarning(sentenceOf(notice), { type: 'PlimsollNotice' });
}
