import type { ContentBlock, ToolCall } from './content.ts';
import type { Fault } from './scenario.ts';
import type { PartialUsage } from './usage.ts';

/** The parts of a Messages request that the simulator looks at; the others are there too. */
export interface MessagesBody {
  readonly model: string;
  readonly max_tokens: number;
  readonly messages: readonly unknown[];
  readonly stream?: boolean;
  readonly system?: unknown;
  readonly tools?: unknown;
  readonly tool_choice?: { readonly type?: string; readonly name?: string };
  readonly thinking?: { readonly type?: string };
  readonly speed?: string;
  readonly inference_geo?: string;
  /** A conversation that the API holds; `messages` has all of it nevertheless. */
  readonly thread?: { readonly type?: string; readonly previous_message_id?: string };
}

/** What a `respond` hook is asked. */
export interface MessagesRequest {
  readonly body: MessagesBody;
  readonly headers: Headers;
  /** 1 for the simulator's first request; items of a batch have their batch's. */
  readonly number: number;
  /** The `custom_id` of an item of a batch; `null` for a request of its own. */
  readonly batchItem: string | null;
}

/** What a `respond` hook answers; what it leaves out is worked out from the request. */
export interface Reply {
  readonly text?: string;
  readonly thinking?: string;
  readonly toolUse?: readonly ToolCall[];
  /** Content blocks as the API writes them, in place of the three above. */
  readonly content?: readonly ContentBlock[];
  readonly stopReason?: string;
  readonly stopSequence?: string;
  /** The model that answers, where it is not the one asked for. */
  readonly model?: string;
  /** The final usage, in the API's own names. */
  readonly usage?: PartialUsage;
  /** Counts of `message_start` that differ from the final ones, as they do with server tools. */
  readonly startUsage?: PartialUsage;
  /** Usages of `message_delta` events that come before the last one. Counts in them are totals so far, as always. */
  readonly earlierUsages?: readonly PartialUsage[];
  /** Goes wrong with this request, unless a script or the scenario chose something. In a batch, only a refusal does. */
  readonly fault?: Fault;
}
