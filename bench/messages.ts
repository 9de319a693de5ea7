/** Answers of the API, made in memory: what is measured is the client and what watches it, not a network. */

const USAGE = {
  input_tokens: 412,
  cache_creation_input_tokens: 120,
  cache_read_input_tokens: 3_000,
  cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 20 },
  output_tokens: 310,
  service_tier: 'standard',
  inference_geo: 'global',
};

/** The headers of an answer: what is left of a limit is another figure each time, and the reset a second later now and then. */
function headersOf(index: number): [string, string][] {
  const limits = ['requests', 'tokens', 'input-tokens', 'output-tokens'].flatMap((bucket): [string, string][] => [
    [`anthropic-ratelimit-${bucket}-limit`, '4000000'],
    [`anthropic-ratelimit-${bucket}-remaining`, String(3_998_000 - 1_000 * index)],
    [`anthropic-ratelimit-${bucket}-reset`, `2026-11-24T12:00:${String(index >> 3).padStart(2, '0')}Z`],
  ]);
  return [...limits, ['request-id', 'req_011CYEXr8tVywV7AFBGxgYh2']];
}

const HEADERS = Array.from({ length: 64 }, (_, index) => Object.fromEntries(headersOf(index)));

let answered = 0;

function nextHeaders(): Readonly<Record<string, string>> {
  return HEADERS[answered++ % HEADERS.length] ?? {};
}

/** Tokens that each answer reports, so that a benchmark can check what it measured. */
export const TOKENS_PER_ANSWER = 412 + 120 + 3_000 + 310;

const MODEL = 'claude-haiku-4-5-20251001';

/** A JSON answer of 2 KiB. */
const message = JSON.stringify({
  id: 'msg_01KHTDfhXSbjLyGST1qLVLV3',
  type: 'message',
  role: 'assistant',
  model: MODEL,
  content: [{ type: 'text', text: 'The harbor is four fathoms deep. '.repeat(45) }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: USAGE,
});

export const answersJson: typeof fetch = () =>
  Promise.resolve(new Response(message, { headers: { 'content-type': 'application/json', ...nextHeaders() } }));

function event(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

function delta(text: string): string {
  return event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
}

/** A stream of so many content deltas, each a chunk of its own. */
export function answersStream(deltas: number, text = ' fathoms of water'): typeof fetch {
  const { output_tokens, ...input } = USAGE;
  const parts = [
    event('message_start', {
      message: {
        id: 'msg_01',
        type: 'message',
        role: 'assistant',
        model: MODEL,
        content: [],
        usage: { ...input, output_tokens: 1 },
      },
    }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...Array.from({ length: deltas }, () => delta(text)),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens } }),
    event('message_stop', {}),
  ];
  const chunks = parts.map((part) => new TextEncoder().encode(part));
  return () => {
    let next = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const chunk = chunks[next++];
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
      },
      { highWaterMark: 0 },
    );
    return Promise.resolve(
      new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8', ...nextHeaders() } }),
    );
  };
}

export const PARAMS = {
  model: 'claude-haiku-4-5',
  max_tokens: 1_024,
  messages: [{ role: 'user' as const, content: 'How deep is the harbor?' }],
};
