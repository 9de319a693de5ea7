import { Random } from '../transparent/random.ts';

/** A body as some server may send it: its bytes, cut into chunks. */
export interface Input {
  readonly chunks: readonly Uint8Array[];
}

const encoder = new TextEncoder();

const TEXTS = [
  '',
  'Ahoy',
  '4 fathoms "deep"',
  'événement: \\n data: {}',
  '深さ',
  '🌊 \u2028',
  '\ufeffmark',
  'event: ping',
];

/** An odd stream: mostly what the API sends, with one thing or another as no API would send it. */
export function input(seed: number, number: number): Input {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const ends = random.one([['\n'], ['\n'], ['\n'], ['\r\n'], ['\r'], ['\n', '\r\n', '\r']]);
  const isTidy = random.whether(0.3);
  const events = Array.from({ length: 1 + Math.floor(random.next() * 7) }, () => event(random, isTidy));
  const lines = events.flat();
  let text = random.whether(0.1) ? '\ufeff' : '';
  for (const line of lines) text += (!isTidy && random.whether(0.02) ? '\ufeff' : '') + line + random.one(ends);
  return { chunks: cut(random, damaged(random, isTidy, encoder.encode(text))) };
}

/** The lines of an event, its blank line among them. */
function event(random: Random, isTidy: boolean): readonly string[] {
  const value = random.one(EVENTS)(random);
  const type = typeof value === 'object' && value !== null && 'type' in value ? String(value.type) : 'message';
  const data = written(random, isTidy, value).map(
    (line) => `data:${isTidy ? ' ' : random.one([' ', ' ', '', '  '])}${line}`,
  );
  const name = isTidy ? type : random.one([type, type, type, type, 'message', 'ping', 'error', '']);
  const named = `event:${isTidy ? ' ' : random.one([' ', ' ', ''])}${name}`;
  if (isTidy) return [named, ...data, ''];
  const lines = random.one<readonly string[]>([
    [named, ...data],
    [named, ...data],
    [named, ...data],
    [...data, named],
    data,
    [named],
    ['event: message_start', ...data, named],
  ]);
  const more = random.several(ODD_LINES, 1);
  return random.whether(0.5) ? [...more, ...lines, ''] : [...lines, ...more, ''];
}

const ODD_LINES = [
  ': a comment',
  ':',
  'id: 7',
  'retry: 100',
  'datax: 1',
  ' data: 1',
  'event',
  'data',
  'data:',
  '\ufeff',
  'DATA: 1',
  '',
];

type Made = (random: Random) => unknown;

const usage = (random: Random): Readonly<Record<string, unknown>> => ({
  input_tokens: Math.floor(random.next() * 1_000),
  output_tokens: random.one([1, 7, null]),
  ...(random.whether(0.3) && { cache_read_input_tokens: random.one([0, 12, null]) }),
  ...(random.whether(0.1) && { server_tool_use: { web_search_requests: 1 } }),
});

const content = (random: Random): string =>
  random.whether(0.01) ? random.one(TEXTS).repeat(400 + Math.floor(random.next() * 400)) : random.one(TEXTS);

const EVENTS: readonly Made[] = [
  (random) => ({
    type: 'message_start',
    message: {
      model: random.one(['claude-haiku-4-5', 'another', 7]),
      ...(random.whether(0.2) && { stop_reason: random.one([null, 'end_turn']) }),
      content: [],
      ...(random.whether(0.9) && { usage: usage(random) }),
    },
  }),
  (random) => ({
    type: 'content_block_start',
    index: random.one([0, 1, 12]),
    content_block: {
      type: random.one(['text', 'tool_use', 'server_tool_use', 'thinking', 'web_search_tool_result']),
      ...(random.whether(0.05) && { content: 'x'.repeat(900 + Math.floor(random.next() * 3_000)) }),
    },
  }),
  delta,
  delta,
  delta,
  (random) => ({
    type: 'message_delta',
    delta: { stop_reason: random.one(['end_turn', 'max_tokens', null]) },
    ...(random.whether(0.9) && { usage: usage(random) }),
  }),
  () => ({ type: 'message_stop' }),
  () => ({ type: 'content_block_stop', index: 0 }),
  () => ({ type: 'ping' }),
  (random) => ({ type: 'error', error: { type: random.one(['overloaded_error', 'api_error', 4]), message: 'x' } }),
  (random) => random.one([null, 12, [], 'x', { usage: usage(random) }, { type: 'of_tomorrow', usage: usage(random) }]),
];

function delta(random: Random): unknown {
  const index = random.one([0, 1, 12]);
  const kind = random.one(['text', 'thinking', 'partial_json', 'signature']);
  const type = kind === 'partial_json' ? 'input_json_delta' : `${kind}_delta`;
  return { type: 'content_block_delta', index, delta: { type, [kind]: content(random) } };
}

/** The JSON of a value as various servers write it, a line of data each; sometimes no JSON at all. */
function written(random: Random, isTidy: boolean, value: unknown): readonly string[] {
  const json = JSON.stringify(value);
  const padded = json.endsWith('}') ? `${json.slice(0, -1)}${' '.repeat(Math.floor(random.next() * 16))}}` : json;
  if (isTidy) return [padded];
  const style = random.next();
  if (style < 0.55) return [padded];
  if (style < 0.7) return [spaced(json)];
  if (style < 0.8) return JSON.stringify(value, null, 1).split('\n');
  if (style < 0.9) return [JSON.stringify(reversed(value))];
  return [random.one(['[DONE]', '', '{', json.slice(0, Math.floor(random.next() * json.length)), `${json}}`, '{}'])];
}

/** As Python writes it. The texts above have no `,"` or `":` in them that would change. */
function spaced(json: string): string {
  return json.replace(/,"/g, ', "').replace(/":/g, '": ');
}

function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).reverse());
}

function damaged(random: Random, isTidy: boolean, bytes: Uint8Array): Uint8Array {
  if (isTidy || random.whether(0.6)) return bytes;
  const at = Math.floor(random.next() * bytes.length);
  if (random.whether(0.5)) return bytes.subarray(0, at);
  const odd = random.one([[0xff], [0xe2, 0x82], [0x0d], [0x0a], [0x0d, 0x0a], [0xef, 0xbb, 0xbf], [0x80], [0x20]]);
  return Uint8Array.from([...bytes.subarray(0, at), ...odd, ...bytes.subarray(at)]);
}

const WHOLE = Array.from({ length: 10 }, () => Infinity);

function cut(random: Random, bytes: Uint8Array): readonly Uint8Array[] {
  const most = random.one([...WHOLE, ...WHOLE, ...WHOLE, 1, 2, 7, 20, 64, 300, 700]);
  if (most === Infinity) return [bytes];
  const chunks = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + Math.floor(random.next() * most);
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return random.whether(0.1) ? [new Uint8Array(0), ...chunks] : chunks;
}
