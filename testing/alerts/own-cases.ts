import { grown, level, type AlertCase } from '../promtool.ts';

const up = (instance: string): string =>
  `anthropic_budget_ledger_up{job="plimsoll",instance="${instance}",ledger="redis",ledger_id="r"}`;
const errors = (stage: string): string => `plimsoll_errors_total{job="plimsoll",instance="a",stage="${stage}"}`;
const dropped = 'plimsoll_label_values_dropped_total{job="plimsoll",instance="a",label="model"}';

export const OWN_CASES: readonly AlertCase[] = [
  {
    name: 'fires when one of two replicas cannot reach the ledger',
    alert: 'PlimsollLedgerDown',
    series: { [up('a')]: level([40, 1]), [up('b')]: level([20, 1], [20, 0]) },
    at: '30m',
    firing: [
      [{ job: 'plimsoll', ledger: 'redis', ledger_id: 'r' }, 'The redis ledger of job plimsoll does not respond'],
    ],
  },
  {
    name: 'does not fire when the ledger was away for two minutes',
    alert: 'PlimsollLedgerDown',
    series: { [up('a')]: level([20, 1], [2, 0], [20, 1]) },
    at: '22m',
    firing: [],
  },
  {
    name: 'does not fire when the ledger answers',
    alert: 'PlimsollLedgerDown',
    series: { [up('a')]: level([40, 1]) },
    at: '30m',
    firing: [],
  },
  {
    name: 'fires for the first error that plimsoll swallows',
    alert: 'PlimsollErrors',
    series: { [errors('recorder')]: '_x10 1x10' },
    at: '12m',
    firing: [
      [
        { job: 'plimsoll', stage: 'recorder' },
        'plimsoll has errors in stage recorder of job plimsoll; calls go through',
      ],
    ],
  },
  {
    name: 'does not fire for errors of an hour ago',
    alert: 'PlimsollErrors',
    series: { [errors('recorder')]: grown([10, 1], [120, 0]) },
    at: '100m',
    firing: [],
  },
  {
    name: 'fires when a label is over its cap',
    alert: 'PlimsollLabelValuesDropped',
    series: { [dropped]: '_x10 3x10' },
    at: '12m',
    firing: [[{ job: 'plimsoll', label: 'model' }, 'Values of label model of job plimsoll are counted as other']],
  },
  {
    name: 'does not fire when no value was dropped for an hour',
    alert: 'PlimsollLabelValuesDropped',
    series: { [dropped]: level([180, 3]) },
    at: '170m',
    firing: [],
  },
];
