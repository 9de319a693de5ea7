/**
 * The rules of the gateway, written apart from it: from the manual, over the tree that a body was written from, so no
 * parser decides here what a body says.
 */
import type { Drawn } from './draw.ts';
import { depth, written, type Fields, type Scalar, type Tree } from './tree.ts';

/** What becomes of a request: refused, or sent on with this body. */
export type Verdict =
  | { readonly sent: false }
  | {
      readonly sent: true;
      readonly body: Buffer;
      /** The most for any of its models, and how many may be billed at most. */
      readonly maxTokens: number;
      readonly billed: number;
    };

const REFUSED: Verdict = { sent: false };

/** What a body asks for, where it can be understood. */
interface Asked {
  readonly models: readonly string[];
  readonly chosenByApi: boolean;
  readonly own: Scalar | null;
  readonly tokens: number;
  readonly furtherTokens: number;
  /** Models that may be asked, its own among them. */
  readonly billed: number;
}

/** Fields whose content is the user's own, or another server's. */
const THEIRS: ReadonlySet<string> = new Set(
  'messages system metadata mcp_servers output_config output_format input_schema input_examples configs default_config'.split(
    ' ',
  ),
);

const DEEPEST = 200;

/** The verdict on a request, whatever came before it: not on its rate, nor on what its token has spent. */
export function verdictOn(drawn: Drawn): Verdict {
  const { client, kind, tree, damage, bytes } = drawn;
  if (client.spendNanoUsd !== null && kind === 'batch') return REFUSED;
  if (client.endpoints === 'messages' && kind === 'batch') return REFUSED;
  if (bytes.length > (client.bodyBytes ?? Infinity)) return REFUSED;
  if (damage === 'gzip') return REFUSED;
  const isLimited = client.models !== null || client.ceiling !== null || client.spendNanoUsd !== null;
  if (!isLimited) return { sent: true, body: bytes, maxTokens: 0, billed: 1 };
  if (damage !== null || depth(tree) > DEEPEST) return REFUSED;
  const all = kind === 'batch' ? batchOf(tree) : [messageOf(tree, kind === 'count')];
  return all.some((asked) => asked === null) ? REFUSED : ruled(drawn, all as readonly Asked[]);
}

function ruled(drawn: Drawn, all: readonly Asked[]): Verdict {
  const { client, kind, tree, bytes } = drawn;
  const { models, ceiling } = client;
  if (isUnbounded(drawn)) return REFUSED;
  if (models !== null && !all.every((asked) => mayUse(asked, models))) return REFUSED;
  const [first] = all;
  const asIs: Verdict = { sent: true, body: bytes, ...mostBilled(first) };
  if (ceiling === null || kind === 'count') return asIs;
  const beyond = all.filter(({ tokens, furtherTokens }) => Math.max(tokens, furtherTokens) > ceiling.tokens);
  if (beyond.length === 0) return asIs;
  if (ceiling.above === 'reject' || kind === 'batch' || first === undefined || first.own === null) return REFUSED;
  if (first.furtherTokens > ceiling.tokens) return REFUSED;
  const body = written(tree, { scalar: first.own, text: String(ceiling.tokens) });
  return { ...asIs, body: Buffer.from(body), maxTokens: ceiling.tokens };
}

function mostBilled(asked: Asked | undefined) {
  const { tokens, furtherTokens, billed } = asked ?? { tokens: 0, furtherTokens: 0, billed: 1 };
  return { maxTokens: Math.max(tokens, furtherTokens), billed };
}

function mayUse({ chosenByApi, models }: Asked, allowed: readonly string[]): boolean {
  return !chosenByApi && models.every((model) => allowed.includes(model));
}

function batchOf(tree: Tree): readonly (Asked | null)[] {
  const requests = tree.kind === 'fields' ? only(tree, 'requests') : null;
  if (requests?.kind !== 'list') return [null];
  return requests.items.map((item) => {
    const params = item.kind === 'fields' ? only(item, 'params') : null;
    return params === null ? null : messageOf(params, false);
  });
}

/** The value of a name that comes exactly once. */
function only({ pairs }: Fields, name: string): Tree | null {
  const values = pairs.filter((each) => each.name === name).map(({ value }) => value);
  return values.length === 1 ? (values[0] ?? null) : null;
}

