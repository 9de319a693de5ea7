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
  concurrency_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  prompt_over_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  long_context: ['RateLimitError', 429, 'rate_limit_error', null, null],
  account_spend_limit: ['RateLimitError', 429, 'rate_limit_error', null, '1'],
  gateway_spend_limit: ['RateLimitError', 429, 'billing_error', null, '1'],
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
  user_profile_required: ['UserProfileRequiredError', 400, 'invalid_request_error', 'user_profile_required', null],
  user_profile_not_authorized: [
    'UserProfileBillingNotAuthorizedError',
    403,
    'permission_error',
    'user_profile_billing_not_authorized',
    null,
  ],
  no_credit: ['BadRequestError', 400, 'invalid_request_error', null, null],
  billing: ['PaymentRequiredError', 402, 'billing_error', null, null],
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
  test('every refusal has an expectation', () => {
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
