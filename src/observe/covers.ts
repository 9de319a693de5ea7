/**
 * Puts a property of this one object in front of what it has or inherits: not listed by `for…in`, `Object.keys` or a
 * copy, unless the object has one of its own that is. Returns whether the object took it: a frozen one does not.
 */
export function hide(object: object, name: PropertyKey, value: unknown): boolean {
  const enumerable = Object.prototype.propertyIsEnumerable.call(object, name);
  return Reflect.defineProperty(object, name, { value, writable: true, configurable: true, enumerable });
}

/**
 * Hides a property until the returned function takes it away again; `null` where the object is frozen. Whoever has put
 * another in front since keeps theirs. An object that is used for many calls, as a test's response often is, gathers no
 * covers then.
 */
export function cover(object: object, name: PropertyKey, value: unknown): (() => void) | null {
  const own = Reflect.getOwnPropertyDescriptor(object, name);
  if (!hide(object, name, value)) return null;
  return () => {
    if (Reflect.getOwnPropertyDescriptor(object, name)?.value !== value) return;
    if (own === undefined) Reflect.deleteProperty(object, name);
    else Reflect.defineProperty(object, name, own);
  };
}

export type Method = (this: unknown, ...given: unknown[]) => unknown;

/** Covers a method of this one object, under its own name. `null` also where there is no such method. */
export function coverMethod(object: object, name: string, around: (method: Method) => Method): (() => void) | null {
  const method: unknown = Reflect.get(object, name);
  if (typeof method !== 'function') return null;
  const covering = around(method as Method);
  Reflect.defineProperty(covering, 'name', { value: name, configurable: true });
  return cover(object, name, covering);
}
