/** HTTP/1.1 as bytes: read strictly and independently of what is under test. */
export interface HttpMessage {
  /** The first line, without its end. */
  readonly startLine: string;
  /** As they were sent: in order, repeated ones repeated. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Head as sent, with the empty line. */
  readonly head: string;
  /** Without the framing of chunks. */
  readonly body: Buffer;
  /** Whether the body came to its announced end; one that only a closed connection ends is whole. */
  readonly whole: boolean;
  /** Bytes of the message in all, framing included. */
  readonly bytes: number;
}

/** How to read a message. */
export interface Reading {
  /** No more bytes come: what is there is the message, whole or not. */
  readonly ended: boolean;
  /** An answer without framing goes on to the end of the connection; a request without framing has no body. */
  readonly kind: 'request' | 'answer';
  /** An answer to HEAD has no body whatever its headers say. */
  readonly bodiless?: boolean;
}

const END_OF_HEAD = '\r\n\r\n';

/** The first message in the bytes; `null` where more must come. Throws for chunks that are none. */
export function httpMessage(bytes: Buffer, reading: Reading): HttpMessage | null {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return null;
  const head = bytes.toString('latin1', 0, end + END_OF_HEAD.length);
  const [startLine = '', ...lines] = head.slice(0, -END_OF_HEAD.length).split('\r\n');
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const rest = bytes.subarray(head.length);
  const framed = { ...reading, bodiless: reading.bodiless === true || /^HTTP\/1\.1 (1..|204|304) /.test(startLine) };
  const content = contentOf(rest, headers, framed);
  if (content === null) return null;
  const { body, whole, bytes: length } = content;
  return { startLine, headers, head, body, whole, bytes: head.length + length };
}

/** The values of one header, in order. */
export function valuesOf({ headers }: Pick<HttpMessage, 'headers'>, name: string): readonly string[] {
  return headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
}

type Content = Pick<HttpMessage, 'body' | 'whole' | 'bytes'>;

const NOTHING: Content = { body: Buffer.alloc(0), whole: true, bytes: 0 };

function contentOf(rest: Buffer, headers: HttpMessage['headers'], reading: Reading): Content | null {
  if (reading.bodiless === true) return NOTHING;
  if (valuesOf({ headers }, 'transfer-encoding').length > 0) return chunked(rest, reading.ended);
  const [announced] = valuesOf({ headers }, 'content-length');
  if (announced !== undefined) return counted(rest, Number(announced), reading.ended);
  if (reading.kind === 'request') return NOTHING;
  return reading.ended ? { body: rest, whole: true, bytes: rest.length } : null;
}

function counted(rest: Buffer, length: number, ended: boolean): Content | null {
  if (rest.length >= length) return { body: rest.subarray(0, length), whole: true, bytes: length };
  return ended ? { body: rest, whole: false, bytes: rest.length } : null;
}

function chunked(rest: Buffer, ended: boolean): Content | null {
  const pieces: Buffer[] = [];
  const soFar = (whole: boolean, bytes: number): Content => ({ body: Buffer.concat(pieces), whole, bytes });
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return ended ? soFar(false, rest.length) : null;
    const size = rest.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`not the size of a chunk: ${size}`);
    const start = lineEnd + 2;
    const length = Number.parseInt(size, 16);
    if (rest.length < start + length + 2) {
      if (!ended) return null;
      pieces.push(rest.subarray(start, start + length));
      return soFar(false, rest.length);
    }
    if (length === 0) return soFar(true, start + 2);
    pieces.push(rest.subarray(start, start + length));
    at = start + length + 2;
  }
}
