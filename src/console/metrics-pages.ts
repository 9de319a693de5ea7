/** Series at once: of one page, and of all pages, whose replicas have most of theirs in common. */
export const MOST_SERIES = 200_000;

const MOST_BYTES = 67_108_864;

/** The bytes of a metrics page, or what came in its place: `status 404`. */
export type PageRead = { readonly bytes: Buffer } | { readonly trouble: string };

/** Why the bytes of a page are of no use, a closed set. */
export type PageFault = 'no_metrics' | 'others_metrics' | 'too_large' | 'no_room';

/** What came, in the words that follow "got". */
export function wordsOf(fault: PageFault, mostSeries: number): string {
  return FAULTS[fault].replace('MOST', mostSeries.toLocaleString('en-US'));
}

const FAULTS: Readonly<Record<PageFault, string>> = {
  no_metrics: 'something else than metrics',
  others_metrics: 'metrics, but none of plimsoll',
  too_large: 'a page too large: more than MOST series',
  no_room: 'series for which there is no room: all pages together have more than MOST',
};

/** Reads a page within bounds. Stops at the first piece that goes beyond them, and leaves the rest unread. */
export async function pageIn(pieces: AsyncIterable<Uint8Array>): Promise<PageRead> {
  const kept: Uint8Array[] = [];
  const lines = new LineCount();
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    lines.add(piece);
    if (lines.series > MOST_SERIES) return { trouble: wordsOf('too_large', MOST_SERIES) };
    if (bytes > MOST_BYTES) return { trouble: `a page too large: more than ${MOST_BYTES / 1_048_576} MiB` };
    kept.push(piece);
  }
  return { bytes: Buffer.concat(kept) };
}

const LINE_END = 0x0a;
const COMMENT = 0x23;

/** Counts the lines of a page that are neither comments nor empty. */
class LineCount {
  series = 0;
  #isStart = true;

  add(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      const byte = piece[at];
      if (this.#isStart && byte !== COMMENT && byte !== LINE_END) this.series += 1;
      const end = piece.indexOf(LINE_END, at);
      this.#isStart = end !== -1;
      at = end === -1 ? piece.length : end + 1;
    }
  }
}

/** The lines of a page that are neither comments nor empty, each a text of its own: a part would keep the whole alive. */
export function* linesOf(bytes: Buffer): Iterable<string> {
  for (let from = 0; from < bytes.length;) {
    const found = bytes.indexOf(LINE_END, from);
    const end = found === -1 ? bytes.length : found;
    const to = bytes[end - 1] === 0x0d ? end - 1 : end;
    if (to > from && bytes[from] !== COMMENT) yield bytes.toString('utf8', from, to);
    from = end + 1;
  }
}
