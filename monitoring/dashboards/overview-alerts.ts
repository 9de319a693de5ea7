import { RECORDED } from '../../src/rules/recording.ts';
import { BURN_WINDOWS } from '../../src/rules/settings.ts';
import type { Panel, Row } from './panel.ts';
import { FIRING_SINCE, GROUP, recorded } from './selection.ts';

const ALERT = ['severity', 'alertname', 'job', 'model', 'key', 'budget'] as const;

const PAGES = BURN_WINDOWS.filter(({ severity }) => severity === 'page');

/** The highest of all models and keys, as a multiple of the pace at which the budget of 30 days lasts 30 days. */
function burn(share: string, allowed: string): string {
  return `max(${recorded(share)} / on (${GROUP.join(', ')}) group_left () ${recorded(allowed)})`;
}

function burnPanel({ title, share, allowed, description }: Burn): Panel {
  return {
    kind: 'time series',
    title,
    unit: 'short',
    width: 12,
    min: 0,
    decimals: 1,
    reaches: 2,
    description,
    targets: [
      { expr: burn(share('1h'), allowed), legend: '1 hour' },
      { expr: burn(share('6h'), allowed), legend: '6 hours' },
      { expr: burn(share('3d'), allowed), legend: '3 days' },
    ],
    steps: [[null, 'transparent'], ...PAGES.map(({ factor }) => [factor, 'red'] as const).reverse()],
  };
}

interface Burn {
  readonly title: string;
  readonly share: typeof RECORDED.failures;
  readonly allowed: string;
  readonly description: string;
}

/** Panels on what pages are about. */
export const pages: Row = {
  title: 'Alerts and error budgets',
  panels: [
    {
      kind: 'table',
      title: 'Firing alerts',
      unit: 'dateTimeFromNow',
      width: 24,
      height: 7,
      description: 'What fires now, and since when. Click a row to open its runbook. A page cannot wait; a ticket can.',
      targets: [{ expr: `1000 * max by (${ALERT.join(', ')}) (${FIRING_SINCE})`, legend: 'Since' }],
      labels: ALERT,
      textColors: { Severity: { page: 'red', ticket: 'orange' } },
      first: { column: 'Severity', largest: false },
      runbooks: true,
      noValue: 'no alert fires',
    },
    burnPanel({
      title: 'Error budget burn',
      share: RECORDED.failures,
      allowed: RECORDED.failuresAllowed,
      description:
        'How much faster than evenly the worst model and key use up the failures that 30 days may have. Pages at 14.4 for an hour or 6 for six hours; a ticket at 1 for three days.',
    }),
    burnPanel({
      title: 'Latency budget burn',
      share: RECORDED.slow,
      allowed: RECORDED.slowAllowed,
      description:
        'The same for calls that take longer than the objective allows. Pages at 14.4 for an hour or 6 for six hours: look at the model and its responses before you look at the network.',
    }),
  ],
};
