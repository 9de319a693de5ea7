import { gotName, unfit, unknownField, type Problem } from '../errors.ts';

/**
 * Reads one value of parsed JSON. If the value is wrong, it adds a problem with the place of the value and returns
 * `undefined`, so that one pass over a file finds every problem.
 */
export type Reader<T> = (value: unknown, place: string, problems: Problem[]) => T | undefined;

/** The type of what a reader returns. */
export type Read<R> = R extends Reader<infer T> ? T : never;

/** A reader that accepts a value unless `parse` returns `undefined`; `expected` completes "expected …". */
export function value<T>(expected: string, parse: (value: unknown) => T | undefined): Reader<T> {
  return (raw, place, problems) => {
    const parsed = parse(raw);
    if (parsed === undefined) problems.push(unfit(place, raw, { expected }));
    return parsed;
  };
}

/** The same reader, for a field that may be absent or `null`: both read as `null`. */
export function optional<T>(reader: Reader<T>): Reader<T | null> {
  return (raw, place, problems) => (raw === undefined || raw === null ? null : reader(raw, place, problems));
}

/** A list whose items `item` reads. */
export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return (raw, place, problems) => {
    if (!Array.isArray(raw)) {
      problems.push(unfit(place, raw, { expected: 'a list' }));
      return undefined;
    }
    const items = raw.map((entry: unknown, index) => item(entry, `${place}[${index}]`, problems));
    return items.every((entry) => entry !== undefined) ? items : undefined;
  };
}

/** The same list, for a field that may be absent: that reads as empty. */
export function orEmpty<T>(reader: Reader<readonly T[]>): Reader<readonly T[]> {
  return (raw, place, problems) => (raw === undefined ? [] : reader(raw, place, problems));
}

/** An object with any names, whose values `entry` reads; absent reads as empty. */
export function mapOf<T>(entry: Reader<T>): Reader<ReadonlyMap<string, T>> {
  return (raw, place, problems) => {
    if (raw === undefined || raw === null) return new Map<string, T>();
    if (!isObject(raw)) {
      problems.push(unfit(place, raw, { expected: 'an object' }));
      return undefined;
    }
    const read = new Map<string, T>();
    for (const [name, one] of Object.entries(raw)) {
      const parsed = entry(one, at(place, name), problems);
      if (parsed !== undefined) read.set(name, parsed);
    }
    return read;
  };
}

/**
 * An object with exactly these fields. Any other field is a problem, because a misspelled one would be ignored
 * silently.
 */
export function object<S extends Readonly<Record<string, Reader<unknown>>>>(
  fields: S,
): Reader<{ readonly [K in keyof S]: Read<S[K]> }> {
  return (raw, place, problems) => {
    if (!isObject(raw)) {
      problems.push(unfit(place, raw, { expected: 'an object' }));
      return undefined;
    }
    const before = problems.length;
    for (const name of Object.keys(raw)) {
      if (!Object.hasOwn(fields, name)) problems.push(unknownField(at(place, name), Object.keys(fields)));
    }
    const read = Object.entries(fields).map(([name, reader]) => [name, reader(raw[name], at(place, name), problems)]);
    return problems.length === before ? (Object.fromEntries(read) as { [K in keyof S]: Read<S[K]> }) : undefined;
  };
}

function isObject(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

function at(place: string, name: string): string {
  return place === '' ? gotName(name) : `${place}.${gotName(name)}`;
}
