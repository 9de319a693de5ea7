import { RECORDED } from '../recording.ts';
import type { Alert, Severity } from '../rule.ts';
import { BURN_WINDOWS, type MonitoringSettings, type SloWindow } from '../settings.ts';

/** Alerts on what users notice: calls that fail, and calls that take too long. */
export function sloAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [...failureAlerts(settings), ...latencyAlerts(settings)];
}

interface Burnt {
  readonly share: (window: SloWindow) => string;
  readonly count: (window: SloWindow) => string;
  readonly allowed: number;
}

/** Both windows of a pair burn, and there are more than a few failures: one of two calls is not a trend. */
function burning(severity: Severity, { share, count, allowed }: Burnt, least: number): string {
  const pairs = BURN_WINDOWS.filter((window) => window.severity === severity).map(({ long, short, factor }) => {
    const limit = Number((factor * allowed).toPrecision(6));
    return `(${share(long)} > ${limit} and ${share(short)} > ${limit} and ${count(long)} >= ${least})`;
  });
  return pairs.join(' or ');
}

function failureAlerts({ successObjective, sloMinFailures }: MonitoringSettings): readonly Alert[] {
  const burnt = { share: RECORDED.failures, count: RECORDED.failuresCounted, allowed: 1 - successObjective };
  const objective = exactPercent(successObjective);
  const base = { dashboard: 'overview', summary: failing } as const;
  return [
    {
      ...base,
      name: 'PlimsollErrorBudgetBurn',
      severity: 'page',
      expr: burning('page', burnt, sloMinFailures),
      for: '2m',
      description: `{{ $value | humanizePercentage }} of calls fail after all retries; the objective is ${objective} success. At this pace, 2% of the month's error budget is gone in an hour, or 5% in six.`,
    },
    {
      ...base,
      name: 'PlimsollErrorBudgetBurnSlow',
      severity: 'ticket',
      expr: burning('ticket', burnt, sloMinFailures),
      for: '15m',
      description: `{{ $value | humanizePercentage }} of calls fail after all retries, for a day or more; the objective is ${objective} success. The month's error budget will not last.`,
    },
  ];
}

const failing = '{{ $value | humanizePercentage }} of calls to {{ $labels.model }} with key {{ $labels.key }} fail';

const slow = '{{ $value | humanizePercentage }} of calls to {{ $labels.model }} with key {{ $labels.key }} are slow';

function latencyAlerts({ latencyObjective, latencySeconds, sloMinFailures }: MonitoringSettings): readonly Alert[] {
  const burnt = { share: RECORDED.slow, count: RECORDED.slowCounted, allowed: 1 - latencyObjective };
  const objective = `the objective is ${exactPercent(latencyObjective)} within ${latencySeconds} s`;
  const base = { dashboard: 'overview', summary: slow } as const;
  return [
    {
      ...base,
      name: 'PlimsollLatencyBudgetBurn',
      severity: 'page',
      expr: burning('page', burnt, sloMinFailures),
      for: '2m',
      description: `{{ $value | humanizePercentage }} of answered calls took longer than ${latencySeconds} s; ${objective}.`,
    },
    {
      ...base,
      name: 'PlimsollLatencyBudgetBurnSlow',
      severity: 'ticket',
      expr: burning('ticket', burnt, sloMinFailures),
      for: '15m',
      description: `{{ $value | humanizePercentage }} of answered calls took longer than ${latencySeconds} s, for a day or more; ${objective}.`,
    },
  ];
}

/** `99.9%`: an objective is never rounded, which would make it 100%. */
function exactPercent(share: number): string {
  return `${Number((share * 100).toPrecision(6))}%`;
}
