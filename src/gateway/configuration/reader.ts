import { got, gotName, nearest, unfit, unknownField, type Problem, type ValueProblem } from '../../errors.ts';
import { redacted } from '../../keys/secrets.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Bounds of a whole number; a number outside is a problem. */
interface Bounds {
  readonly least: number;
  readonly most: number;
  /** The bounds in words: `whole seconds from 1 to 900`. */
  readonly expected: string;
}

/** The form that a text must have. */
interface Form {
  readonly pattern: RegExp;
  readonly expected: string;
}

/** Reads the fields of one object of a file and collects their problems, each with its path in the file. */
export class Reader {
  readonly #fields: Fields;
  readonly #place: string;
  readonly #problems: Problem[];

  constructor(fields: unknown, place: string, problems: Problem[]) {
    this.#fields = isObject(fields) ? fields : {};
    this.#place = place;
    this.#problems = problems;
  }

  /** `undefined` if the field is absent, or empty as YAML's `name:` is. */
  value(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? undefined) : undefined;
  }

  place(name: string): string {
    return this.#place === '' ? name : `${this.#place}.${name}`;
  }

  /** Reports that the value of a field is not the expected one. */
  problem(name: string, expected: string, advice: string): void {
    this.note(name, unfit(name, this.value(name), { expected, advice }));
  }

  note(name: string, { kind, expected, got, advice }: ValueProblem): void {
    // A name in the path may be a key that was written in the wrong place.
    const field = redacted(this.place(name));
    this.#problems.push({ kind, field, expected, got: redacted(got), advice });
  }

  /** Reports unknown fields: otherwise a misspelled field would be ignored silently. */
  only(known: readonly string[]): void {
    for (const name of Object.keys(this.#fields)) {
      if (known.includes(name)) continue;
      const near = nearest(name.slice(0, 64), known);
      const shown = gotName(name);
      this.note(shown, unknownField(shown, known, near === null ? 'leave it out' : `did you mean ${near}?`));
    }
  }

  /**
   * Returns the object in a field; an empty one if the field is absent, or, with a problem, if it is something else.
   */
  within(name: string, expected: string): Reader {
    const value = this.value(name);
    if (value !== undefined && !isObject(value)) this.problem(name, expected, 'write it with its fields below it');
    return new Reader(value, this.place(name), this.#problems);
  }

  /** Returns the objects in a list; each item that is something else is a problem, and left out. */
  items(name: string, expected: string): readonly Reader[] {
    const value = this.value(name);
    if (!Array.isArray(value)) return [];
    return value.flatMap((item: unknown, position) => {
      const place = `${name}[${position}]`;
      if (isObject(item)) return [new Reader(item, this.place(place), this.#problems)];
      this.note(place, unfit(place, item, { expected, advice: 'write it with its fields below it' }));
      return [];
    });
  }

  /** Returns the names of the fields. */
  names(): readonly string[] {
    return Object.keys(this.#fields);
  }

  text(name: string, { pattern, expected }: Form): string | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === 'string' && pattern.test(value))) return value;
    this.problem(name, expected, typeof value === 'number' ? 'quote it' : 'change it');
    return undefined;
  }

  integer(name: string, { least, most, expected }: Bounds): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    this.problem(name, expected, 'change it');
    return undefined;
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.value(name);
    const found = choices.find((choice) => choice === value);
    if (value !== undefined && found === undefined)
      this.problem(name, `one of ${choices.join(', ')}`, 'use one of them');
    return found;
  }

  /** Reads a list of texts; each one that does not fit is a problem, and left out. */
  texts(name: string, { pattern, expected }: Form): readonly string[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) {
      this.problem(name, `a list, each ${expected}`, 'write it as a list');
      return undefined;
    }
    return value.filter((item: unknown, position): item is string => {
      const fits = typeof item === 'string' && pattern.test(item);
      if (!fits) this.note(`${name}[${position}]`, { kind: 'invalid', expected, got: got(item), advice: 'change it' });
      return fits;
    });
  }
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
