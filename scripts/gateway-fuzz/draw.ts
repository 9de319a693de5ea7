import { gzipSync } from 'node:zlib';
import { CLIENTS, FOREIGN_MODEL, MODEL, OTHER_MODEL, type FuzzClient } from './clients.ts';
import type { Random } from '../transparent/random.ts';
import { pair, scalar, treeOf, written, type Fields, type Pair, type Tree } from './tree.ts';

export type Kind = 'message' | 'count' | 'batch';

/** A request of the fuzz. */
export interface Drawn {
  readonly client: FuzzClient;
  readonly kind: Kind;
  readonly tree: Tree;
  /** What was done to the written tree; `null`: nothing. */
  readonly damage: Damage | null;
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** The body comes in pieces of so many bytes; `null`: in one, with its length. */
  readonly pieceBytes: number | null;
}

export const TARGETS: Readonly<Record<Kind, string>> = {
  message: '/v1/messages',
  count: '/v1/messages/count_tokens',
  batch: '/v1/messages/batches',
};

export function draw(random: Random): Drawn {
  const client = random.one(CLIENTS);
  const kind = random.one<Kind>(['message', 'message', 'message', 'count', 'batch']);
  const tree = random.whether(0.02)
    ? treeOf(random.one<unknown>([[], null, 7, 'model', [{ model: MODEL }]]))
    : body(random, kind);
  const damage = random.whether(0.1) ? random.one(DAMAGES) : null;
  const { bytes, headers } = damaged(Buffer.from(written(tree)), damage);
  const attempt: Record<string, string> = random.whether(0.5)
    ? { 'x-stainless-retry-count': String(random.one([0, 1, 2, 9])) }
    : {};
  return {
    client,
    kind,
    tree,
    damage,
    bytes,
    headers: { 'content-type': 'application/json', ...attempt, ...headers },
    pieceBytes: random.one([null, null, 1, 7, 300]),
  };
}

const DAMAGES = ['cut', 'bom', 'utf-16', 'gzip', 'charset', 'latin1', 'comma', 'NaN', 'tail', 'control'] as const;

export type Damage = (typeof DAMAGES)[number];

function damaged(
  bytes: Buffer,
  damage: Damage | null,
): { readonly bytes: Buffer; readonly headers: Record<string, string> } {
  const text = bytes.toString();
  switch (damage) {
    case null:
      return { bytes, headers: {} };
    case 'cut':
      return { bytes: bytes.subarray(0, -1), headers: {} };
    case 'bom':
      return { bytes: Buffer.concat([Buffer.from('\uFEFF'), bytes]), headers: {} };
    case 'utf-16':
      return { bytes: Buffer.from(text, 'utf16le'), headers: {} };
    case 'gzip':
      return { bytes: gzipSync(bytes), headers: { 'content-encoding': 'gzip' } };
    case 'charset':
      return { bytes, headers: { 'content-type': 'application/json; charset=utf-7' } };
    case 'latin1':
      return { bytes: Buffer.concat([Buffer.from('{"x":"\xfc",', 'latin1'), bytes.subarray(1)]), headers: {} };
    case 'comma':
      return { bytes: Buffer.from(`${text.slice(0, -1)},${text.slice(-1)}`), headers: {} };
    case 'NaN':
      return { bytes: Buffer.from(`[NaN,${text}]`), headers: {} };
    case 'tail':
      return { bytes: Buffer.from(`${text} ${text}`), headers: {} };
    case 'control':
      return { bytes: Buffer.from(`{"a\nb":1,${text.slice(1)}`), headers: {} };
  }
}

function body(random: Random, kind: Kind): Tree {
  if (kind !== 'batch') return message(random);
  const requests: Tree = {
    kind: 'list',
    items: Array.from({ length: random.one([0, 1, 2, 3]) }, (_, index) => entry(random, index)),
  };
  if (!random.whether(0.1)) return { kind: 'fields', pairs: [pair('requests', requests)] };
  return random.one<Tree>([
    { kind: 'fields', pairs: [pair('requests', requests), pair('requests', requests, String.raw`"requests"`)] },
    treeOf({ requests: { 0: {} } }),
    treeOf({ requests: 'all' }),
    treeOf({}),
  ]);
}

function entry(random: Random, index: number): Tree {
  if (random.whether(0.1)) return treeOf(random.one<unknown>([null, [], 7, {}, { params: null }, { params: [] }]));
  const params = [pair('params', message(random))];
  if (random.whether(0.03)) params.push(pair('params', message(random)));
  return { kind: 'fields', pairs: [pair('custom_id', scalar(`r${index}`)), ...params] };
}

