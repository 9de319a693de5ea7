/** What traces have to do with calls, as types. Part of the vocabulary. */

/** A span of a trace, and the time of an event in it. */
export interface Trace {
  readonly traceId: string;
  readonly spanId: string;
  readonly timestampSeconds: number;
}

/** What spans say of a call besides, where the SDK has none of its own. `null` where nobody said. */
export interface CallDetails {
  /** The program's id of the conversation, as it gave it to the SDK. */
  readonly conversationId: string | null;
  /** `output_config.effort` of the request. */
  readonly reasoningLevel: string | null;
  /** `service_tier` of the request. */
  readonly serviceTier: string | null;
  /** Id of the message that came, so far. */
  responseId: string | null;
}
