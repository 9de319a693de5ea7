/**
 * What servers were seen to say when they refuse, with what each means and is to be done about it. Wordings are as people
 * reported them, 2024 to September 2026; every right value is by hand, from what became of the account afterwards.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, retryPolicy, type Call, type Rejection } from 'plimsoll';
import { Registry } from 'prom-client';
import { run, served } from '../../testing/checked.ts';
import { PARAMS, samples } from '../../testing/client-workbench.ts';

interface Refusal {
  readonly status: number;
  readonly type?: string;
  readonly message: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Report {
  readonly refusal: Refusal;
  readonly expected: Rejection;
  /** Exit code of `plimsoll check`: 7 for money, 8 for what passes. */
  readonly check: 7 | 8 | 1;
  /** Another attempt can succeed. */
  readonly isRetried: boolean;
}

const money = (outcome: Rejection['outcome'], spendScope: Rejection['spendScope'], status = 429): Rejection => ({
  outcome,
  rateLimitReason: status === 429 ? 'spend_limit' : null,
  spendScope,
});
const limited = (rateLimitReason: Rejection['rateLimitReason']): Rejection => ({
  outcome: 'rate_limited',
  rateLimitReason,
  spendScope: null,
});

const bucket = (name: string, limit: number, remaining: number): Readonly<Record<string, string>> => ({
  [`anthropic-ratelimit-${name}-limit`]: String(limit),
  [`anthropic-ratelimit-${name}-remaining`]: String(remaining),
});

const INPUT_LIMIT =
  'This request would exceed the rate limit for your organization (d1f8a929-344a-41f7-8f0b-a462d53000d5) of 30,000 input ' +
  'tokens per minute. For details, refer to: https://docs.anthropic.com/en/api/rate-limits. You can see the response ' +
  'headers for current usage. Please reduce the prompt length or the maximum tokens requested, or try again later.';

const REPORTS: Readonly<Record<string, Report>> = {
  'no credit is left, with the status of a wrong request': {
    refusal: {
      status: 400,
      type: 'invalid_request_error',
      message:
        'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
    },
    expected: money('out_of_credit', 'credit', 400),
    check: 7,
    isRetried: false,
  },
  'no credit is left, with the documented status': {
    refusal: { status: 402, type: 'billing_error', message: 'Your credit balance is too low.' },
    expected: money('out_of_credit', 'credit', 402),
    check: 7,
    isRetried: false,
  },
  'extra usage is used up': {
    refusal: {
      status: 400,
      message: "You're out of extra usage. Add more at claude.ai/settings/usage and keep going.",
    },
    expected: money('out_of_credit', 'credit', 400),
    check: 7,
    isRetried: false,
  },
  'a payment is declined': {
    refusal: { status: 402, type: 'billing_error', message: 'Billing problem.' },
    expected: money('payment_required', 'billing', 402),
    check: 7,
    isRetried: false,
  },
  'a subscription has spent its month, with a wait of minutes': {
    refusal: {
      status: 429,
      message: "This request would exceed your account's monthly spend limit. Please try again later.",
      headers: { 'retry-after': '1' },
    },
    expected: money('spend_limited', 'account'),
    check: 7,
    isRetried: false,
  },
  'a gateway keeps a limit for each developer': {
    refusal: {
      status: 429,
      type: 'billing_error',
      message: 'spend limit reached (daily; resets at midnight)',
      headers: { 'x-should-retry': 'false' },
    },
    expected: money('spend_limited', 'gateway'),
    check: 7,
    isRetried: false,
  },
  'a long prompt needs extra usage': {
    refusal: { status: 429, message: 'Extra usage is required for long context requests.' },
    expected: limited('long_context'),
    check: 8,
    isRetried: false,
  },
  'too many connections are open': {
    refusal: {
      status: 429,
      message:
        'Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales to discuss your options.',
    },
    expected: limited('concurrency'),
    check: 8,
    isRetried: true,
  },
  'a prompt is larger than all of an untouched minute': {
    refusal: { status: 429, message: INPUT_LIMIT, headers: bucket('input-tokens', 30_000, 30_000) },
    expected: limited('prompt_too_large'),
    check: 8,
    isRetried: false,
  },
  'a prompt is larger than what is left of the minute': {
    refusal: { status: 429, message: INPUT_LIMIT, headers: bucket('input-tokens', 30_000, 12_000) },
    expected: limited('input_tokens'),
    check: 8,
    isRetried: true,
  },
  'traffic grows too fast, without a code': {
    refusal: {
      status: 429,
      message:
        "This request would exceed your organization's maximum usage increase rate for input tokens per minute. Please scale up more gradually.",
    },
    expected: limited('acceleration'),
    check: 8,
    isRetried: true,
  },
  'the wording of 2024': {
    refusal: {
      status: 429,
      message: 'Number of request tokens has exceeded your per-minute rate limit (https://docs.anthropic.com).',
    },
    expected: limited('tokens'),
    check: 8,
    isRetried: true,
  },
  'a server that is short of words': {
    refusal: { status: 429, message: 'Rate limited' },
    expected: limited('unknown'),
    check: 8,
    isRetried: true,
  },
  'another server’s words that only sound like a limit': {
    refusal: { status: 429, message: 'Too fast: ramp up your requests and tokens per project more slowly.' },
    expected: limited('unknown'),
    check: 8,
    isRetried: true,
  },
  'a limit that the sentence of another limit mentions': {
    refusal: {
      status: 429,
      message:
        "This request would exceed your account's rate limit. Batch requests and fast mode have limits of their own.",
    },
    expected: limited('unknown'),
    check: 8,
    isRetried: true,
  },
  'a pool that the organization does not have, beside the limit that refused': {
    refusal: {
      status: 429,
      message: INPUT_LIMIT,
      headers: {
        'anthropic-fast-input-tokens-limit': '0',
        'anthropic-fast-input-tokens-remaining': '0',
        ...bucket('input-tokens', 30_000, 2_000),
      },
    },
    expected: limited('input_tokens'),
    check: 8,
    isRetried: true,
  },
  'two limits are used up, and the sentence names the second': {
    refusal: {
      status: 429,
      message: INPUT_LIMIT,
      headers: { ...bucket('requests', 50, 0), ...bucket('input-tokens', 30_000, 0) },
    },
    expected: limited('input_tokens'),
    check: 8,
    isRetried: true,
  },
  'a code, whatever sentence and headers say': {
    refusal: { status: 429, code: 'ramp_limit_exceeded', message: INPUT_LIMIT, headers: bucket('requests', 50, 0) },
    expected: limited('acceleration'),
    check: 8,
    isRetried: true,
  },
  'a code that is not known': {
    refusal: { status: 429, code: 'limit_of_next_year', message: 'No.', headers: bucket('output-tokens', 8_000, 0) },
    expected: limited('output_tokens'),
    check: 8,
    isRetried: true,
  },
  'a wrong request that quotes what it was asked': {
    refusal: { status: 400, message: 'messages.0: "Your credit balance is too low" is not allowed here' },
    expected: { outcome: 'invalid_request', rateLimitReason: null, spendScope: null },
    check: 1,
    isRetried: false,
  },
};

