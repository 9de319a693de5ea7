import { failure, untap, type BodyEnd, type BodyListener } from './body-tap.ts';
import { reading, tapContent } from './content.ts';
import { cover } from './cover.ts';

/** The end of a JSON body: as of any body, or whole and not JSON. */
export type JsonEnd = BodyEnd | 'malformed';

/** A larger body that is not read by `json()` is not looked into. */
const LARGEST_BODY_BYTES = 32 << 20;

/**
 * Looks at the value that the response's own `json()` gives its caller, so that the body is parsed once and by them.
 * Content that is read in any other way is put together from its chunks and parsed when it has been read.
 * `seen` is called once, with `undefined` where there is no value; or `unseen` is, where nobody can tell.
 */
export function tapJson(response: Response, seen: SeenJson, unseen: () => void): void {
  const body = tapContent(response, new JsonListener(seen), unseen);
  if (body === null) return;
  const uncover = cover(response, 'json', (parse) => {
    const observed = reading(parse, valueSeen, failed);
    return function (this: unknown) {
      uncover?.();
      const { body: current, bodyUsed } = this as Response;
      // `clone()` puts another body in place of the first, with a tap of its own.
      if (current !== body || body.locked === true || bodyUsed) return parse.call(this);
      untap(body);
      return observed.call(this);
    };
  });

  function valueSeen<T>(value: T): T {
    seen(value, 'done');
    return value;
  }

  function failed(error: unknown): never {
    seen(undefined, error instanceof SyntaxError ? 'malformed' : failure(error));
    throw error;
  }
}

type SeenJson = (value: unknown, how: JsonEnd) => void;

/** Puts a body together from its chunks and parses it when it is over. `seen` is called once. */
export class JsonListener implements BodyListener {
  readonly #seen: SeenJson;
  readonly #largestBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(seen: SeenJson, largestBytes = LARGEST_BODY_BYTES) {
    this.#seen = seen;
    this.#largestBytes = largestBytes;
  }

  chunk(bytes: Uint8Array): void {
    this.#bytes += bytes.byteLength;
    if (this.#bytes <= this.#largestBytes) this.#chunks.push(bytes.slice());
    else this.#chunks.length = 0;
  }

  end(how: BodyEnd): void {
    if (how !== 'done' || this.#bytes > this.#largestBytes) return this.#seen(undefined, how);
    let value: unknown;
    try {
      value = JSON.parse(Buffer.concat(this.#chunks).toString('utf8'));
    } catch {
      return this.#seen(undefined, 'malformed'); // the caller has to find that out for themselves
    }
    this.#seen(value, 'done');
  }
}
