import { cacheAlerts } from './cache.ts';
import { grew } from '../growth.ts';
import { grouped, ratio, series, sumBy } from '../promql.ts';
import { RECORDED } from '../recording.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts on money that goes faster than planned, or to something unplanned. */
export function moneyAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [
    budgetSpent(),
    budgetThreshold(settings),
    budgetVolatile(settings),
    budgetBurn(settings),
    budgetBurnSlow(settings),
    budgetRunsOut(),
    budgetForecast(settings),
    perCall(settings, 'Cost'),
    perCall(settings, 'Tokens'),
    ...cacheAlerts(settings),
    truncated(settings),
    refusals(settings),
    unpriced(settings),
    priceTable(settings),
    priceTableOutdated(settings),
  ];
}

/** Longer than a rollout, or the quiet between two batches. */
const READ = '1h';

function budgetSpent(): Alert {
  return {
    name: 'PlimsollBudgetSpent',
    severity: 'ticket',
    expr: `${RECORDED.budgetSpent} >= ${RECORDED.budgetLimit}`,
    for: '0s',
    keepFiringFor: '15m',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} is spent: ${{ $value | printf "%.2f" }} this {{ $labels.period }}',
    description:
      'Scope {{ $labels.scope }} has spent ${{ $value | printf "%.2f" }} in this period: all of the budget, or more.',
  };
}

/** The thresholds of the budget's own definition. That all of it is spent is another alert. */
function budgetThreshold(settings: MonitoringSettings): Alert {
  const reached = grew('budget_thresholds', '5m', { matchers: 'threshold!="1"' });
  return {
    name: 'PlimsollBudgetThreshold',
    severity: 'ticket',
    expr: `${sumBy(grouped(settings, 'budget', 'threshold'), reached)} > 0`,
    for: '0s',
    keepFiringFor: '1h',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} has reached {{ $labels.threshold | humanizePercentage }} of its limit',
    description:
      'Budget {{ $labels.budget }} has spent {{ $labels.threshold | humanizePercentage }} of its limit, for the first time in its period.',
  };
}

/** Each process allows the whole budget, and forgets what it spent when it ends. */
function budgetVolatile(settings: MonitoringSettings): Alert {
  const ledgers = `group by (${grouped(settings, 'budget', 'ledger_id')}) (${series('anthropic_budget_volatile_ledger')})`;
  return {
    name: 'PlimsollBudgetVolatile',
    severity: 'ticket',
    expr: `count by (${grouped(settings, 'budget')}) (${ledgers}) > 1`,
    for: '15m',
    keepFiringFor: READ,
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} is kept in the memory of {{ $value }} processes',
    description:
      'Each of {{ $value }} processes of job {{ $labels.job }} enforces budget {{ $labels.budget }} for itself, so together they may spend {{ $value }} times as much. What a process spent is forgotten when it ends.',
  };
}

/** The share of the limit that went in the window, by what processes counted: a new period takes nothing back. */
function gone(window: string): string {
  return `${grew('budget_spend_usd', window)} / ${RECORDED.budgetLimit}`;
}

/** The hour decides, and the last five minutes confirm that it goes on. It fires for an hour more, or nobody would read it. */
function budgetBurn({ budgetBurnFast }: MonitoringSettings): Alert {
  const allowed = `${budgetBurnFast} * ${RECORDED.budgetBurnScale}`;
  return {
    name: 'PlimsollBudgetBurnFast',
    severity: 'ticket',
    expr: `${gone('1h')} > ${allowed} and 12 * ${gone('5m')} > ${allowed}`,
    for: '1m',
    keepFiringFor: '1h',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} burns fast: {{ $value | humanizePercentage }} of it went in an hour',
    description:
      'In the last hour, scope {{ $labels.scope }} spent {{ $value | humanizePercentage }} of its budget for the {{ $labels.period }}, and spending continues.',
  };
}

function budgetBurnSlow({ budgetBurnSlow }: MonitoringSettings): Alert {
  const allowed = `${budgetBurnSlow} * ${RECORDED.budgetBurnScale}`;
  return {
    name: 'PlimsollBudgetBurnSlow',
    severity: 'ticket',
    expr: `${gone('6h')} > ${allowed} and 12 * ${gone('30m')} > ${allowed}`,
    for: '15m',
    keepFiringFor: '3h',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} has burned for hours: {{ $value | humanizePercentage }} of it went in six',
    description:
      'In the last six hours, scope {{ $labels.scope }} spent {{ $value | humanizePercentage }} of its budget for the {{ $labels.period }}, and spending continues.',
  };
}

const LEAST_HORIZON_SECONDS = 3_600;
const MOST_HORIZON_SECONDS = 86_400;

/** Two hours before a day's budget is spent, a day before a month's, if that is before the period ends. */
function budgetRunsOut(): Alert {
  const { budgetSecondsLeft: left, budgetLength, budgetEnd, budgetBurnScale } = RECORDED;
  const horizon = `clamp(${budgetLength} / 12, ${LEAST_HORIZON_SECONDS}, ${MOST_HORIZON_SECONDS})`;
  return {
    name: 'PlimsollBudgetRunsOut',
    severity: 'ticket',
    expr:
      `${left} < ${horizon} and ${left} < ${budgetEnd} - time() and ${left} > 0 ` +
      `and ${grew('budget_spend_usd', '5m')} > 0 and ${budgetBurnScale}`,
    for: '5m',
    keepFiringFor: '1h',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} will be spent in {{ $value | humanizeDuration }}',
    description:
      'At the current pace, scope {{ $labels.scope }} will have spent its budget in {{ $value | humanizeDuration }}, before the {{ $labels.period }} ends.',
  };
}

