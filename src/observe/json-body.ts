import { failure, tapBody, untap, type BodyEnd, type BodyListener } from './body-tap.ts';

/** The end of a JSON body: as of any body, or whole and not JSON. */
export type JsonEnd = BodyEnd | 'malformed';

/** A larger body that is not read by `json()` is not looked into. */
const LARGEST_BODY_BYTES = 32 << 20;

/**
 * Looks at the value that the response's own `json()` gives its caller, so that the body is parsed once and by them.
 * A body that is read in any other way is put together from its chunks and parsed when it has been read.
 * `seen` is called once, with `undefined` where there is no value.
 */
export function tapJson(response: Response, seen: (value: unknown, how: JsonEnd) => void): void {
  const body = response.body;
  if (body === null) return seen(undefined, 'done');
  // A response of another make still has its `json()`.
  if (body instanceof ReadableStream) tapBody(body, new JsonListener(seen));
  const parse = response.json;
  const json = function json(this: Response): Promise<unknown> {
    // `clone()` puts another body in place of the first, with a tap of its own.
    if (this.body !== body || body.locked) return parse.call(this);
    untap(body);
    return observedJson(parse.call(this), seen);
  };
  (response as { json: typeof json }).json = json;
}

async function observedJson(parsing: Promise<unknown>, seen: (value: unknown, how: JsonEnd) => void): Promise<unknown> {
  let value: unknown;
  try {
    value = await parsing;
  } catch (error) {
    seen(undefined, error instanceof SyntaxError ? 'malformed' : failure(error));
    throw error;
  }
  seen(value, 'done');
  return value;
}

/** Puts a body together from its chunks and parses it when it is over. `seen` is called once. */
export class JsonListener implements BodyListener {
  readonly #seen: (value: unknown, how: JsonEnd) => void;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(seen: (value: unknown, how: JsonEnd) => void) {
    this.#seen = seen;
  }

  chunk(bytes: Uint8Array): void {
    this.#bytes += bytes.byteLength;
    if (this.#bytes <= LARGEST_BODY_BYTES) this.#chunks.push(bytes.slice());
    else this.#chunks.length = 0;
  }

  end(how: BodyEnd): void {
    if (how !== 'done' || this.#bytes > LARGEST_BODY_BYTES) return this.#seen(undefined, how);
    let value: unknown;
    try {
      value = JSON.parse(Buffer.concat(this.#chunks).toString('utf8'));
    } catch {
      return this.#seen(undefined, 'malformed'); // the caller has to find that out for themselves
    }
    this.#seen(value, 'done');
  }
}
