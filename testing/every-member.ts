/**
 * How the simulator and the real SDK bring about each member of the vocabulary's closed sets. A new member compiles once
 * there is a way to it, and `test/simulator/simulator-every-member.test.ts` then holds that it is recognized and counted.
 */
import { RetryBudget, type RetryPolicyOptions } from 'plimsoll';
import type { Fault } from 'plimsoll/simulator';
import { REFUSAL } from '../src/decisions.ts';
import type { Outcome, RateLimitReason, RetryDenial, SpendScope } from '../src/vocabulary.ts';
import { collectUntil } from './collect-until.ts';
import { collected, PARAMS, type Workbench } from './client-workbench.ts';

export const FAULT_OF_REASON: Readonly<Record<RateLimitReason, Fault>> = {
  requests: { fault: 'requests_limit' },
  input_tokens: { fault: 'input_tokens_limit' },
  output_tokens: { fault: 'output_tokens_limit' },
  tokens: {
    fault: 'error',
    status: 429,
    type: 'rate_limit_error',
    headers: { 'anthropic-ratelimit-tokens-remaining': '0' },
  },
  fast_mode: { fault: 'fast_mode_limit' },
  acceleration: { fault: 'acceleration_limit' },
  concurrency: { fault: 'concurrency_limit' },
  prompt_too_large: { fault: 'prompt_over_limit' },
  long_context: { fault: 'long_context' },
  spend_limit: { fault: 'tier_spend_cap' },
  contract_spend_limit: { fault: 'contract_spend_cap' },
  client_limit: { fault: 'error', status: 429, type: 'rate_limit_error', headers: { 'plimsoll-limit': 'client' } },
  unknown: { fault: 'claude_code_workspace_limit' },
};

export const FAULT_OF_SCOPE: Readonly<Record<SpendScope, Fault>> = {
  tier: { fault: 'tier_spend_cap' },
  contract: { fault: 'contract_spend_cap' },
  organization: { fault: 'organization_spend_limit' },
  workspace: { fault: 'workspace_spend_limit' },
  linked_organization: { fault: 'linked_organization_spend_limit' },
  account: { fault: 'account_spend_limit' },
  gateway: { fault: 'gateway_spend_limit' },
  credit: { fault: 'no_credit' },
  billing: { fault: 'linked_organization_billing' },
};

/** A retry that the SDK would make, and a policy that denies it. */
export const DENIED_BY: Readonly<Record<RetryDenial, { readonly fault: Fault; readonly policy: RetryPolicyOptions }>> =
  {
    spend_limit: { fault: { fault: 'tier_spend_cap' }, policy: {} },
    retry_budget: { fault: { fault: 'overloaded' }, policy: { budget: new RetryBudget({ ratio: 0, floor: 0 }) } },
    deadline: { fault: { fault: 'requests_limit' }, policy: { deadlineMs: 1 } },
    retry_after: { fault: { fault: 'requests_limit' }, policy: { maxRetryAfterMs: 0 } },
    not_retryable: { fault: { fault: 'invalid_request', headers: { 'x-should-retry': 'true' } }, policy: {} },
  };

/** What goes wrong with one call, and how its caller makes it. */
export interface Way {
  readonly fault: Fault;
  readonly call: (bench: Workbench) => Promise<unknown>;
  readonly isBlocked?: true;
  /** In place of the simulator's, which keeps what it has not sent and so is never collected. */
  readonly fetch?: typeof fetch;
}

const create = (fault: Fault): Way => ({ fault, call: ({ claude }) => claude.messages.create(PARAMS) });

const stream = (fault: Fault): Way => ({
  fault,
  call: async ({ claude }) => collected(await claude.messages.create({ ...PARAMS, stream: true })),
});

/** `failed_over` is the gateway's alone: `test/gateway/forward-failover.test.ts`. */
export const WAY_TO_OUTCOME: Readonly<Record<Exclude<Outcome, 'failed_over'>, Way>> = {
  ok: create({ fault: 'none' }),
  rate_limited: create({ fault: 'requests_limit' }),
  spend_limited: create({ fault: 'organization_spend_limit' }),
  overloaded: create({ fault: 'overloaded' }),
  server_error: create({ fault: 'server_error' }),
  timeout: create({ fault: 'request_timeout' }),
  connection_error: create({ fault: 'connection_reset' }),
  invalid_request: create({ fault: 'invalid_request' }),
  unauthorized: create({ fault: 'unauthorized' }),
  not_found: create({ fault: 'not_found' }),
  too_large: create({ fault: 'request_too_large' }),
  out_of_credit: create({ fault: 'no_credit' }),
  payment_required: create({ fault: 'billing' }),
  cancelled: {
    fault: { fault: 'none' },
    call: async ({ claude }) => {
      for await (const event of await claude.messages.create({ ...PARAMS, stream: true })) {
        if (event.type === 'content_block_delta') break;
      }
    },
  },
  stream_error: stream({ fault: 'error_event', type: 'unheard_of_error' }),
  truncated: stream({ fault: 'cut_body', at: 'message_stop' }),
  abandoned: {
    fault: { fault: 'none' },
    call: abandon,
    fetch: () => Promise.resolve(new Response('{}', { headers: { 'content-type': 'application/json' } })),
  },
  blocked: { ...create({ fault: 'none' }), isBlocked: true },
};

/** A guard that refuses every call. */
export const REFUSING = {
  admit(): never {
    throw Object.assign(new Error('refused'), { [REFUSAL]: true });
  },
};

/** The body is still in memory when the request returns, and is collected in a later turn. */
async function abandon({ claude, log }: Workbench): Promise<void> {
  await (async () => {
    await claude.messages.create(PARAMS).asResponse();
  })();
  await collectUntil(() => log.calls.length > 0);
}
