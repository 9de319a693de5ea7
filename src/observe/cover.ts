/**
 * Puts a property of this one object in front of what it has or inherits: not listed by `for…in`, `Object.keys` or a
 * copy. Returns whether the object took it: a frozen one does not.
 */
export function hide(object: object, name: PropertyKey, value: unknown): boolean {
  return Reflect.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
}

export type Method = (this: unknown, ...given: unknown[]) => unknown;

/**
 * Covers a method of this one object, under its own name, until the returned function uncovers it. An object that is
 * used for many calls, as a test's response often is, gathers no covers then. `null` where there is no such method, or
 * the object is frozen.
 */
export function cover(object: object, name: string, around: (method: Method) => Method): (() => void) | null {
  const method: unknown = Reflect.get(object, name);
  if (typeof method !== 'function') return null;
  const own = Reflect.getOwnPropertyDescriptor(object, name);
  const covering = around(method as Method);
  Reflect.defineProperty(covering, 'name', { value: name, configurable: true });
  if (!hide(object, name, covering)) return null;
  return () => {
    // Whoever has covered it since keeps their cover.
    if (Reflect.getOwnPropertyDescriptor(object, name)?.value !== covering) return;
    if (own === undefined) Reflect.deleteProperty(object, name);
    else Reflect.defineProperty(object, name, own);
  };
}