function messageOf(tree: Tree, isCounted: boolean): Asked | null {
  if (tree.kind !== 'fields' || hasTwice(tree)) return null;
  const model = nameIn(only(tree, 'model'));
  const tokens = only(tree, 'max_tokens');
  const count = tokensIn(tokens);
  const further = furtherIn(tree, { isCounted, isRequest: true });
  if (model === null || further === null || !isSpeed(only(tree, 'speed'))) return null;
  if (!isPlace(only(tree, 'inference_geo'))) return null;
  if (count === null && !isCounted) return null;
  const fallbacks = only(tree, 'fallbacks');
  return {
    models: [model, ...further.models],
    chosenByApi: fallbacks?.kind === 'scalar' && fallbacks.text.startsWith('"'),
    own: tokens?.kind === 'scalar' ? tokens : null,
    tokens: count ?? 0,
    furtherTokens: further.tokens,
    billed: 1 + further.count,
  };
}

function hasTwice({ pairs }: Fields): boolean {
  const read = pairs.map(({ name }) => name).filter((name) => READ.has(name) || THEIRS.has(name));
  return new Set(read).size < read.length;
}

const READ: ReadonlySet<string> = new Set(
  'model max_tokens speed inference_geo stream fallbacks tools context_management compaction'.split(' '),
);

/** A visitor may not ask for what nobody can bound: tools of other servers, and tools that the API runs. */
function isUnbounded({ client, kind, tree }: Drawn): boolean {
  if (client.spendNanoUsd === null || kind !== 'message' || tree.kind !== 'fields') return false;
  if (tree.pairs.some(({ name, value }) => name === 'mcp_servers' && value.kind !== 'scalar')) return true;
  const tools = tree.pairs.flatMap(({ name, value }) => (name === 'tools' && value.kind === 'list' ? value.items : []));
  return tools.some((tool) => tool.kind === 'fields' && tool.pairs.some(({ name }) => name === 'type'));
}

interface Further {
  readonly models: readonly string[];
  readonly tokens: number;
  /** Models and bounds of tokens that are named: no more models than that. */
  readonly count: number;
}

interface Place {
  readonly isCounted: boolean;
  readonly isRequest: boolean;
}

const NOTHING: Further = { models: [], tokens: 0, count: 0 };

/** The further models and tokens within; `null` where one cannot be understood. */
function furtherIn(tree: Tree, place: Place): Further | null {
  if (tree.kind === 'scalar') return NOTHING;
  if (tree.kind === 'fields' && !place.isRequest && hasTwice(tree)) return null;
  const inner = tree.kind === 'list' ? tree.items.map((value) => ({ name: '', value })) : tree.pairs;
  let found = NOTHING;
  for (const { name, value } of inner) {
    const more = furtherOf(name, value, place);
    if (more === null) return null;
    found = {
      models: [...found.models, ...more.models],
      tokens: Math.max(found.tokens, more.tokens),
      count: found.count + more.count,
    };
  }
  return found;
}

/** The request's own fields are not further ones. */
const OWN: ReadonlySet<string> = new Set(['model', 'max_tokens', 'speed']);

function furtherOf(name: string, value: Tree, { isCounted, isRequest }: Place): Further | null {
  if (THEIRS.has(name) || (isRequest && OWN.has(name))) return NOTHING;
  if (value.kind === 'scalar' && value.text === 'null') return NOTHING;
  if (name === 'model') {
    const model = nameIn(value);
    return model === null ? null : { models: [model], tokens: 0, count: 1 };
  }
  if (name !== 'max_tokens') return furtherIn(value, { isCounted, isRequest: false });
  if (isCounted) return NOTHING;
  const tokens = tokensIn(value);
  return tokens === null ? null : { models: [], tokens, count: 1 };
}

function nameIn(tree: Tree | null): string | null {
  const value: unknown = tree?.kind === 'scalar' ? JSON.parse(tree.text) : null;
  return typeof value === 'string' && value !== '' && value.length <= 256 ? value : null;
}

function tokensIn(tree: Tree | null): number | null {
  const text = tree?.kind === 'scalar' ? tree.text : '';
  return /^\d+$/.test(text) && Number(text) <= 1_000_000_000 ? Number(text) : null;
}

function isSpeed(tree: Tree | null): boolean {
  return tree === null || (tree.kind === 'scalar' && ['"standard"', '"fast"', 'null'].includes(tree.text));
}

/** Where the model runs, which has a price: any name. */
function isPlace(tree: Tree | null): boolean {
  return tree === null || (tree.kind === 'scalar' && (tree.text === 'null' || /^"[^]{0,256}"$/.test(tree.text)));
}
