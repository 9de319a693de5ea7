/** A function that answers the same key with the same thing, made at the first question. Keys must be bounded. */
export function resolvedOnce<Key, Thing>(resolve: (key: Key) => Thing): (key: Key) => Thing {
  const known = new Map<Key, Thing>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const thing = resolve(key);
    known.set(key, thing);
    return thing;
  };
}
