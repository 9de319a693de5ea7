import { crc32 } from 'node:zlib';
import type { Choice } from './plan.ts';

/** A request as the server saw it: names as they were spelled, in their order. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** A body and what it is declared as. */
export interface Answer {
  readonly type: string;
  readonly body: Buffer;
}

const USAGE = { input_tokens: 12, output_tokens: 7, cache_creation_input_tokens: 0, cache_read_input_tokens: 3 };

const MESSAGE = {
  ...{ id: 'msg_01', type: 'message', role: 'assistant', model: 'claude-haiku-4-5' },
  content: [{ type: 'text', text: 'Güten Tag, 世界' }],
  ...{ stop_reason: 'end_turn', stop_sequence: null, usage: USAGE },
};

const TOOL_USE = {
  ...MESSAGE,
  content: [{ type: 'tool_use', id: 'toolu_01', name: 'clock', input: { zone: 'UTC' } }],
  stop_reason: 'tool_use',
};

const ERROR = { type: 'error', error: { type: 'rate_limit_error', message: 'Slow down.' }, request_id: 'req_01' };

const BATCH = {
  ...{ id: 'msgbatch_01', type: 'message_batch', processing_status: 'ended', ended_at: '2026-01-01T00:00:00Z' },
  ...{ created_at: '2026-01-01T00:00:00Z', expires_at: '2026-01-02T00:00:00Z', archived_at: null },
  // The SDK takes it as it takes a whole URL, and it holds no port, which is another one for each server.
  results_url: '/v1/messages/batches/msgbatch_01/results',
  request_counts: { processing: 0, succeeded: 2, errored: 0, canceled: 0, expired: 0 },
};

const json = (value: unknown): Answer => ({ type: 'application/json', body: Buffer.from(JSON.stringify(value)) });

/** The body that a reply asks for, or the one that the API would answer this request with. */
export function answerTo(request: SeenRequest, kind: Choice<'body'> | undefined): Answer {
  switch (kind) {
    case undefined:
      return usualAnswer(request);
    case 'malformed':
      return { type: 'application/json', body: Buffer.from('{"id":"msg_01","content":[{"ty') };
    case 'empty':
      return { type: 'application/json', body: Buffer.alloc(0) };
    case 'html':
      return { type: 'text/html', body: Buffer.from('<html><body>502 Bad Gateway</body></html>') };
    case 'error':
      return json(ERROR);
    case 'null':
      return json(null);
    case 'error-event':
    case 'malformed-event':
    case 'no-end':
    case 'split-event':
      return events(request, damaged(kind));
  }
}

function usualAnswer(request: SeenRequest): Answer {
  const path = request.path.split('?')[0] ?? '';
  const text = request.body.toString();
  if (path.endsWith('/count_tokens') || text.includes('count-tokens')) return json({ input_tokens: 12 });
  if (path.endsWith('/results')) return results();
  if (path.includes('/batches')) return batch(request);
  if (path.endsWith('/content'))
    return { type: 'application/octet-stream', body: Buffer.from([0, 1, 2, 253, 254, 255]) };
  if (path.includes('/files')) return json({ id: 'file_01', type: 'file', filename: 'a.txt', size_bytes: 6 });
  if (path.includes('/v1/models')) return models(request, path);
  if (isStreamed(request)) return events(request, MESSAGE_EVENTS);
  return json(text.includes('"tools"') && !text.includes('tool_result') ? TOOL_USE : MESSAGE);
}

function isStreamed({ path, body }: SeenRequest): boolean {
  return path.includes('stream') || body.includes('"stream":true');
}

function results(): Answer {
  const line = (id: string): string =>
    `${JSON.stringify({ custom_id: id, result: { type: 'succeeded', message: MESSAGE } })}\n`;
  return { type: 'application/x-jsonl', body: Buffer.from(line('a') + line('b')) };
}

function batch({ method, path }: SeenRequest): Answer {
  const isList = method === 'GET' && /\/batches(\?|$)/.test(path);
  return json(isList ? page([BATCH], path) : BATCH);
}

function models({ path }: SeenRequest, plainPath: string): Answer {
  const model = { id: 'claude-haiku-4-5', type: 'model', display_name: 'Haiku', created_at: '2026-01-01T00:00:00Z' };
  return json(plainPath.endsWith('/models') ? page([model, { ...model, id: 'claude-opus-4-5' }], path) : model);
}

/** Two pages: the second is asked for with `after_id`. */
function page(data: readonly { readonly id: string }[], path: string): object {
  const more = !path.includes('after_id');
  return { data, has_more: more, first_id: data[0]?.id, last_id: data.at(-1)?.id, next_page: more ? 'page_2' : null };
}

type StreamEvent = Readonly<Record<string, unknown>> & { readonly type: string };

const delta = (text: string): StreamEvent => ({
  type: 'content_block_delta',
  index: 0,
  delta: { type: 'text_delta', text },
});

const MESSAGE_EVENTS: readonly StreamEvent[] = [
  { type: 'message_start', message: { ...MESSAGE, content: [], stop_reason: null } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'ping' },
  delta('Güten '),
  delta('Tag, '),
  delta('世界'),
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: USAGE },
  { type: 'message_stop' },
];

/** An event that is no JSON, which its frame carries as it is. */
const MALFORMED = 'malformed';

function damaged(kind: 'error-event' | 'malformed-event' | 'no-end' | 'split-event'): readonly StreamEvent[] {
  const begun = MESSAGE_EVENTS.slice(0, 5);
  if (kind === 'error-event') return [...begun, { ...ERROR, error: { type: 'overloaded_error', message: 'Busy' } }];
  if (kind === 'malformed-event') return [...begun, { type: MALFORMED }];
  return kind === 'no-end' ? begun : MESSAGE_EVENTS.map((event) => ({ ...event, padding: 'ä'.repeat(20) }));
}

/** Events in the frames that the path asks for: Bedrock's own for its paths, server-sent events for all others. */
function events(request: SeenRequest, list: readonly StreamEvent[]): Answer {
  if (request.path.includes('invoke-with-response-stream')) {
    return { type: 'application/vnd.amazon.eventstream', body: Buffer.concat(list.map(amazonFrame)) };
  }
  const frames = list.map((event) => `event: ${named(event)}\ndata: ${payload(event)}\n\n`);
  return { type: 'text/event-stream; charset=utf-8', body: Buffer.from(frames.join('')) };
}

const named = ({ type }: StreamEvent): string => (type === MALFORMED ? 'content_block_delta' : type);
const payload = (event: StreamEvent): string => (event.type === MALFORMED ? '{"type":"content' : JSON.stringify(event));

/** https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html: lengths, checksum, headers, payload. */
function amazonFrame(event: StreamEvent): Buffer {
  const headers = Buffer.concat([
    amazonHeader(':event-type', 'chunk'),
    amazonHeader(':content-type', 'application/json'),
    amazonHeader(':message-type', 'event'),
  ]);
  const data = Buffer.from(JSON.stringify({ bytes: Buffer.from(payload(event)).toString('base64') }));
  const lengths = numbers(headers.length + data.length + 16, headers.length);
  const unsummed = Buffer.concat([lengths, numbers(crc32(lengths)), headers, data]);
  return Buffer.concat([unsummed, numbers(crc32(unsummed))]);
}

function amazonHeader(name: string, value: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(value));
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), length, Buffer.from(value)]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => bytes.writeUInt32BE(value, 4 * at));
  return bytes;
}
