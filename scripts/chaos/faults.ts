import { REFUSALS, type Fault, type RefusalName } from 'plimsoll/simulator';

/** Soon enough that thousands of retries take seconds. */
const SOON = { 'retry-after-ms': '1' };

/** Longer than any run: ended by a timeout or an abort. */
export const NEVER_MS = 600_000;

/** Longer than any run, and short enough for the SDK to heed it. */
const LONG_WAIT = { 'retry-after-ms': '30000' };

/** Every fault that can befall a request whose caller stays to the end. */
export const FAULTS: readonly Fault[] = [
  ...(Object.keys(REFUSALS) as RefusalName[]).map((fault) => ({ fault, headers: SOON })),
  { fault: 'error', status: 418, type: 'invalid_request_error', headers: SOON },
  {
    fault: 'error',
    status: 429,
    type: 'rate_limit_error',
    message: 'Slow down.',
    headers: { ...SOON, 'anthropic-ratelimit-tokens-limit': '1000', 'anthropic-ratelimit-tokens-remaining': '0' },
  },
  { fault: 'headers', headers: { 'x-should-retry': 'false' } },
  { fault: 'connection_reset' },
  { fault: 'lost_response' },
  { fault: 'slow_first_byte', delayMs: 3 },
  { fault: 'slow_first_byte', delayMs: NEVER_MS },
  { fault: 'stalled_body', stallMs: 2 },
  { fault: 'stalled_body', at: 'message_start', stallMs: 2 },
  { fault: 'body_reset', at: 'message_start' },
  { fault: 'body_reset', at: 'content_block_delta' },
  { fault: 'body_reset' },
  { fault: 'cut_body', at: 3 },
  { fault: 'cut_body' },
  { fault: 'cut_body', at: 'message_stop' },
  { fault: 'malformed_json' },
  { fault: 'malformed_json', at: 'message_delta' },
  { fault: 'error_event', at: 'content_block_delta' },
  { fault: 'error_event', type: 'api_error' },
  { fault: 'error_event', at: 'message_stop', type: 'rate_limit_error' },
  { fault: 'error_event', at: 'message_start', type: 'invalid_request_error' },
  { fault: 'error_event', type: 'billing_error' },
  { fault: 'error_event', type: 'timeout_error' },
  { fault: 'error_event', type: 'unheard_of_error' },
  { fault: 'dialect', lineEnd: '\r', hasMark: true },
  { fault: 'dialect', lineEnd: '\r\n', isDataFirst: true, contentType: null },
  { fault: 'dialect', hasComments: true, contentType: 'application/octet-stream' },
  { fault: 'error_body' },
  { fault: 'error_body', type: 'rate_limit_error' },
  { fault: 'error_body', type: 'unheard_of_error' },
];

/** What a caller meets who leaves: the answer does not come, the retry is far away, the body stands still. */
export const NO_ANSWER: Fault = { fault: 'slow_first_byte', delayMs: NEVER_MS };
export const LONG_RETRY: Fault = { fault: 'overloaded', headers: LONG_WAIT };
export const NO_MORE_BODY: Fault = { fault: 'stalled_body' };

/** The names that a run must have met. */
export const FAULT_NAMES: readonly string[] = [...new Set(FAULTS.map(({ fault }) => fault))];

/** A fault that only a timeout ends. */
export function neverAnswers(fault: Fault | undefined): boolean {
  return fault?.fault === 'slow_first_byte' && fault.delayMs === NEVER_MS;
}
