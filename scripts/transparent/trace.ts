/** One thing that could be seen of a sequence, and where. Lines are compared in the order of their channel. */
export interface Line {
  /** `call 0`, `requests 0`, `log`, `console`, `process`, `sockets`, `client`, `look`, `account`. */
  readonly channel: string;
  readonly what: string;
  readonly is: string;
}

/** Collects what can be seen while a sequence runs. */
export class Trace {
  readonly #lines: Line[] = [];
  readonly #mask: (text: string) => string;
  #closed = false;

  constructor(mask: (text: string) => string) {
    this.#mask = mask;
  }

  note(channel: string, what: string, is: string): void {
    if (!this.#closed) this.#lines.push({ channel, what, is: this.#mask(is) });
  }

  /** Nothing is noted from now on: what comes late belongs to no sequence. */
  close(): void {
    this.#closed = true;
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }
}

/** What differs between two runs in the same way for every run: random values, times and ports. Nothing else is masked. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\blog_[0-9a-f]{6}\b/g, 'log_ID'],
  [/\bin \d+ms\b/g, 'in 0ms'],
  [/\bdurationMs: \d+/g, 'durationMs: 0'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, 'UUID'],
  [/-{2,}(?:formdata-undici-|form-data-boundary-|)[\w-]*\d[\w-]*/g, '--BOUNDARY'],
  [/boundary=[\w-]+/g, 'boundary=BOUNDARY'],
  [/Credential=[^,]+|Signature=\w+|\b\d{8}T\d{6}Z\b/g, 'SIGNED'],
];

/** Masks varying values and the given origins, whose ports differ. */
export function masking(origins: Readonly<Record<string, string>>): (text: string) => string {
  const replaced = Object.entries(origins).flatMap(([name, origin]) => [
    [origin, `http://${name}`] as const,
    [origin.replace('http://', ''), name] as const,
  ]);
  return (text) => {
    const varied = VARYING.reduce((masked, [pattern, name]) => masked.replace(pattern, name), text);
    return replaced.reduce((masked, [origin, name]) => masked.replaceAll(origin, name), varied);
  };
}
