/**
 * The API's errors by name, as data. `message` may contain `{limit}`, `{organization}`, `{model}` and `{regain}` (the
 * first of next month). `exhausted` is the limit whose headers then show `remaining: 0`, `full` one whose headers show all of it.
 * Statuses, types and codes: the API's error pages and SDK 1.14.0; wordings as seen in public reports of 2025 and 2026,
 * which may change any day: never match on them.
 */
export const REFUSALS = {
  requests_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: rateLimitMessage('requests per minute'),
    exhausted: 'requests',
    retryAfter: true,
  },
  input_tokens_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: rateLimitMessage('input tokens per minute'),
    exhausted: 'input_tokens',
    retryAfter: true,
  },
  output_tokens_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: rateLimitMessage('output tokens per minute'),
    exhausted: 'output_tokens',
    retryAfter: true,
  },
  fast_mode_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: rateLimitMessage('fast mode input tokens per minute'),
    exhausted: 'fast_input_tokens',
    retryAfter: true,
  },
  acceleration_limit: {
    status: 429,
    type: 'rate_limit_error',
    message:
      "This request would exceed your organization's maximum usage increase rate. Please increase usage gradually.",
    errorCode: 'ramp_limit_exceeded',
    retryAfter: true,
  },
  tier_spend_cap: {
    status: 429,
    type: 'rate_limit_error',
    message:
      'Your organization has reached the monthly spend limit of its usage tier. Access returns on {regain} at 00:00 UTC.',
    errorCode: 'enforced_spend_limit_reached',
    retryAfter: false,
  },
  contract_spend_cap: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Your organization has reached the spend limit of its contract.',
    errorCode: 'contract_spend_limit_reached',
    retryAfter: false,
  },
  claude_code_workspace_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: 'This request would exceed the rate limit of your Claude Code workspace.',
    retryAfter: true,
  },
  concurrency_limit: {
    status: 429,
    type: 'rate_limit_error',
    message:
      'Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales at ' +
      'https://claude.com/contact-sales to discuss your options for a rate limit increase.',
    retryAfter: true,
  },
  prompt_over_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: rateLimitMessage('input tokens per minute'),
    full: 'input_tokens',
    retryAfter: true,
  },
  long_context: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Extra usage is required for long context requests.',
    retryAfter: false,
  },
  account_spend_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: "This request would exceed your account's monthly spend limit. Please try again later.",
    retryAfter: true,
  },
  gateway_spend_limit: {
    status: 429,
    type: 'billing_error',
    message: 'spend limit reached (daily; resets {regain})',
    retryAfter: true,
    shouldRetry: false,
  },
  batch_queue_limit: {
    status: 429,
    type: 'rate_limit_error',
    message: "This request would exceed your organization's limit of {limit} batch requests in the processing queue.",
    retryAfter: true,
  },
  organization_spend_limit: {
    status: 400,
    type: 'invalid_request_error',
    message: 'You have reached your specified API usage limits. You will regain access on {regain} at 00:00 UTC.',
  },
  workspace_spend_limit: {
    status: 400,
    type: 'invalid_request_error',
    message:
      'You have reached your specified workspace API usage limits. You will regain access on {regain} at 00:00 UTC.',
  },
  linked_organization_spend_limit: {
    status: 402,
    type: 'billing_error',
    message: 'The linked organization has reached its spend limit or lacks credit for this request.',
    errorCode: 'linked_organization_spend_limit_reached',
  },
  linked_organization_billing: {
    status: 402,
    type: 'billing_error',
    message: 'The linked organization cannot be billed at the moment.',
    errorCode: 'linked_organization_billing_unavailable',
  },
  user_profile_required: {
    status: 400,
    type: 'invalid_request_error',
    message: 'billing_policy: name the user profile to bill in the anthropic-user-profile-id header.',
    errorCode: 'user_profile_required',
  },
  user_profile_not_authorized: {
    status: 403,
    type: 'permission_error',
    message: 'The customer behind the user profile has not authorized this organization to bill it.',
    errorCode: 'user_profile_billing_not_authorized',
  },
  no_credit: {
    status: 400,
    type: 'invalid_request_error',
    message:
      'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
  },
  billing: {
    status: 402,
    type: 'billing_error',
    message: 'There is a problem with your billing or payment information.',
  },
  invalid_request: { status: 400, type: 'invalid_request_error', message: 'The request is not valid.' },
  unauthorized: { status: 401, type: 'authentication_error', message: 'invalid x-api-key' },
  permission_denied: {
    status: 403,
    type: 'permission_error',
    message: 'Your API key does not have permission to use the specified resource.',
  },
  not_found: { status: 404, type: 'not_found_error', message: 'Not found' },
  request_timeout: { status: 408, type: 'timeout_error', message: 'Request timed out' },
  conflict: { status: 409, type: 'conflict_error', message: 'The resource is being changed by another request.' },
  request_too_large: {
    status: 413,
    type: 'request_too_large',
    message: 'Request exceeds the maximum size',
  },
  server_error: { status: 500, type: 'api_error', message: 'Internal server error' },
  service_unavailable: {
    status: 503,
    type: 'api_error',
    message: "The workspace's encryption settings could not be read. Retry in a few minutes.",
    errorCode: 'cmek_context_unavailable',
  },
  encryption_key_unreachable: {
    status: 503,
    type: 'api_error',
    message: "The workspace's encryption key could not be reached.",
    errorCode: 'cmek_key_unreachable',
  },
  gateway_timeout: { status: 504, type: 'timeout_error', message: 'Request timed out' },
  overloaded: { status: 529, type: 'overloaded_error', message: 'Overloaded' },
} as const satisfies Readonly<Record<string, Refusal>>;

/** A refusal of the API that the simulator can be told to give. */
export type RefusalName = keyof typeof REFUSALS;

/** The limit that a refusal shows as exhausted. */
export type ExhaustedLimit = 'requests' | 'input_tokens' | 'output_tokens' | 'fast_input_tokens';

/** A refusal by the API. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly errorCode?: string;
  readonly exhausted?: ExhaustedLimit;
  /** The limit that the headers show as untouched: the request alone is larger than all of it. */
  readonly full?: ExhaustedLimit;
  /** The `x-should-retry` header; without it where it is absent. */
  readonly shouldRetry?: boolean;
  /** True if it has a `retry-after` header. */
  readonly retryAfter?: boolean;
}

/** A named refusal, with changes. */
export function refusal(name: RefusalName, changes: Partial<Refusal> = {}): Refusal {
  return { ...REFUSALS[name], ...changes };
}

/** Fills the placeholders of a message; those without a value become empty. */
export function fillMessage(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_placeholder, name: string) => values[name] ?? '');
}

/** The body of an error; `details` only if there is a code. */
export function errorBody(error: Refusal, requestId: string | null): Record<string, unknown> {
  return {
    type: 'error',
    error: {
      type: error.type,
      message: error.message,
      ...(error.errorCode !== undefined && { details: { error_code: error.errorCode } }),
    },
    ...(requestId !== null && { request_id: requestId }),
  };
}

function rateLimitMessage(limit: string): string {
  return (
    `This request would exceed your organization's rate limit of {limit} ${limit} (org: {organization}, model: {model}). ` +
    'For details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. ' +
    'Please reduce the prompt length or the maximum tokens requested, or try again later. You may also contact sales at ' +
    'https://claude.com/contact-sales to discuss your options for a rate limit increase.'
  );
}
