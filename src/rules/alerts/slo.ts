import { latencyObjectives } from '../latency-objectives.ts';
import { selector } from '../promql.ts';
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
  readonly least: number;
  /** Selects the models that are judged so. Default: all. */
  readonly matcher?: readonly string[];
}

/** Both windows of a pair burn, and there are more than a few failures: one of two calls is not a trend. */
function burning(severity: Severity, { share, count, allowed, least, matcher = [] }: Burnt): string {
  const pairs = BURN_WINDOWS.filter((window) => window.severity === severity).map(({ long, short, factor }) => {
    const limit = Number((factor * allowed).toPrecision(6));
    const longShare = selector(share(long), matcher.join(', '));
    return `(${longShare} > ${limit} and ${share(short)} > ${limit} and ${count(long)} >= ${least})`;
  });
  return pairs.join(' or ');
}

function failureAlerts({ successObjective, sloMinFailures }: MonitoringSettings): readonly Alert[] {
  const { failures: share, failuresCounted: count } = RECORDED;
  const burnt = { share, count, allowed: 1 - successObjective, least: sloMinFailures };
  const objective = exactPercent(successObjective);
  const base = { dashboard: 'overview', summary: failing } as const;
  return [
    {
      ...base,
      name: 'PlimsollErrorBudgetBurn',
      severity: 'page',
      expr: burning('page', burnt),
      for: '2m',
      keepFiringFor: READ,
      description: `{{ $value | humanizePercentage }} of calls fail after all retries; the objective is ${objective} success. At this pace, 2% of the month's error budget is gone in an hour, or 5% in six.`,
    },
    {
      ...base,
      name: 'PlimsollErrorBudgetBurnSlow',
      severity: 'ticket',
      expr: burning('ticket', burnt),
      for: '15m',
      keepFiringFor: READ_SLOW,
      description: `{{ $value | humanizePercentage }} of calls failed after all retries, in the last day or three days; the objective is ${objective} success. The month's error budget will not last.`,
    },
  ];
}

/** A worker that fails in every batch is one page, not one for each batch. */
const READ = '30m';

const READ_SLOW = '2h';

const failing = '{{ $value | humanizePercentage }} of calls to {{ $labels.model }} with key {{ $labels.key }} fail';

const slow = '{{ $value | humanizePercentage }} of calls to {{ $labels.model }} with key {{ $labels.key }} are slow';

function latencyAlerts(settings: MonitoringSettings): readonly Alert[] {
  const objectives = latencyObjectives(settings);
  const { slow: share, slowCounted: count } = RECORDED;
  const burningOf = (severity: Severity): string =>
    objectives
      .map(({ matcher, objective }) =>
        burning(severity, { share, count, matcher, allowed: 1 - objective, least: settings.sloMinFailures }),
      )
      .join(' or ');
  const seconds = ofModel(objectives, (each) => String(each.seconds));
  const objective = ofModel(objectives, (each) => exactPercent(each.objective));
  const longer = `{{ $value | humanizePercentage }} of answered calls took longer than ${seconds} s`;
  const base = { dashboard: 'overview', summary: slow } as const;
  return [
    {
      ...base,
      name: 'PlimsollLatencyBudgetBurn',
      severity: 'page',
      expr: burningOf('page'),
      for: '2m',
      keepFiringFor: READ,
      description: `${longer}; the objective is ${objective} within ${seconds} s.`,
    },
    {
      ...base,
      name: 'PlimsollLatencyBudgetBurnSlow',
      severity: 'ticket',
      expr: burningOf('ticket'),
      for: '15m',
      keepFiringFor: READ_SLOW,
      description: `${longer}, in the last day or three days; the objective is ${objective} within ${seconds} s.`,
    },
  ];
}

type Objectives = ReturnType<typeof latencyObjectives>;

/** A figure that hangs on the model, in the language of templates. */
function ofModel([others, ...own]: Objectives, figure: (objective: Objectives[number]) => string): string {
  const rest = others === undefined ? '' : figure(others);
  return own.reduce(
    (text, each) => `{{ if eq $labels.model "${each.model ?? ''}" }}${figure(each)}{{ else }}${text}{{ end }}`,
    rest,
  );
}

/** `99.9%`: an objective is never rounded, which would make it 100%. */
function exactPercent(share: number): string {
  return `${Number((share * 100).toPrecision(6))}%`;
}
