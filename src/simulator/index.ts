/**
 * `plimsoll/simulator`: a fake Claude API in the same process, to test a service without a key, a port or a network.
 * It speaks the API's own wire format, has its limits, its errors and its prices, and knows nothing of the rest of
 * plimsoll.
 *
 * ```ts
 * import Anthropic from '@anthropic-ai/sdk';
 * import { simulator } from 'plimsoll/simulator';
 *
 * const claude = simulator({ respond: () => ({ text: 'Ahoy' }) });
 * const client = new Anthropic({ apiKey: 'test', fetch: claude.fetch });
 * ```
 *
 * **What goes wrong** is data. A script is exact: its faults meet the next requests one by one, in order of arrival, the
 * SDK's retries counted. Where `retry-after-ms` is set, the SDK waits no longer than that.
 *
 * ```ts
 * claude.script([
 *   { fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }, // 429; every name in REFUSALS can stand here
 *   { fault: 'none' }, //                                               this one is answered
 *   { fault: 'error', status: 418, type: 'api_error' }, //              any other error
 *   { fault: 'connection_reset' }, //                                   fetch rejects: 'fetch failed', ECONNRESET
 *   { fault: 'lost_response' }, //                                      the same, but the answer was made and is billed
 *   { fault: 'slow_first_byte', delayMs: 5_000 }, //                    the head comes late
 *   { fault: 'body_reset', at: 'content_block_delta' }, //              reading the body fails: 'terminated'
 *   { fault: 'cut_body', at: 'message_stop' }, //                       the body ends early, without an error
 *   { fault: 'stalled_body', at: 4 }, //                                it stops after 4 events, until it is cancelled
 *   { fault: 'error_event', type: 'overloaded_error' }, //              an error event inside a 200 stream
 *   { fault: 'malformed_json' }, //                                     a 200 that cannot be parsed
 *   { fault: 'headers', headers: { 'x-should-retry': 'false' } }, //    a good answer with other headers
 * ]);
 * ```
 *
 * A scenario is drawn, from a seed: `simulator({ seed: 7, scenario: { faults: [{ probability: 0.02, fault: { fault:
 * 'overloaded' } }] } })`. A script comes before it.
 *
 * **What happened** is in `truth`: each request with its fault, its usage and what it is billed, whether or not the reader
 * ever learned of it. An answer that is no stream is billed when its head is sent. A stream is billed for its input and
 * for what was generated until it ended, was cut, or was left. A request that was refused, reset or left before its head
 * is not billed. A batch is billed when a request first finds it ended, item by item.
 */
export { simulator, type Simulator } from './simulator.ts';
export { SimulatorOptionsError, type SimulatorOptions } from './options.ts';
export { REFUSALS, type Refusal, type RefusalName } from './errors.ts';
export type { Fault, BodyFault, Scenario, Latency, Place, HeaderOverrides } from './scenario.ts';
export type { Reply, MessagesRequest, MessagesBody } from './answer.ts';
export type { ToolCall, ContentBlock } from './answer.ts';
export type { Truth, TruthRequest, TruthBatchItem, Delivery, UsageReported } from './truth.ts';
export type { Totals } from './truth.ts';
export type { BilledPart, BilledTokens, BilledNanoUsd } from './billing.ts';
export type { WireUsage, PartialUsage, WireIteration } from './usage.ts';
export type { SimulatorClock } from './clock.ts';
export type { AcceptedKey } from './credentials.ts';
export { TIER_NAMES, type TierName, type ClassLimits } from './limits.ts';
export type { Distribution } from './scenario.ts';
