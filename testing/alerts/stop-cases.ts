import { grown, level, type AlertCase } from '../promtool.ts';

const ON = 'job="plimsoll",instance="a",key="prod-a-api"';
const spend = (scope: string): string =>
  `anthropic_spend_limited_total{${ON},model="claude-haiku-4-5",scope="${scope}"}`;
const decided = (decision: string): string =>
  `anthropic_budget_decisions_total{job="plimsoll",instance="a",budget="team",decision="${decision}"}`;
const blocked = `anthropic_request_duration_seconds_count{${ON},operation="messages.create",model="claude-haiku-4-5",outcome="blocked"}`;
const attempts = (status: string): string =>
  `anthropic_attempts_total{${ON},operation="messages.create",model="claude-haiku-4-5",status="${status}"}`;
const build = (job: string): string => `plimsoll_build_info{job="${job}",instance="a",version="0.1.0"}`;
const up = (instance: string): string => `up{job="plimsoll",instance="${instance}"}`;
const GATEWAY_UP = 'up{job="plimsoll-gateway",instance="a"}';

const SPEND: readonly AlertCase[] = [
  {
    name: 'fires when the monthly cap of the tier refuses a request',
    alert: 'PlimsollSpendCapReached',
    series: { [spend('tier')]: grown([20, 0], [10, 1]) },
    at: '23m',
    firing: [
      [
        { job: 'plimsoll', key: 'prod-a-api', model: 'claude-haiku-4-5', scope: 'tier' },
        'Spend limit (tier) refuses calls to claude-haiku-4-5 with key prod-a-api',
      ],
    ],
  },
  {
    name: 'fires when the first thing a new process meets is a limit of its workspace',
    alert: 'PlimsollSpendCapReached',
    series: { [spend('workspace')]: '_x20 7x10' },
    at: '22m',
    firing: [
      [
        { job: 'plimsoll', key: 'prod-a-api', model: 'claude-haiku-4-5', scope: 'workspace' },
        'Spend limit (workspace) refuses calls to claude-haiku-4-5 with key prod-a-api',
      ],
    ],
  },
  {
    name: 'does not fire when nothing was refused for spend',
    alert: 'PlimsollSpendCapReached',
    series: { [spend('tier')]: level([60, 0]) },
    at: '30m',
    firing: [],
  },
  {
    name: 'does not fire when the last refusal is a quarter of an hour old',
    alert: 'PlimsollSpendCapReached',
    series: { [spend('tier')]: grown([80, 0], [10, 1], [15, 0]) },
    at: '104m',
    firing: [],
  },
];

const BUDGETS: readonly AlertCase[] = [
  {
    name: 'fires when a budget has blocked a call',
    alert: 'PlimsollBudgetBlocks',
    series: { [decided('blocked')]: grown([20, 0], [10, 1]) },
    at: '22m',
    firing: [[{ job: 'plimsoll', budget: 'team' }, 'Budget team blocks calls']],
  },
  {
    name: 'does not fire when calls are allowed and warned',
    alert: 'PlimsollBudgetBlocks',
    series: {
      [decided('allowed')]: grown([30, 9]),
      [decided('warned')]: grown([30, 3]),
      [decided('blocked')]: level([31, 0]),
    },
    at: '22m',
    firing: [],
  },
  {
    name: 'does not fire when the last refusal is six minutes old',
    alert: 'PlimsollBudgetBlocks',
    series: { [decided('blocked')]: grown([10, 1], [30, 0]) },
    at: '16m',
    firing: [],
  },
  {
    name: 'fires when the ledger is down and calls are refused for it',
    alert: 'PlimsollLedgerFailsClosed',
    series: {
      [decided('unavailable')]: grown([20, 0], [10, 2]),
      [decided('blocked')]: level([31, 0]),
      [blocked]: grown([20, 0], [10, 2]),
    },
    at: '26m',
    firing: [[{ job: 'plimsoll', budget: 'team' }, 'Budget team refuses calls because its ledger does not respond']],
  },
  {
    name: 'does not fire when the ledger is down and calls go through',
    alert: 'PlimsollLedgerFailsClosed',
    series: {
      [decided('unavailable')]: grown([20, 0], [10, 2]),
      [decided('blocked')]: grown([5, 1], [25, 0]),
      [blocked]: grown([5, 1], [25, 0]),
    },
    at: '26m',
    firing: [],
  },
  {
    name: 'does not fire when a budget that is spent refuses calls',
    alert: 'PlimsollLedgerFailsClosed',
    series: {
      [decided('unavailable')]: level([31, 0]),
      [decided('blocked')]: grown([20, 0], [10, 2]),
      [blocked]: grown([20, 0], [10, 2]),
    },
    at: '26m',
    firing: [],
  },
  {
    name: 'does not fire when a guard of the service refuses calls and the ledger is well again',
    alert: 'PlimsollLedgerFailsClosed',
    series: {
      [decided('unavailable')]: grown([10, 1], [21, 0]),
      [decided('blocked')]: level([31, 0]),
      [blocked]: grown([20, 0], [10, 2]),
    },
    at: '26m',
    firing: [],
  },
];

