/** Builds and updates the page. Data only ever goes in as text: no label is HTML, a class or a selector. */

type Child = Node | string;

interface Properties {
  readonly class?: string | undefined;
  readonly [name: string]: string | undefined;
}

export function element(tag: string, properties: Properties = {}, ...children: readonly Child[]): HTMLElement {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Text of others: marks of direction in it do not reach beyond it. */
export function foreign(text: string, title = text): HTMLElement {
  return element('bdi', { title }, text);
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/** Changes the text only where it differs, so that a selection stays. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the children of a list those of the items: rows with the same id stay the same nodes, with focus and open details,
 * and are filled anew.
 */
export function updateRows<Item>(
  list: Element,
  items: readonly Item[],
  row: { readonly id: (item: Item) => string; readonly make: (item: Item) => HTMLElement },
): void {
  const before = new Map(
    [...list.children].map((node) => [(node as HTMLElement).dataset['id'] ?? '', node as HTMLElement]),
  );
  const rows = items.map((item) => {
    const id = row.id(item);
    const made = row.make(item);
    made.dataset['id'] = id;
    const known = before.get(id);
    if (known === undefined) return made;
    if (known.outerHTML !== made.outerHTML) refill(known, made);
    return known;
  });
  if (rows.length !== list.children.length || rows.some((node, index) => list.children[index] !== node))
    list.replaceChildren(...rows);
}

/** Takes over the content of another node, child by child where the structure is the same. */
function refill(known: Element, made: Element): void {
  const attributes = new Set([...known.attributes, ...made.attributes].map(({ name }) => name));
  attributes.delete('open'); // What the reader opened stays open.
  for (const name of attributes) {
    const value = made.getAttribute(name);
    if (value === null) known.removeAttribute(name);
    else if (known.getAttribute(name) !== value) known.setAttribute(name, value);
  }
  const [old, fresh] = [[...known.childNodes], [...made.childNodes]];
  if (old.length !== fresh.length || old.some((node, index) => node.nodeName !== fresh[index]?.nodeName)) {
    known.replaceChildren(...fresh);
    return;
  }
  for (const [index, node] of old.entries()) {
    const other = fresh[index];
    if (node instanceof Element && other instanceof Element) refill(node, other);
    else if (other !== undefined && node.nodeValue !== other.nodeValue) node.nodeValue = other.nodeValue;
  }
}

/** A shape that says a severity without its color. */
export function shape(path: string): SVGElement {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 12 12');
  svg.setAttribute('aria-hidden', 'true');
  const drawn = document.createElementNS(space, 'path');
  drawn.setAttribute('d', path);
  svg.append(drawn);
  return svg;
}

/** Says in place of a list's rows why there are none. */
export function showEmpty(list: HTMLElement, text: string): void {
  list.replaceChildren(element('li', { class: 'empty' }, text));
}
