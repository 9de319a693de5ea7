import { grown, level, type AlertCase } from '../promtool.ts';

const up = (instance: string): string =>
  `anthropic_budget_ledger_up{job="plimsoll",instance="${instance}",ledger="redis",ledger_id="r"}`;
const errors = (stage: string): string => `plimsoll_errors_total{job="plimsoll",instance="a",stage="${stage}"}`;
const dropped = 'plimsoll_label_values_dropped_total{job="plimsoll",instance="a",label="model"}';
const faults = (part: string, cause: string): string =>
  `plimsoll_gateway_faults_total{job="plimsoll",instance="a",part="${part}",cause="${cause}"}`;
const faulty = (part: string, cause: string) => [
  [{ job: 'plimsoll', part, cause }, `Gateway plimsoll has faults (${part}): ${cause}`] as const,
];

const FAULTS: readonly AlertCase[] = [
  {
    name: 'fires when one API of several cannot be reached',
    alert: 'PlimsollGatewayFaults',
    series: { [faults('api', 'refused')]: grown([20, 0], [3, 1], [10, 0]) },
    at: '25m',
    firing: faulty('api', 'refused'),
  },
  {
    name: 'does not fire for two connections that broke, or when all is well again',
    alert: 'PlimsollGatewayFaults',
    series: {
      [faults('api', 'reset')]: grown([70, 0], [2, 1], [30, 0]),
      [faults('api', 'dns')]: level([100, 9]),
      [faults('key', 'key_file_unreadable')]: level([100, 1]),
    },
    at: '75m',
    firing: [],
  },
  {
    name: 'fires for a key file that was emptied, which counts once',
    alert: 'PlimsollGatewayFaults',
    series: { [faults('key', 'key_file_empty')]: grown([20, 0], [1, 1], [10, 0]) },
    at: '25m',
    firing: faulty('key', 'key_file_empty'),
  },
  {
    name: 'does not fire for the ledger and the token store, which have alerts of their own',
    alert: 'PlimsollGatewayFaults',
    series: {
      [faults('ledger', 'disk_full')]: grown([20, 0], [10, 2]),
      [faults('tokens', 'tokens_unavailable')]: grown([20, 0], [10, 2]),
    },
    at: '25m',
    firing: [],
  },
];

const exits = (cause: string): string =>
  `plimsoll_gateway_worker_exits_total{job="plimsoll",instance="a",cause="${cause}"}`;
const ending = (cause: string) => [
  [{ job: 'plimsoll', cause }, `Workers of gateway plimsoll keep ending: ${cause}`] as const,
];

const WORKERS: readonly AlertCase[] = [
  {
    name: 'fires for workers that are killed again and again',
    alert: 'PlimsollGatewayWorkers',
    series: { [exits('killed')]: grown([20, 0], [3, 1], [10, 0]), [exits('failed')]: level([33, 0]) },
    at: '25m',
    firing: ending('killed'),
  },
  {
    name: 'fires for one worker that hung',
    alert: 'PlimsollGatewayWorkers',
    series: { [exits('hung')]: grown([20, 0], [1, 1], [10, 0]) },
    at: '25m',
    firing: ending('hung'),
  },
  {
    name: 'does not fire for workers that are replaced, for two that died, or when all is well again',
    alert: 'PlimsollGatewayWorkers',
    series: {
      [exits('replaced')]: grown([20, 0], [16, 1]),
      [exits('failed')]: grown([70, 0], [2, 1], [30, 0]),
      [exits('killed')]: level([100, 40]),
      [exits('hung')]: level([100, 2]),
    },
    at: '75m',
    firing: [],
  },
];

export const OWN_CASES: readonly AlertCase[] = [
  ...FAULTS,
  ...WORKERS,
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
