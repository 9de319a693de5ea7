/**
 * `plimsoll/simulator`: a fake Claude API in the same process, to test a service without a key, a port or a network.
 * It speaks the API's wire format and has its limits, errors and prices. It shares no code with the rest of plimsoll.
 *
 * ```ts
 * import Anthropic from '@anthropic-ai/sdk';
 * import { simulator } from 'plimsoll/simulator';
 *
 * const claude = simulator({ respond: () => ({ text: 'Ahoy' }) });
 * const client = new Anthropic({ apiKey: 'test', fetch: claude.fetch });
 * ```
 *
 * **Faults** are data. A script is exact: each of the next requests, including the SDK's retries, takes the next fault in
 * order of arrival. If `retry-after-ms` is set, the SDK waits no longer than that.
 *
 * ```ts
 * claude.script([
 *   { fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }, // 429; any name in REFUSALS
 *   { fault: 'none' }, //                                               answered
 *   { fault: 'error', status: 418, type: 'api_error' }, //              any other error
 *   { fault: 'connection_reset' }, //                                   fetch rejects: 'fetch failed', ECONNRESET
 *   { fault: 'lost_response' }, //                                      the same, but the answer was made and is billed
 *   { fault: 'slow_first_byte', delayMs: 5_000 }, //                    the head is late
 *   { fault: 'body_reset', at: 'content_block_delta' }, //              reading the body fails: 'terminated'
 *   { fault: 'cut_body', at: 'message_stop' }, //                       the body ends early, without an error
 *   { fault: 'stalled_body', at: 4 }, //                                it stops after 4 events, until it is cancelled
 *   { fault: 'error_event', type: 'overloaded_error' }, //              an error event inside a 200 stream
 *   { fault: 'malformed_json' }, //                                     a 200 that cannot be parsed
 *   { fault: 'headers', headers: { 'x-should-retry': 'false' } }, //    a good answer with other headers
 * ]);
 * ```
 *
 * A **scenario** is random, from a seed: `simulator({ seed: 7, scenario: { faults: [{ probability: 0.02, fault: { fault:
 * 'overloaded' } }] } })`. The script has precedence.
 *
 * **`truth`** records what happened: each request with its fault, its usage and its bill, whether or not the reader learned
 * of it. A response that is not streamed is billed when its head is sent. A stream is billed for its input and for the
 * output generated until it ended, was cut, or was left. A request that was refused, reset or left before its head is not
 * billed. The items of a batch are billed when a request first finds it ended.
 */
export { simulator, type Simulator } from './simulator.ts';
export { SimulatorOptionsError, type SimulatorOptions } from './options.ts';
export { REFUSALS, type Refusal, type RefusalName } from './errors.ts';
export type { Fault, BodyFault, Scenario, Latency, Place, HeaderOverrides } from './scenario.ts';
export type { Reply, MessagesRequest, MessagesBody } from './answer.ts';
export type { ToolCall, ContentBlock } from './answer.ts';
export type { Declined, RefusedStep, StopDetails, Verdict } from './refusals.ts';
export type { Truth, TruthRequest, TruthBatchItem, Delivery, UsageReported } from './truth.ts';
export type { Totals } from './truth.ts';
export type { BilledPart, BilledTokens, BilledNanoUsd } from './billing.ts';
export type { WireUsage, PartialUsage, WireIteration } from './usage.ts';
export type { OrganizationOptions } from './admin/organization-options.ts';
export type { BookRules, OtherUse } from './admin/books.ts';
export type { SimulatorClock } from './clock.ts';
export type { AcceptedKey } from './credentials.ts';
export { TIER_NAMES, type TierName, type ClassLimits } from './limits.ts';
export type { Distribution } from './scenario.ts';
