/** Families of models, by the word in their ids. */
const FAMILIES: ReadonlySet<string> = new Set(['opus', 'sonnet', 'haiku', 'fable', 'mythos']);

/** An entry that names one model, as opposed to a family or a pattern. */
export function isModelId(entry: string): boolean {
  return !entry.includes('*') && familyIn(entry) === null;
}

/** Tells whether a list has the model: by its id, by the alias of its dated id, by a pattern with `*`, or by its family. */
export function isListed(model: string, list: readonly string[]): boolean {
  return list.some((entry) => (isModelId(entry) ? isNamed(model, entry) : covers(entry, model)));
}

/** Tells whether every list has the model. */
export function isListedInAll(model: unknown, lists: readonly (readonly string[])[]): boolean {
  return typeof model === 'string' && lists.every((list) => isListed(model, list));
}

/** Tells whether an entry adds nothing to a list. Of two patterns, only the same text is known not to. */
export function isWithin(entry: string, list: readonly string[]): boolean {
  return list.includes(entry) || (isModelId(entry) && isListed(entry, list));
}

const DATE = /^-20\d{6}$/;

/** `claude-haiku-4-5-20251001` belongs to its alias `claude-haiku-4-5`; the alias does not belong to it, because it can move. */
function isNamed(model: string, alias: string): boolean {
  return model === alias || isDatedFrom(model, alias);
}

function isDatedFrom(model: string, alias: string): boolean {
  return model.startsWith(alias) && DATE.test(model.slice(alias.length)) && !/-20\d{6}$/.test(alias);
}

const MODEL_ID = /^[\w.:@/-]{1,256}$/;

function covers(entry: string, model: string): boolean {
  if (!MODEL_ID.test(model)) return false;
  const family = familyIn(entry);
  return family === null ? matches(entry, model) : familyOf(model) === family;
}

/** The family that an entry names, as `haiku` or `claude-haiku`; `null` if it names none. */
function familyIn(entry: string): string | null {
  const word = entry.replace(/^claude-/, '');
  return FAMILIES.has(word) ? word : null;
}

/** `claude-haiku-4-5-20251001`, `claude-3-5-haiku-latest`, `claude-mythos-preview`: one family, and otherwise numbers. */
const IN_FAMILY = /^claude-(?:\d+-)*([a-z]+)(?:-\d+)*(?:-(?:latest|preview))?$/;

function familyOf(model: string): string | null {
  return IN_FAMILY.exec(model)?.[1] ?? null;
}

/** Compares with a pattern in which `*` stands for any characters. Takes each piece where it comes first, so it never goes back. */
function matches(pattern: string, model: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  if (!model.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = model.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return model.length - last.length >= at && model.endsWith(last);
}