const KEYS: readonly AlertCase[] = [
  {
    name: 'fires when a key is refused from the first request of a process on',
    alert: 'PlimsollUnauthorized',
    series: { [attempts('401')]: '_x20 5x10' },
    at: '21m',
    firing: [[{ job: 'plimsoll', key: 'prod-a-api' }, 'The API does not accept key prod-a-api (401)']],
  },
  {
    name: 'does not fire for a single 401',
    alert: 'PlimsollUnauthorized',
    series: { [attempts('401')]: grown([20, 0], [1, 1], [10, 0]), [attempts('403')]: grown([30, 5]) },
    at: '22m',
    firing: [],
  },
];

const missing = (job: string) => [[{ job }, `No metrics from job ${job}`] as const];

const refusals = (reason: string, instance = 'a'): string =>
  `plimsoll_gateway_refusals_total{job="plimsoll-gateway",instance="${instance}",reason="${reason}"}`;
const refuses = (reason: string) => [
  [{ job: 'plimsoll-gateway', reason }, `Gateway plimsoll-gateway refuses requests: ${reason}`] as const,
];

const GATEWAY: readonly AlertCase[] = [
  {
    name: 'fires when the gateway cannot reach the place where tokens are kept',
    alert: 'PlimsollGatewayRefuses',
    series: { [refusals('unavailable')]: grown([20, 0], [10, 2]) },
    at: '25m',
    firing: refuses('unavailable'),
  },
  {
    name: 'fires when a gateway is full from its first minutes on, once for two replicas that refuse two each',
    alert: 'PlimsollGatewayRefuses',
    series: { [refusals('overloaded')]: '_x20 2x10', [refusals('overloaded', 'b')]: '_x20 2x10' },
    at: '22m',
    firing: refuses('overloaded'),
  },
  {
    name: 'does not fire for two refusals',
    alert: 'PlimsollGatewayRefuses',
    series: { [refusals('unavailable')]: grown([20, 0], [2, 0.8], [10, 0]) },
    at: '23m',
    firing: [],
  },
  {
    name: 'does not fire for tokens that do not hold, or while it ends',
    alert: 'PlimsollGatewayRefuses',
    series: { [refusals('unknown')]: grown([30, 5]), [refusals('draining')]: grown([30, 5]) },
    at: '25m',
    firing: [],
  },
  {
    name: 'does not fire when it has answered again for five minutes',
    alert: 'PlimsollGatewayRefuses',
    series: { [refusals('unavailable')]: grown([20, 0], [5, 4], [20, 0]) },
    at: '33m',
    firing: [],
  },
];