function message(random: Random): Fields {
  const pairs: Pair[] = [
    ...(random.whether(0.03)
      ? []
      : [pair('model', random.whether(0.15) ? oddModel(random) : scalar(goodModel(random)))]),
    ...(random.whether(0.03)
      ? []
      : [pair('max_tokens', random.whether(0.2) ? oddTokens(random) : scalar(random.one([0, 1, 50, 100])))]),
    pair(
      'messages',
      treeOf([{ role: 'user', content: random.one(['hi', '\u00fc\u{1f40b}', 'x'.repeat(400), 'x'.repeat(2_100)]) }]),
    ),
    ...random.several(ODDITIES, 2).map((oddity) => oddity(random)),
  ];
  if (random.whether(0.05)) pairs.push(again(random));
  return { kind: 'fields', pairs: shuffled(pairs, random) };
}

const goodModel = (random: Random): string => random.one([MODEL, MODEL, MODEL, OTHER_MODEL]);

const anyModel = (random: Random): string => random.one([MODEL, OTHER_MODEL, FOREIGN_MODEL]);

function oddModel(random: Random): Tree {
  return treeOf(random.one<unknown>([FOREIGN_MODEL, null, 7, '', [MODEL], { toString: null }, 'm'.repeat(300), true]));
}

function oddTokens(random: Random): Tree {
  const texts = [
    '"5"',
    '-1',
    '1.5',
    '50.0',
    '1e1',
    '1e400',
    'null',
    'true',
    '[5]',
    '{"valueOf":1}',
    '1000000001',
    '101',
    '2000',
  ];
  return { kind: 'scalar', text: random.one(texts) };
}

/** Two of them cost more than a visitor may spend, and one does not. */
const MODEST_FALLBACK = { model: MODEL, max_tokens: 1_200 };

function fallback(random: Random): unknown {
  return { model: MODEL, max_tokens: random.one([50, 101, 1_200, 1_900, 5_001, null]) };
}

/** Fields that a request may have, and that somebody could hide a model or `max_tokens` in. */
const ODDITIES: readonly ((random: Random) => Pair)[] = [
  (random) =>
    pair(
      'fallbacks',
      treeOf(
        random.one<unknown>([
          'default',
          null,
          [],
          [{ model: anyModel(random) }],
          [fallback(random)],
          [fallback(random), fallback(random)],
          [MODEST_FALLBACK, MODEST_FALLBACK],
        ]),
      ),
    ),
  (random) =>
    pair(
      'tools',
      treeOf([
        { type: 'advisor_20260301', name: 'advisor', model: random.one<unknown>([anyModel(random), 7, null, {}]) },
      ]),
    ),
  (random) =>
    pair(
      'tools',
      treeOf([
        {
          name: 'cars',
          input_schema: { properties: { model: anyModel(random) } },
          input_examples: [{ model: 'Civic', max_tokens: 'all' }],
        },
      ]),
    ),
  () =>
    pair('tools', treeOf([{ type: 'mcp_toolset', mcp_server_name: 'cars', configs: { model: { enabled: true } } }])),
  () => pair('mcp_servers', treeOf([{ name: 'cars', model: 'Civic', max_tokens: -1 }])),
  (random) => pair('some_new_field', treeOf({ of: [[{ model: anyModel(random) }]] })),
  (random) => pair('some_new_field', treeOf({ max_tokens: random.one<unknown>([1, 101, 5_001, 'x', -1, null]) })),
  (random) => pair('speed', treeOf(random.one<unknown>(['standard', 'standard', null, 'ludicrous', 7]))),
  (random) => pair('inference_geo', treeOf(random.one<unknown>(['us', 'global', null, 7, ['us']]))),
  (random) => pair('stream', treeOf(random.one<unknown>([false, 'true', 1, null]))),
  () => pair('metadata', treeOf({ user_id: 'a', model: 7, max_tokens: {} })),
  () => pair('output_config', treeOf({ format: { schema: { model: 1, properties: { max_tokens: {} } } } })),
  (random) => pair(random.one(['system', 'some_new_field']), nested(random.one([30, 150, 230]))),
  () => pair('top_k', { kind: 'scalar', text: '1E2' }),
];

function nested(levels: number): Tree {
  let tree: Tree = scalar(1);
  for (let level = 0; level < levels; level++) tree = { kind: 'list', items: [tree] };
  return tree;
}

/** A name that comes a second time, perhaps as escapes. */
function again(random: Random): Pair {
  const name = random.one(['model', 'max_tokens', 'speed', 'inference_geo', 'top_k']);
  const escaped = Array.from(name, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`).join('');
  const value =
    name === 'model'
      ? scalar(anyModel(random))
      : name === 'speed' || name === 'inference_geo'
        ? scalar('standard')
        : scalar(random.one([1, 9_999]));
  return pair(name, value, random.whether(0.5) ? `"${escaped}"` : `"${name}"`);
}

function shuffled(pairs: readonly Pair[], random: Random): readonly Pair[] {
  return pairs
    .map((each) => ({ each, rank: random.next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ each }) => each);
}
