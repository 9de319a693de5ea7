/** JSON as a tree that keeps what a parser would throw away: names that come twice, spellings, blanks. */
export type Tree = Scalar | List | Fields;

export interface Scalar {
  readonly kind: 'scalar';
  /** As it is written. */
  readonly text: string;
}

export interface List {
  readonly kind: 'list';
  readonly items: readonly Tree[];
}

export interface Fields {
  readonly kind: 'fields';
  readonly pairs: readonly Pair[];
}

export interface Pair {
  readonly name: string;
  /** The name as it is written, with its quotes. */
  readonly spelled: string;
  readonly value: Tree;
}

export function scalar(value: unknown): Scalar {
  return { kind: 'scalar', text: JSON.stringify(value) };
}

/** A value of JavaScript as a tree. */
export function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { kind: 'list', items: value.map(treeOf) };
  if (typeof value !== 'object' || value === null) return scalar(value);
  return { kind: 'fields', pairs: Object.entries(value).map(([name, inner]) => pair(name, treeOf(inner))) };
}

export function pair(name: string, value: Tree, spelled = JSON.stringify(name)): Pair {
  return { name, spelled, value };
}

/** Writes a tree. `replaced`: another text for one scalar in it. */
export function written(tree: Tree, replaced?: { readonly scalar: Scalar; readonly text: string }): string {
  switch (tree.kind) {
    case 'scalar':
      return tree === replaced?.scalar ? replaced.text : tree.text;
    case 'list':
      return `[${tree.items.map((item) => written(item, replaced)).join(', ')}]`;
    case 'fields':
      return `{ ${tree.pairs.map(({ spelled, value }) => `${spelled} :${written(value, replaced)}`).join(',\n')} }`;
  }
}

/** Levels of lists and objects. */
export function depth(tree: Tree): number {
  if (tree.kind === 'scalar') return 0;
  const inner = tree.kind === 'list' ? tree.items : tree.pairs.map(({ value }) => value);
  return 1 + inner.reduce((most, each) => Math.max(most, depth(each)), 0);
}
