import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { REFUSALS, type RefusalName } from 'plimsoll/simulator';
import { ASK, bench, refusal } from '../../testing/simulator-bench.ts';

/** From the API's error pages: what each refusal is to whoever sees it. */
const EXPECTED: Readonly<
  Record<
    RefusalName,
    readonly [sdkClass: string, status: number, type: string, errorCode: string | null, retryAfter: string | null]
  >
> = {
  requests_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  input_tokens_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  output_tokens_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  fast_mode_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  acceleration_limit: ['RampLimitExceededError', 429, 'rate_limit_error', 'ramp_limit_exceeded', '1'],
  tier_spend_cap: ['EnforcedSpendLimitReachedError', 429, 'rate_limit_error', 'enforced_spend_limit_reached', null],
  contract_spend_cap: ['ContractSpendLimitReachedError', 429, 'rate_limit_error', 'contract_spend_limit_reached', null],
  claude_code_workspace_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  batch_queue_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  organization_spend_limit: ['BadRequestError', 400, 'invalid_request_error', null, null],
  workspace_spend_limit: ['BadRequestError', 400, 'invalid_request_error', null, null],
  linked_organization_spend_limit: [
    'LinkedOrganizationSpendLimitReachedError',
    402,
    'billing_error',
    'linked_organization_spend_limit_reached',
    null,
  ],
  linked_organization_billing: [
    'LinkedOrganizationBillingUnavailableError',
    402,
    'billing_error',
    'linked_organization_billing_unavailable',
    null,
  ],
  invalid_request: ['BadRequestError', 400, 'invalid_request_error', null, null],
  unauthorized: ['AuthenticationError', 401, 'authentication_error', null, null],
  permission_denied: ['PermissionDeniedError', 403, 'permission_error', null, null],
  not_found: ['NotFoundError', 404, 'not_found_error', null, null],
  request_timeout: ['RequestTimeoutError', 408, 'timeout_error', null, null],
  conflict: ['ConflictError', 409, 'conflict_error', null, null],
  request_too_large: ['ContentTooLargeError', 413, 'request_too_large', null, null],
  server_error: ['InternalServerError', 500, 'api_error', null, null],
  service_unavailable: ['CMEKContextUnavailableError', 503, 'api_error', 'cmek_context_unavailable', null],
  encryption_key_unreachable: ['CMEKKeyUnreachableError', 503, 'api_error', 'cmek_key_unreachable', null],
  gateway_timeout: ['GatewayTimeoutError', 504, 'timeout_error', null, null],
  overloaded: ['OverloadedError', 529, 'overloaded_error', null, null],
};

describe('the real SDK meets every refusal as its own class', () => {
  test('each refusal is expected to be something', () => {
    assert.deepEqual(Object.keys(EXPECTED).sort(), Object.keys(REFUSALS).sort());
  });

  for (const [fault, [sdkClass, status, type, errorCode, retryAfter]] of Object.entries(EXPECTED)) {
    test(`${fault} is ${status} ${type}, to the SDK ${sdkClass}`, async () => {
      const { claude, sdk } = bench();
      claude.script([{ fault: fault as RefusalName }]);
      const error = await refusal(sdk.messages.create(ASK));
      assert.deepEqual(
        [error.name, error.status, error.type, error.errorCode, error.headers?.get('retry-after') ?? null],
        [sdkClass, status, type, errorCode, retryAfter],
      );
      assert.match(error.requestID ?? '', /^req_/);
      assert.deepEqual(error.error, {
        type: 'error',
        error: { type, message: error.apiMessage, ...(errorCode !== null && { details: { error_code: errorCode } }) },
        request_id: error.requestID,
      });
      const [request] = claude.truth.requests;
      assert.deepEqual(
        [request?.status, request?.errorType, request?.errorCode, request?.fault, request?.billed, request?.usage],
        [status, type, errorCode, fault, [], null],
      );
    });
  }

  test('an error without a name can have any status, type, message and code', async () => {
    const { claude, sdk } = bench();
    claude.script([
      { fault: 'error', status: 418, type: 'teapot_error', message: 'short and stout', errorCode: 'spout' },
    ]);
    const error = await refusal(sdk.messages.create(ASK));
    assert.deepEqual(
      [error.status, error.type, error.apiMessage, error.errorCode],
      [418, 'teapot_error', 'short and stout', 'spout'],
    );
  });
});

