import { CHARACTERS_PER_TOKEN, type Answer, type ContentBlock } from './answer.ts';
import type { Dialect, Random, StreamEventType } from './scenario.ts';
import { deltaUsage } from './usage.ts';

/** A piece of a body: an event of a stream, or a whole JSON document. */
export interface BodyItem {
  readonly text: string | Uint8Array;
  /** `null` in a body that is not an event stream. */
  readonly event: StreamEventType | 'error' | null;
  /** Output tokens generated so far when this piece has been sent. */
  readonly outputTokens: number;
  /** The part of the usage that the reader knows with this piece; `null` for nothing new. */
  readonly usageShown: 'start' | 'full' | null;
  /** Extra wait before this piece, besides the time of its tokens. */
  readonly pauseMs: number;
  /** Called when the piece has been handed to the reader. */
  readonly sent?: () => void;
}

/** The first delta is a single token and the others a few tokens, as in the API. */
const FIRST_PIECE = CHARACTERS_PER_TOKEN;

const PIECE = 6 * CHARACTERS_PER_TOKEN;

const MOST_PADDING = 15;

/**
 * The events of an answer in the API's order. As in the API, a ping follows the first `content_block_start`, and all data
 * but the ping's has padding before its last brace. Output tokens are spread over the deltas by length.
 */
export function* answerEvents(answer: Answer, random: Random): Generator<BodyItem, void> {
  const item = itemMaker(random);
  const { content, usage } = answer;
  const characters = content.flatMap(pieces).reduce((sum, piece) => sum + weight(piece), 0);
  yield item('message_start', { message: emptyMessage(answer) }, { usageShown: 'start' });
  let sent = 0;
  let outputTokens = 0;
  for (const [index, block] of content.entries()) {
    yield item('content_block_start', { index, content_block: opening(block) }, { outputTokens });
    if (index === 0) yield PING;
    for (const delta of pieces(block)) {
      sent += weight(delta);
      outputTokens = Math.floor((usage.output_tokens * sent) / Math.max(1, characters));
      yield item('content_block_delta', { index, delta }, { outputTokens });
    }
    yield item('content_block_stop', { index }, { outputTokens });
  }
  yield* closing(answer, item, outputTokens);
}

function emptyMessage({ startModel: model, id, diagnostics, startUsage }: Answer): object {
  const unknownYet = { content: [], stop_reason: null, stop_sequence: null, stop_details: null };
  return {
    model,
    id,
    type: 'message',
    role: 'assistant',
    ...unknownYet,
    ...(diagnostics !== null && { diagnostics }),
    usage: startUsage,
  };
}

function* closing(answer: Answer, item: ItemMaker, outputTokens: number): Generator<BodyItem, void> {
  for (const earlier of answer.earlierUsages) {
    const delta = { stop_reason: null, stop_sequence: null, stop_details: null };
    yield item('message_delta', { delta, usage: deltaUsage(earlier) }, { outputTokens });
  }
  const final = { outputTokens: answer.usage.output_tokens };
  const { stopReason, stopSequence, stopDetails } = answer;
  const delta = { stop_reason: stopReason, stop_sequence: stopSequence, stop_details: stopDetails };
  yield item('message_delta', { delta, usage: deltaUsage(answer.usage) }, { ...final, usageShown: 'full' });
  yield item('message_stop', {}, final);
}

/** The same events, written as another server writes them. */
export function* inDialect(items: Iterable<BodyItem>, dialect: Dialect): Generator<BodyItem, void> {
  const { lineEnd = '\n', hasMark = false, isDataFirst = false, hasComments = false } = dialect;
  let mark = hasMark ? '\ufeff' : '';
  for (const item of items) {
    const [name = '', data = ''] = String(item.text).split('\n');
    const lines = [
      ...(hasComments ? [': keep-alive', ''] : []),
      ...(isDataFirst ? [data, name] : [name, data]),
      '',
      '',
    ];
    yield { ...item, text: mark + lines.join(lineEnd) };
    mark = '';
  }
}

/** An `error` event, as the API sends it when it fails after the head of the response. */
export function errorEvent(body: Record<string, unknown>, outputTokens: number): BodyItem {
  return {
    text: `event: error\ndata: ${JSON.stringify(body)}\n\n`,
    event: 'error',
    outputTokens,
    usageShown: null,
    pauseMs: 0,
  };
}

const PING: BodyItem = {
  text: 'event: ping\ndata: {"type": "ping"}\n\n',
  event: 'ping',
  outputTokens: 0,
  usageShown: null,
  pauseMs: 0,
};

type Delta = Readonly<Record<string, string>>;

type ItemMaker = (event: StreamEventType, fields: object, about: Partial<BodyItem>) => BodyItem;

function itemMaker(random: Random): ItemMaker {
  return (event, fields, about) => {
    const padding = ' '.repeat(Math.floor(random() * (MOST_PADDING + 1)));
    const data = JSON.stringify({ type: event, ...fields });
    const text = `event: ${event}\ndata: ${data.slice(0, -1)}${padding}}\n\n`;
    return { text, event, outputTokens: 0, usageShown: null, pauseMs: 0, ...about };
  };
}

/** The block as `content_block_start` shows it: empty, if deltas will fill it. */
function opening(block: ContentBlock): object {
  switch (block.type) {
    case 'text':
      return { ...block, text: '' };
    case 'thinking':
      return { ...block, thinking: '', signature: '' };
    case 'tool_use':
    case 'server_tool_use':
      return { ...block, input: {} };
    default:
      return block;
  }
}

function pieces(block: ContentBlock): readonly Delta[] {
  switch (block.type) {
    case 'text':
      return split(block.text).map((text) => ({ type: 'text_delta', text }));
    case 'thinking':
      return [
        ...split(block.thinking).map((thinking) => ({ type: 'thinking_delta', thinking })),
        { type: 'signature_delta', signature: block.signature },
      ];
    case 'tool_use':
    case 'server_tool_use':
      return toolPieces(block.input).map((partial_json) => ({ type: 'input_json_delta', partial_json }));
    default:
      return [];
  }
}

/** An input begins with an empty piece; an empty input is nothing else. */
function toolPieces(input: unknown): readonly string[] {
  const json = JSON.stringify(input) ?? '{}';
  return json === '{}' ? [''] : ['', ...split(json)];
}

function weight(delta: Delta): number {
  return (delta['text'] ?? delta['thinking'] ?? delta['partial_json'] ?? '').length;
}

/** Cut between code points, never inside one. */
function split(text: string): readonly string[] {
  const points = Array.from(text);
  const out = points.length === 0 ? [] : [points.slice(0, FIRST_PIECE).join('')];
  for (let at = FIRST_PIECE; at < points.length; at += PIECE) out.push(points.slice(at, at + PIECE).join(''));
  return out;
}
