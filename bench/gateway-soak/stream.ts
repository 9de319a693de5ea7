/** Streams that are the same for the same number, so that who reads one knows every byte that was sent. */
import { gzipSync } from 'node:zlib';

/** One streamed answer, as the upstream sends it. */
export interface SoakStream {
  /** Cut anywhere: inside events, lines and characters. */
  readonly pieces: readonly Piece[];
  readonly contentEncoding: 'gzip' | null;
  /** What its usage says, and metrics must say. */
  readonly outputTokens: number;
}

export interface Piece {
  readonly bytes: Buffer;
  /** To wait before it is sent. */
  readonly gapMs: number;
}

/** Of every stream's usage. */
export const INPUT_TOKENS = 11;

const MODEL = 'claude-haiku-4-5-20251001';
const WORDS = [
  'fathoms',
  'of',
  'water',
  'über',
  'dem',
  'Kiel',
  '水深',
  '測る',
  '⚓',
  '"quoted"',
  '\\n',
  '🚢🚢',
  '',
] as const;

/** Stream `number`. About `seconds` long, in `pieces` pieces; every tenth is compressed. */
export function soakStream(number: number, { seconds, pieces }: { readonly seconds: number; readonly pieces: number }) {
  const random = generator(number);
  const outputTokens = 1 + Math.floor(random() * 1_000);
  const text = Buffer.from(events(random, outputTokens));
  const contentEncoding = number % 10 === 0 ? ('gzip' as const) : null;
  const bytes = contentEncoding === null ? text : gzipSync(text);
  const cuts = Array.from({ length: pieces - 1 }, () => Math.floor(random() * bytes.length)).sort((a, b) => a - b);
  const stream: SoakStream = {
    outputTokens,
    contentEncoding,
    pieces: [...cuts, bytes.length].map((end, index) => ({
      bytes: bytes.subarray(cuts[index - 1] ?? 0, end),
      gapMs: (random() * 2_000 * seconds) / pieces,
    })),
  };
  return stream;
}

function events(random: () => number, outputTokens: number): string {
  const usage = { input_tokens: INPUT_TOKENS, output_tokens: 1 };
  const message = { id: 'msg_01', type: 'message', role: 'assistant', model: MODEL, content: [], usage };
  const deltas = Array.from({ length: 10 + Math.floor(random() * 40) }, () =>
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: words(random) } }),
  );
  return [
    event('message_start', { message }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...deltas,
    event('content_block_stop', { index: 0 }),
    event('message_delta', {
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: outputTokens },
    }),
    event('message_stop', {}),
  ].join('');
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

function words(random: () => number): string {
  return Array.from({ length: Math.floor(random() * 30) }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');
}

/** Numbers from 0 to 1 by a linear congruence (the constants are those of Numerical Recipes): the same for a seed. */
function generator(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