function budgetForecast({ forecastRatio }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollBudgetForecastOver',
    severity: 'ticket',
    expr:
      `${RECORDED.budgetProjection} > ${forecastRatio} * ${RECORDED.budgetLimit} ` +
      `and ${RECORDED.budgetSpent} < ${RECORDED.budgetLimit}`,
    for: '1h',
    keepFiringFor: '2h',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} is heading for ${{ $value | printf "%.2f" }} this {{ $labels.period }}',
    description:
      'At the current pace, scope {{ $labels.scope }} will have spent ${{ $value | printf "%.2f" }} when the period ends, more than its budget.',
  };
}

function perCall({ perCallGrowth, minCallsCompared }: MonitoringSettings, what: 'Cost' | 'Tokens'): Alert {
  const now = what === 'Cost' ? RECORDED.costPerCall : RECORDED.tokensPerCall;
  const calls = RECORDED.answered;
  return {
    name: `Plimsoll${what}PerCallUp`,
    severity: 'ticket',
    expr:
      `${ratio(now, `${now} offset 1w`)} > ${perCallGrowth} ` +
      `and ${calls} >= ${minCallsCompared} and ${calls} offset 1w >= ${minCallsCompared}`,
    for: '30m',
    keepFiringFor: READ,
    dashboard: 'calls',
    summary: `${what} per call to {{ $labels.model }} is {{ $value | printf "%.1f" }} times last week's`,
    description: `Over the last six hours, a call of job {{ $labels.job }} to {{ $labels.model }} took {{ $value | printf "%.2f" }} times the ${what.toLowerCase()} of the same hours a week ago.`,
  };
}

function truncated(settings: MonitoringSettings): Alert {
  const { truncatedRatio, minAnswers } = settings;
  const by = grouped(settings, 'key', 'model');
  const answers = sumBy(by, grew('stop_reasons', '1h'));
  const cut = sumBy(by, grew('stop_reasons', '1h', { matchers: 'stop_reason="max_tokens"' }));
  return {
    name: 'PlimsollTruncated',
    severity: 'ticket',
    expr: `${ratio(cut, answers)} > ${truncatedRatio} and ${answers} >= ${minAnswers}`,
    for: '15m',
    keepFiringFor: READ,
    dashboard: 'calls',
    summary:
      'Responses of {{ $labels.model }} to key {{ $labels.key }} are cut off: {{ $value | humanizePercentage }} end at max_tokens',
    description:
      '{{ $value | humanizePercentage }} of the responses in the last hour ended at max_tokens: they are paid for, but incomplete.',
  };
}

function refusals(settings: MonitoringSettings): Alert {
  const { refusalRatio, refusalGrowth, minAnswers } = settings;
  const total = (name: 'refusals' | 'stop_reasons', window: '1h' | '1d', ago?: '1h'): string =>
    sumBy(grouped(settings, 'key'), grew(name, window, { ago }));
  const answers = total('stop_reasons', '1h');
  const share = ratio(total('refusals', '1h'), answers);
  const before = ratio(total('refusals', '1d', '1h'), total('stop_reasons', '1d', '1h'));
  return {
    name: 'PlimsollRefusalsUp',
    severity: 'ticket',
    expr: `(${share} > ${refusalRatio} and ${answers} >= ${minAnswers}) unless ${share} <= ${refusalGrowth} * ${before}`,
    for: '15m',
    keepFiringFor: READ,
    dashboard: 'calls',
    summary: 'Models refuse {{ $value | humanizePercentage }} of the requests of key {{ $labels.key }}',
    description:
      'In the last hour, models refused {{ $value | humanizePercentage }} of the requests of key {{ $labels.key }}, at least ' +
      `${refusalGrowth} times the share of the day before. Callers get no answer, or one of a fallback model.`,
  };
}

function unpriced(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollUnpricedUsage',
    severity: 'ticket',
    expr: `${sumBy(grouped(settings, 'key', 'model'), grew('unpriced', '1h'))} > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'budget',
    summary: 'No price is known for {{ $labels.model }}, used by key {{ $labels.key }}',
    description:
      'Calls without a cost in the last hour: {{ $value | printf "%.0f" }}. Reported costs and budgets are too low by what these calls really cost.',
  };
}

const DAY_SECONDS = 86_400;

function priceTable(settings: MonitoringSettings): Alert {
  const { priceTableMaxAgeDays } = settings;
  const checked = series('anthropic_price_table_timestamp_seconds');
  return {
    name: 'PlimsollPriceTableOld',
    severity: 'ticket',
    expr: `time() - max by (${grouped(settings, 'source')}) (${checked}) > ${priceTableMaxAgeDays * DAY_SECONDS}`,
    for: '1h',
    keepFiringFor: READ,
    dashboard: 'budget',
    summary: 'The price table of job {{ $labels.job }} is {{ $value | humanizeDuration }} old',
    description:
      'The prices ({{ $labels.source }}) were last checked {{ $value | humanizeDuration }} ago, so costs may be wrong. Update plimsoll or your price file.',
  };
}

function priceTableOutdated(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollPriceTableOutdated',
    severity: 'ticket',
    expr: `max by (${grouped(settings, 'source')}) (${series('anthropic_price_table_outdated')}) > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'budget',
    summary: 'The price table of job {{ $labels.job }} ({{ $labels.source }}) is older than a model in use',
    description:
      'A response named a model that is newer than every model of its family in the price table. It has no cost, and other prices may have changed with it.',
  };
}