function answer({ status, type, message, code, headers }: Refusal): Response {
  const error = {
    type: type ?? (status === 429 ? 'rate_limit_error' : 'invalid_request_error'),
    message,
    ...(code !== undefined && { details: { error_code: code } }),
  };
  const body = { type: 'error', error, request_id: 'req_011C' };
  return Response.json(body, { status, headers: { 'request-id': 'req_011C', ...headers } });
}

/** One call with a retry policy, refused each time: what was told of it, counted and sent. */
async function refused(refusal: Refusal) {
  const registry = new Registry();
  let sent = 0;
  const fetch = (): Promise<Response> => {
    sent++;
    return Promise.resolve(answer(refusal));
  };
  const policy = retryPolicy({ attempts: 2, backoffMs: 0, budget: null });
  const plain = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off' });
  const call = await new Promise<Call>((onCall) => {
    const claude = instrument(plain, { registry, retry: policy, onCall });
    claude.messages.create(PARAMS).catch(() => undefined);
  });
  return { call, registry, sent };
}

async function explained(t: TestContext, refusal: Refusal): Promise<number> {
  const url = await served(t, () => Promise.resolve(answer(refusal)));
  return (await run({ ANTHROPIC_BASE_URL: url })).code;
}

describe('a refusal means the same to metrics, onCall, the retry policy and check, where', () => {
  for (const [name, { refusal, expected, check, isRetried }] of Object.entries(REPORTS)) {
    it(name, async (t) => {
      const { call, registry, sent } = await refused(refusal);
      assert.deepEqual({ ...call.rejection }, expected);
      assert.equal(call.outcome, expected.outcome);
      assert.equal(sent, isRetried ? 2 : 1);
      const labels = async (metric: string, label: string): Promise<readonly string[]> =>
        Object.keys(await samples(registry, metric)).flatMap(
          (key) => new RegExp(`${label}=(\\w+)`).exec(key)?.[1] ?? [],
        );
      assert.deepEqual(await labels('anthropic_requests_total', 'outcome'), [expected.outcome]);
      const { rateLimitReason: reason, spendScope: scope } = expected;
      assert.deepEqual(await labels('anthropic_rate_limited_total', 'reason'), reason === null ? [] : [reason]);
      assert.deepEqual(await labels('anthropic_spend_limited_total', 'scope'), scope === null ? [] : [scope]);
      assert.equal(await explained(t, refusal), check);
    });
  }
});