const TELEMETRY: readonly AlertCase[] = [
  {
    name: 'fires when all targets of a job are down',
    alert: 'PlimsollTelemetryMissing',
    series: { [up('a')]: level([100, 1], [20, 0]), [up('b')]: level([100, 1], [20, 0]) },
    at: '107m',
    firing: missing('plimsoll'),
  },
  {
    name: 'fires when a job that must be there has no target',
    alert: 'PlimsollTelemetryMissing',
    series: { 'up{job="other",instance="a"}': level([30, 1]) },
    at: '10m',
    firing: missing('plimsoll'),
  },
  {
    name: 'fires when the service answers scrapes but plimsoll is not in it any more',
    alert: 'PlimsollTelemetryMissing',
    series: {
      [up('a')]: level([400, 1]),
      'up{job="shop",instance="a"}': level([400, 1]),
      [build('shop')]: '1x330 stale',
    },
    at: '340m',
    firing: missing('shop'),
  },
  {
    name: 'fires when a gateway that ran for five hours is gone, though no setting names its job',
    alert: 'PlimsollTelemetryMissing',
    series: {
      [up('a')]: level([400, 1]),
      [GATEWAY_UP]: level([310, 1], [90, 0]),
      [build('plimsoll-gateway')]: '1x310 stale',
    },
    at: '320m',
    firing: missing('plimsoll-gateway'),
  },
  {
    name: 'does not fire when a nightly job of fifty minutes has ended',
    alert: 'PlimsollTelemetryMissing',
    series: { [up('a')]: level([120, 1]), [build('nightly')]: '1x50 stale' },
    at: '70m',
    firing: [],
  },
  {
    name: 'does not fire for a gateway that never ran',
    alert: 'PlimsollTelemetryMissing',
    series: { [up('a')]: level([60, 1]), [GATEWAY_UP]: level([60, 0]) },
    at: '40m',
    firing: [],
  },
  {
    name: 'does not fire when one replica of two is down',
    alert: 'PlimsollTelemetryMissing',
    series: { [up('a')]: level([60, 1]), [up('b')]: level([60, 0]), [build('plimsoll')]: level([60, 1]) },
    at: '40m',
    firing: [],
  },
  {
    name: 'does not fire during a restart of three minutes',
    alert: 'PlimsollTelemetryMissing',
    series: { [up('a')]: level([30, 1], [3, 0], [30, 1]), [build('plimsoll')]: '1x29 stale _x2 1x30' },
    at: '36m',
    firing: [],
  },
];

const targets = (job: string, states: readonly (readonly number[])[]): AlertCase['series'] =>
  Object.fromEntries(states.map((values, index) => [`up{job="${job}",instance="${index}"}`, values]));
const builds = (job: string, states: readonly string[]): AlertCase['series'] =>
  Object.fromEntries(
    states.map((values, index) => [`plimsoll_build_info{job="${job}",instance="${index}",version="0.1.0"}`, values]),
  );
const are = (count: number, state: string): readonly string[] => Array.from({ length: count }, () => state);
const downOf = (job: string, share: string) => [[{ job }, `${share} of the replicas of job ${job} are down`] as const];

const REPLICAS: readonly AlertCase[] = [
  {
    name: 'fires when two of three targets of a configured job do not answer',
    alert: 'PlimsollReplicasDown',
    series: targets('plimsoll', [level([60, 1]), level([20, 1], [40, 0]), level([20, 1], [40, 0])]),
    at: '30m',
    firing: downOf('plimsoll', '66.67%'),
  },
  {
    name: 'does not fire when one of three does not answer',
    alert: 'PlimsollReplicasDown',
    series: targets('plimsoll', [level([60, 1]), level([60, 1]), level([20, 1], [40, 0])]),
    at: '30m',
    firing: [],
  },
  {
    name: 'does not fire when both of two are down: that is another page',
    alert: 'PlimsollReplicasDown',
    series: targets('plimsoll', [level([60, 0]), level([60, 0])]),
    at: '30m',
    firing: [],
  },
  {
    name: 'fires when 29 of 30 replicas of a job that no setting names are gone',
    alert: 'PlimsollReplicasDown',
    series: builds('shop', ['1x80', ...are(29, '1x40 stale')]),
    at: '50m',
    firing: downOf('shop', '96.67%'),
  },
  {
    name: 'does not fire when a service scales down from thirty to twelve',
    alert: 'PlimsollReplicasDown',
    series: builds('shop', [...are(12, '1x80'), ...are(18, '1x40 stale')]),
    at: '50m',
    firing: [],
  },
  {
    name: 'does not fire during a rollout of three minutes',
    alert: 'PlimsollReplicasDown',
    series: builds('shop', ['1x80', ...are(9, '1x40 stale _x3 1x40')]),
    at: '46m',
    firing: [],
  },
];

export const STOP_CASES: readonly AlertCase[] = [...SPEND, ...BUDGETS, ...KEYS, ...GATEWAY, ...TELEMETRY, ...REPLICAS];