describe('messages say which limit it was, for whom and until when', () => {
  const messages: readonly (readonly [RefusalName, RegExp])[] = [
    [
      'requests_limit',
      /^This request would exceed your organization's rate limit of 10,000 requests per minute \(org: [0-9a-f-]{36}, model: claude-haiku-5-5\)/,
    ],
    ['input_tokens_limit', /rate limit of 10,000,000 input tokens per minute/],
    ['output_tokens_limit', /rate limit of 2,000,000 output tokens per minute/],
    [
      'organization_spend_limit',
      /^You have reached your specified API usage limits\. You will regain access on 2026-12-01 at 00:00 UTC\.$/,
    ],
    ['workspace_spend_limit', /^You have reached your specified workspace API usage limits\./],
    ['tier_spend_cap', /2026-12-01 at 00:00 UTC/],
  ];
  for (const [fault, message] of messages) {
    test(fault, async () => {
      const { claude, sdk } = bench();
      claude.script([{ fault }]);
      assert.match((await refusal(sdk.messages.create(ASK))).apiMessage ?? '', message);
    });
  }

  const exhausted: readonly (readonly [RefusalName, string])[] = [
    ['requests_limit', 'anthropic-ratelimit-requests-remaining'],
    ['input_tokens_limit', 'anthropic-ratelimit-input-tokens-remaining'],
    ['output_tokens_limit', 'anthropic-ratelimit-output-tokens-remaining'],
  ];
  for (const [fault, header] of exhausted) {
    test(`${fault} has ${header}: 0 and nothing else at 0`, async () => {
      const { claude, sdk } = bench();
      claude.script([{ fault }]);
      const { headers } = await refusal(sdk.messages.create(ASK));
      assert.ok(headers);
      const empty = [...headers].filter(([name, value]) => name.endsWith('-remaining') && value === '0');
      assert.deepEqual(
        empty.map(([name]) => name),
        [header],
      );
    });
  }

  test('a spend cap and an acceleration limit leave every remaining figure above 0', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'tier_spend_cap' }, { fault: 'acceleration_limit' }]);
    for (let each = 0; each < 2; each += 1) {
      const { headers } = await refusal(sdk.messages.create(ASK));
      assert.ok(headers);
      const remaining = [...headers].filter(([name]) => name.endsWith('-remaining'));
      assert.ok(remaining.length >= 4 && remaining.every(([, value]) => Number(value) > 0));
    }
  });

  test('the fast-mode limit shows the fast pool, whose headers have no ratelimit in their names', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'fast_mode_limit' }]);
    const { headers } = await refusal(sdk.messages.create({ ...ASK, model: 'claude-opus-5-5', speed: 'fast' }));
    assert.equal(headers?.get('anthropic-fast-input-tokens-remaining'), '0');
    assert.equal(headers?.get('anthropic-ratelimit-input-tokens-remaining'), null);
  });

  test('the fast-mode limit shows the fast pool on a request that is not fast, too', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'fast_mode_limit' }]);
    const { headers } = await refusal(sdk.messages.create(ASK));
    assert.equal(headers?.get('anthropic-fast-input-tokens-remaining'), '0');
    assert.equal(headers?.get('anthropic-ratelimit-input-tokens-remaining'), null);
  });
});

describe('headers can be overridden, on refusals and on answers', () => {
  test('a value replaces, null removes', async () => {
    const { claude, sdk } = bench();
    claude.script([
      { fault: 'requests_limit', headers: { 'retry-after': null, 'retry-after-ms': '20', 'x-should-retry': 'false' } },
      { fault: 'headers', headers: { 'retry-after': '31', 'anthropic-ratelimit-requests-reset': 'soon' } },
    ]);
    const { headers } = await refusal(sdk.messages.create(ASK));
    assert.deepEqual(
      ['retry-after', 'retry-after-ms', 'x-should-retry'].map((name) => headers?.get(name)),
      [null, '20', 'false'],
    );
    const { response } = await sdk.messages.create(ASK).withResponse();
    assert.equal(response.headers.get('retry-after'), '31');
    assert.equal(response.headers.get('anthropic-ratelimit-requests-reset'), 'soon');
  });

  test('the SDK obeys what the retry headers say', async () => {
    const { claude, sdk } = bench({}, { maxRetries: 2 });
    claude.script([{ fault: 'requests_limit', headers: { 'x-should-retry': 'false' } }]);
    await refusal(sdk.messages.create(ASK));
    assert.equal(claude.truth.requests.length, 1);
    claude.script([
      { fault: 'invalid_request', headers: { 'x-should-retry': 'true', 'retry-after-ms': '1' } },
      { fault: 'overloaded', headers: { 'retry-after-ms': '1' } },
    ]);
    await sdk.messages.create(ASK);
    assert.deepEqual(
      claude.truth.requests.map(({ status, retryCount }) => [status, retryCount]),
      [
        [429, 0],
        [400, 0],
        [529, 1],
        [200, 2],
      ],
    );
  });
});
