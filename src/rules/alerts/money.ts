import { growth, ratio, series, sumBy } from '../promql.ts';
import { RECORDED } from '../recording.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts on money that goes faster than planned, or to something unplanned. */
export function moneyAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [
    budgetSpent(),
    budgetBurn(settings),
    budgetBurnSlow(settings),
    budgetForecast(settings),
    perCall(settings, 'Cost'),
    perCall(settings, 'Tokens'),
    truncated(settings),
    refusals(settings),
    unpriced(),
    priceTable(settings),
    priceTableOutdated(),
  ];
}

function budgetSpent(): Alert {
  return {
    name: 'PlimsollBudgetSpent',
    severity: 'ticket',
    expr: `${RECORDED.budgetSpent} >= ${RECORDED.budgetLimit}`,
    for: '0s',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} is spent: ${{ $value | printf "%.2f" }} this {{ $labels.period }}',
    description:
      'Scope {{ $labels.scope }} has spent ${{ $value | printf "%.2f" }} in this period: all of the budget, or more.',
  };
}

/** Spend in the window as a multiple of an even pace. When a period begins the gauge falls, which is not spend. */
function pace(window: string, seconds: number): string {
  return `clamp_min(delta(${RECORDED.budgetSpent}[${window}]), 0) / (${RECORDED.budgetEvenPace} * ${seconds})`;
}

/** Excludes budgets of an hour, for which any hour is a whole period. */
const A_DAY_OR_LONGER = `(${RECORDED.budgetLimit} / ${RECORDED.budgetEvenPace} >= 86000)`;

function budgetBurn({ budgetBurnFast }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollBudgetBurnFast',
    severity: 'ticket',
    expr: `${pace('1h', 3_600)} > ${budgetBurnFast} and ${pace('5m', 300)} > ${budgetBurnFast} and ${A_DAY_OR_LONGER}`,
    for: '2m',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} burns at {{ $value | printf "%.0f" }} times a sustainable pace',
    description:
      'In the last hour, scope {{ $labels.scope }} spent at {{ $value | printf "%.1f" }} times the pace that would last for the {{ $labels.period }}.',
  };
}

function budgetBurnSlow({ budgetBurnSlow }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollBudgetBurnSlow',
    severity: 'ticket',
    expr: `${pace('6h', 21_600)} > ${budgetBurnSlow} and ${pace('30m', 1_800)} > ${budgetBurnSlow} and ${A_DAY_OR_LONGER}`,
    for: '15m',
    dashboard: 'budget',
    summary:
      'Budget {{ $labels.budget }} has burned at {{ $value | printf "%.0f" }} times a sustainable pace for hours',
    description:
      'In the last six hours, scope {{ $labels.scope }} spent at {{ $value | printf "%.1f" }} times the pace that would last for the {{ $labels.period }}.',
  };
}

function budgetForecast({ forecastAfterRatio }: MonitoringSettings): Alert {
  const labels = 'budget, period, scope';
  const elapsed = `(time() - max by (${labels}) (${series('anthropic_budget_period_start_timestamp_seconds')}))`;
  const share = `${elapsed} * ${RECORDED.budgetEvenPace} / ${RECORDED.budgetLimit}`;
  return {
    name: 'PlimsollBudgetForecastOver',
    severity: 'ticket',
    expr:
      `${RECORDED.budgetForecast} > ${RECORDED.budgetLimit} and ${RECORDED.budgetSpent} < ${RECORDED.budgetLimit} ` +
      `and ${share} > ${forecastAfterRatio}`,
    for: '1h',
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
    dashboard: 'calls',
    summary: `${what} per call to {{ $labels.model }} is {{ $value | printf "%.1f" }} times last week's`,
    description: `Over the last six hours, a call of job {{ $labels.job }} to {{ $labels.model }} took {{ $value | printf "%.2f" }} times the ${what.toLowerCase()} of the same hours a week ago.`,
  };
}

