/**
 * Bytes of JSON-encoded content for one output token, over the recorded streams of several models: text of English
 * prose, code and tool inputs lies between 3.1 and 4.6.
 */
const BYTES_PER_TOKEN = 3.7;

/**
 * Output tokens of a stream that ended before the server reported them, from the bytes of text, thinking and tool input
 * that came. Thinking that the API keeps back or summarizes is not in it, so the truth can be higher.
 */
export function estimatedOutputTokens(contentBytes: number): number {
  return Math.ceil(contentBytes / BYTES_PER_TOKEN);
}
