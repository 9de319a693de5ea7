import type { Fault } from 'plimsoll/simulator';
import { ORDINARY, type HistoryOptions } from './history.ts';

/** A history in which one thing is wrong, and the alerts that must tell of it. */
interface Cause {
  readonly history: Omit<HistoryOptions, 'endMs'>;
  readonly alerts: readonly string[];
}

const MINUTES = 44;
/** Between two scrapes. */
const CALLS = 10;

const many = (fault: Fault, times: number): readonly Fault[] => Array.from({ length: times }, () => fault);

/** Headers that make the SDK retry without a wait of its own. */
const soon = { 'retry-after': '1' };

/** Every try of so many calls, of which the SDK makes three each, meets the fault. */
const outlasting = (fault: Fault, calls: number): readonly Fault[] => many(fault, 3 * calls);

/** The fault, then an answer: retries absorb it. */
const absorbed = (fault: Fault, calls: number): readonly Fault[] =>
  Array.from({ length: calls }, () => [fault, { fault: 'none' } as const]).flat();

const cause = (name: string, given: Partial<HistoryOptions>, alerts: readonly string[]): Cause => ({
  history: { name, minutes: MINUTES, calls: () => CALLS, seed: name.length, ...given },
  alerts,
});

/** Each alone in its job; none but the first few pages, and each no page but its own. */
export const CAUSES: readonly Cause[] = [
  cause('outage', { faults: () => outlasting({ fault: 'server_error' }, 4) }, ['PlimsollErrorBudgetBurn']),
  cause(
    'slowness',
    { calls: () => 3, scenario: { ...ORDINARY, latency: { firstByteMs: { kind: 'constant', value: 38_000 } } } },
    ['PlimsollLatencyBudgetBurn'],
  ),
  cause('no-money', { faults: () => many({ fault: 'workspace_spend_limit' }, 3) }, ['PlimsollSpendCapReached']),
  cause('revoked-key', { faults: () => many({ fault: 'unauthorized' }, 4) }, ['PlimsollUnauthorized']),
  cause('lost-tokens', { gateway: () => ({ unavailable: 4 }) }, ['PlimsollGatewayRefuses']),
  cause('small-budget', { budgetUsd: 0.05, mode: 'block' }, ['PlimsollBudgetBlocks']),
  cause('limited', { calls: () => 30, faults: () => absorbed({ fault: 'output_tokens_limit', headers: soon }, 9) }, [
    'PlimsollRateLimited',
  ]),
  cause('ramp', { faults: () => absorbed({ fault: 'acceleration_limit', headers: soon }, 2) }, [
    'PlimsollAccelerationLimited',
  ]),
  cause('overload', { calls: () => 30, faults: () => absorbed({ fault: 'overloaded' }, 9) }, ['PlimsollOverloaded']),
  cause('paced', { pace: { share: 0.005, maxWaitMs: 500 } }, ['PlimsollPaceWaits']),
  cause('unpriced', { unpricedModel: 'claude-of-tomorrow' }, ['PlimsollUnpricedUsage']),
  cause('cut-off', { scenario: { ...ORDINARY, outputTokens: { kind: 'constant', value: 900 } } }, [
    'PlimsollTruncated',
  ]),
];
