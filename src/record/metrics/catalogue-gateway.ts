import type { MetricDeclaration } from './metric.ts';

/** Metrics of the gateway itself. Its calls are in the other sections. */
export const GATEWAY_METRICS = [
  {
    name: 'plimsoll_gateway_refusals_total',
    type: 'counter',
    section: 'gateway',
    help: 'Requests that the gateway refused before they became calls, by reason.',
    unit: null,
    labels: ['reason'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_resends_total',
    type: 'counter',
    section: 'gateway',
    help: 'Requests that the gateway sent to the API again, because a kept connection was closed before a byte of a response: closed, reset, broken_pipe. Each is one attempt.',
    unit: null,
    labels: ['cause'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_configuration_loads_total',
    type: 'counter',
    section: 'gateway',
    help: 'Reloads of the configuration of a running gateway, by outcome: loaded, invalid, needs_restart. Only loaded changes anything.',
    unit: null,
    labels: ['outcome'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_redis_up',
    type: 'gauge',
    section: 'gateway',
    help: 'Whether the Redis of a store answers: 1, or 0 while the gateway does not ask it on behalf of requests. Absent for stores that are not in Redis.',
    unit: null,
    labels: ['store'],
    aggregator: 'min',
  },
  {
    name: 'plimsoll_gateway_redis_outages_total',
    type: 'counter',
    section: 'gateway',
    help: 'Times that the Redis of a store stopped answering, by cause: timeout, disconnected, not_ready.',
    unit: null,
    labels: ['store', 'cause'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_faults_total',
    type: 'counter',
    section: 'gateway',
    help: 'Failures of what the gateway needs, by part and cause. api: refused, dns, unreachable, tls, connect_timeout, timeout, reset, closed, protocol. key: key_file_empty, key_file_unreadable, key_file_unusable. ledger, tokens: disk_full, disk_failed, ledger_unavailable, tokens_unavailable. A fault of a key counts once, until it is mended.',
    unit: null,
    labels: ['part', 'cause'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_failovers_total',
    type: 'counter',
    section: 'gateway',
    help: 'Requests that the gateway rerouted after a key refused them or its API could not be reached, by that key, the reason, and the way: pool, key, model. Clients saw no refusal from that key.',
    unit: null,
    labels: ['key', 'reason', 'way'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_detours_total',
    type: 'counter',
    section: 'gateway',
    help: 'Requests that went where a rule of their client leads from the start, because all of their own keys rested, by the key whose rest ends first, the reason of that rest, and the way: key, model. Nobody refused them.',
    unit: null,
    labels: ['key', 'reason', 'way'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_key_state',
    type: 'gauge',
    section: 'gateway',
    help: 'State of a key that has an alternative: 1 for the state it is in, 0 for the others. closed: it is asked; half_open: its rest is over, and the next request tries it alone, or does so now; the others say why it rests.',
    unit: null,
    labels: ['key', 'state'],
    aggregator: 'max',
  },
  {
    name: 'plimsoll_gateway_logins',
    type: 'gauge',
    section: 'gateway',
    help: 'Logins of subscribers that this process has seen in the last day, by client; at most 1,000 are known at the same time.',
    unit: null,
    labels: ['client'],
    aggregator: 'max',
  },
  {
    name: 'plimsoll_gateway_login_used_ratio',
    type: 'gauge',
    section: 'gateway',
    help: 'Part of a subscription that is used, as the API says, of the login that has used most, by client and window: 5h, 7d. Above 1 with extra usage; absent from its reset until it is seen again.',
    unit: 'ratio',
    labels: ['client', 'window'],
    aggregator: 'max',
  },
  {
    name: 'plimsoll_gateway_workers',
    type: 'gauge',
    section: 'gateway',
    help: 'Worker processes of a gateway with several, by state: starting, ready, hung (does not answer the process that supervises it), leaving. Absent where it has one process.',
    unit: null,
    labels: ['state'],
    aggregator: 'sum',
  },
  {
    name: 'plimsoll_gateway_worker_exits_total',
    type: 'counter',
    section: 'gateway',
    help: 'Worker processes that ended, by cause: hung (no answer for limits.hungWorkerSeconds, then killed), killed by another signal, failed with an exit code, left without being asked to, replaced on request. Another took its place.',
    unit: null,
    labels: ['cause'],
    aggregator: 'sum',
  },
] as const satisfies readonly MetricDeclaration[];

/** States of a worker process: the closed set of the label `state`. */
export const WORKER_STATES = ['starting', 'ready', 'hung', 'leaving'] as const;

export type WorkerState = (typeof WORKER_STATES)[number];

/** Ends of a worker process while its gateway runs: the closed set of the label `cause`. */
export const WORKER_EXITS = ['hung', 'killed', 'failed', 'left', 'replaced'] as const;

export type WorkerExit = (typeof WORKER_EXITS)[number];

/** Reasons to refuse a request before it becomes a call: the closed set of the label `reason`. */
export const GATEWAY_REFUSALS = [
  'missing',
  'malformed',
  'unknown',
  'expired',
  'revoked',
  'wrong_origin',
  'unavailable',
  'not_found',
  'invalid',
  'too_large',
  'overloaded',
  'busy',
  'draining',
] as const;

export type GatewayRefusal = (typeof GATEWAY_REFUSALS)[number];

/** Ends of a kept connection after which a request is sent again: the closed set of the label `cause`. */
export const RESEND_CAUSES = ['closed', 'reset', 'broken_pipe'] as const;

export type ResendCause = (typeof RESEND_CAUSES)[number];

/** What a gateway may keep in Redis, each on a connection of its own: the closed set of the label `store`. */
export type RedisStore = 'tokens' | 'ledger' | 'totals' | 'reports';

/** Outcomes of reading the configuration again: the closed set of the label `outcome`. */
export const CONFIGURATION_LOADS = ['loaded', 'invalid', 'needs_restart'] as const;

export type ConfigurationLoad = (typeof CONFIGURATION_LOADS)[number];

/** What the gateway needs to work: the closed set of the label `part`. */
export const FAULT_PARTS = ['api', 'key', 'ledger', 'tokens'] as const;

export type FaultPart = (typeof FAULT_PARTS)[number];

/** The causes of a failure of each part: the closed set of the label `cause`. */
export const FAULT_CAUSES = {
  api: ['refused', 'dns', 'unreachable', 'tls', 'connect_timeout', 'timeout', 'reset', 'closed', 'protocol', 'other'],
  key: ['key_file_empty', 'key_file_unreadable', 'key_file_unusable'],
  ledger: ['disk_full', 'disk_failed', 'ledger_unavailable'],
  tokens: ['disk_full', 'disk_failed', 'tokens_unavailable'],
} as const satisfies Readonly<Record<FaultPart, readonly string[]>>;

export type CauseOf<Part extends FaultPart> = (typeof FAULT_CAUSES)[Part][number];

export type FaultCause = CauseOf<FaultPart>;
/** Refusals after which a request is sent another way: the closed set of the label `reason` of failovers. */
export const FAILOVER_REASONS = ['rate_limited', 'spend_limited', 'unauthorized', 'overloaded', 'unreachable'] as const;

export type FailoverReason = (typeof FAILOVER_REASONS)[number];

/** Where such a request goes: another key of its pool, or, by a rule of its client, another key or model. */
export type FailoverWay = 'pool' | 'key' | 'model';

/** States of a key's circuit breaker: the closed set of the label `state`. Those of a reason are open. */
export const KEY_STATES = ['closed', 'half_open', ...FAILOVER_REASONS] as const;

export type KeyState = (typeof KEY_STATES)[number];

/** Windows of a subscription's limits: the closed set of the label `window`. */
export const LOGIN_WINDOWS = ['5h', '7d'] as const;

export type LoginWindow = (typeof LOGIN_WINDOWS)[number];