function truncated({ truncatedRatio, minAnswers }: MonitoringSettings): Alert {
  const answers = sumBy('job, key, model', growth('anthropic_stop_reasons_total', '1h'));
  const cut = sumBy('job, key, model', growth('anthropic_stop_reasons_total', '1h', 'stop_reason="max_tokens"'));
  return {
    name: 'PlimsollTruncated',
    severity: 'ticket',
    expr: `${ratio(cut, answers)} > ${truncatedRatio} and ${answers} >= ${minAnswers}`,
    for: '15m',
    dashboard: 'calls',
    summary:
      'Responses of {{ $labels.model }} to key {{ $labels.key }} are cut off: {{ $value | humanizePercentage }} end at max_tokens',
    description:
      '{{ $value | humanizePercentage }} of the responses in the last hour ended at max_tokens: they are paid for, but incomplete.',
  };
}

function refusals({ refusalRatio, refusalGrowth, minAnswers }: MonitoringSettings): Alert {
  const by = 'job, key';
  const answers = sumBy(by, growth('anthropic_stop_reasons_total', '1h'));
  const share = ratio(sumBy(by, growth('anthropic_refusals_total', '1h')), answers);
  const dayBefore = (name: 'anthropic_refusals_total' | 'anthropic_stop_reasons_total'): string =>
    sumBy(by, `increase(${series(name)}[1d] offset 1h)`);
  const before = ratio(dayBefore('anthropic_refusals_total'), dayBefore('anthropic_stop_reasons_total'));
  return {
    name: 'PlimsollRefusalsUp',
    severity: 'ticket',
    expr: `(${share} > ${refusalRatio} and ${answers} >= ${minAnswers}) unless ${share} <= ${refusalGrowth} * ${before}`,
    for: '15m',
    dashboard: 'calls',
    summary: 'Models refuse {{ $value | humanizePercentage }} of the requests of key {{ $labels.key }}',
    description:
      'In the last hour, models refused {{ $value | humanizePercentage }} of the requests of key {{ $labels.key }}, at least ' +
      `${refusalGrowth} times the share of the day before. Callers get no answer, or one of a fallback model.`,
  };
}

function unpriced(): Alert {
  return {
    name: 'PlimsollUnpricedUsage',
    severity: 'ticket',
    expr: `${sumBy('job, key, model', growth('anthropic_unpriced_requests_total', '1h'))} > 0`,
    for: '0s',
    dashboard: 'budget',
    summary: 'No price is known for {{ $labels.model }}, used by key {{ $labels.key }}',
    description:
      '{{ $value | printf "%.0f" }} calls in the last hour have no cost. Reported costs and budgets are too low by what these calls really cost.',
  };
}

const DAY_SECONDS = 86_400;

function priceTable({ priceTableMaxAgeDays }: MonitoringSettings): Alert {
  const checked = series('anthropic_price_table_timestamp_seconds');
  return {
    name: 'PlimsollPriceTableOld',
    severity: 'ticket',
    expr: `time() - max by (job, source) (${checked}) > ${priceTableMaxAgeDays * DAY_SECONDS}`,
    for: '1h',
    dashboard: 'budget',
    summary: 'The price table of job {{ $labels.job }} is {{ $value | humanizeDuration }} old',
    description:
      'The prices ({{ $labels.source }}) were last checked {{ $value | humanizeDuration }} ago, so costs may be wrong. Update plimsoll or your price file.',
  };
}

function priceTableOutdated(): Alert {
  return {
    name: 'PlimsollPriceTableOutdated',
    severity: 'ticket',
    expr: `max by (job, source) (${series('anthropic_price_table_outdated')}) > 0`,
    for: '0s',
    dashboard: 'budget',
    summary: 'The price table of job {{ $labels.job }} ({{ $labels.source }}) is older than a model in use',
    description:
      'A response named a model that is newer than every model of its family in the price table. It has no cost, and other prices may have changed with it.',
  };
}
