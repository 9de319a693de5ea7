import type { Choice } from './plan.ts';
import { chain, describeBytes, describeResponse } from './describe.ts';

/** Where a reading says what it saw. */
export interface Seen {
  note(what: string, value: unknown): void;
  /** Notes text that is a description already. */
  say(what: string, text: string): void;
  /** Something of an answer has been read. */
  opened(): void;
  /** Nothing that a program holds may be collected before the sequence is over: that would be of the moment. */
  keep<T>(value: T): T;
  /** Resolves when the server has answered and the answer has had time to come. */
  readonly answered: Promise<void>;
}

/** What the SDK returns for most operations: parsed when it is awaited, raw when it is asked for. */
interface Promised extends Promise<unknown> {
  asResponse(): Promise<Response>;
  withResponse(): Promise<{ readonly data: unknown; readonly response: Response }>;
}

/** `Stream`, `MessageStream`, a page, the results of a batch, a tool runner: each has some of this. */
interface Streamed extends AsyncIterable<unknown> {
  readonly controller: AbortController;
  tee(): [Streamed, Streamed];
  toReadableStream(): ReadableStream<Uint8Array>;
  on(event: string, listener: (...given: unknown[]) => void): unknown;
  done(): Promise<unknown>;
  finalMessage(): Promise<unknown>;
  hasNextPage(): boolean;
  getNextPage(): Promise<unknown>;
}

export type Reading = (result: Promised, seen: Seen) => Promise<void>;

const ofValue =
  (read: (value: Streamed, seen: Seen) => Promise<void>): Reading =>
  async (result, seen) =>
    read(seen.keep((await result) as Streamed), seen);

const ofResponse =
  (read: (response: Response, seen: Seen) => Promise<void>): Reading =>
  async (result, seen) =>
    read(seen.keep(await result.asResponse()), seen);

const ofBody = (read: (body: ReadableStream<Uint8Array>, seen: Seen) => Promise<void>): Reading =>
  ofResponse(async (response, seen) => {
    if (response.body === null) return seen.say('body', 'null');
    await read(response.body, seen);
    seen.say('body afterwards', JSON.stringify({ locked: response.body.locked, used: response.bodyUsed }));
  });

async function iterate(items: AsyncIterable<unknown>, seen: Seen, at = 'item'): Promise<void> {
  for await (const item of items) {
    seen.note(at, await itemOf(item));
    seen.opened();
  }
  seen.say(at, 'end');
}

/** A streaming tool runner yields streams, of which each is to be read. */
async function itemOf(item: unknown): Promise<unknown> {
  const isStream = typeof item === 'object' && item !== null && 'finalMessage' in item;
  return isStream ? (item as Streamed).finalMessage() : item;
}

async function bytesOf(chunks: AsyncIterable<Uint8Array | string>, seen: Seen): Promise<Uint8Array> {
  const read: Uint8Array[] = [];
  try {
    for await (const chunk of chunks) {
      read.push(Buffer.from(chunk));
      seen.opened();
    }
  } finally {
    seen.say('bytes', describeBytes(Buffer.concat(read)));
  }
  return Buffer.concat(read);
}

async function* chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let result = await reader.read(); !result.done; result = await reader.read()) yield result.value;
}

const EVENTS = ['connect', 'text', 'inputJson', 'contentBlock', 'message', 'finalMessage', 'error', 'abort', 'end'];

const VALUE_READINGS = {
  iterate: (result, seen) => {
    // A helper is no promise: what iterates it has begun already.
    if (typeof result.then !== 'function') return iterate(result as unknown as Streamed, seen);
    return ofValue((value) => iterate(value, seen))(result, seen);
  },
  break: async (result, seen) => {
    for await (const item of seen.keep((await result) as Streamed)) {
      seen.note('item', await itemOf(item));
      seen.opened();
      break;
    }
    seen.say('item', 'broken off');
  },
  'iterate-twice': ofValue(async (value, seen) => {
    await iterate(value, seen);
    await iterate(value, seen, 'second item');
  }),
  tee: ofValue(async (value, seen) => {
    const [one, other] = value.tee();
    await Promise.all([iterate(one, seen, 'one'), iterate(other, seen, 'other')]);
  }),
  'tee-one': ofValue(async (value, seen) => {
    const [one, other] = value.tee();
    seen.note('other', seen.keep(other));
    await iterate(one, seen, 'one');
  }),
  readable: ofValue(async (value, seen) => void (await bytesOf(value.toReadableStream(), seen))),
  'controller-abort': async (result, seen) => {
    const value = seen.keep((await result) as Streamed);
    for await (const item of value) {
      seen.note('item', item);
      value.controller.abort();
    }
    seen.say('item', 'end');
  },
  final: async (result, seen) => seen.note('final', await (result as unknown as Streamed).finalMessage()),
  events: async (result, seen) => {
    const helper = result as unknown as Streamed;
    for (const event of EVENTS) helper.on(event, (...given) => seen.note(event, given));
    await helper.done();
  },
  'next-page': ofValue(async (value, seen) => {
    seen.note('has next', value.hasNextPage());
    seen.note('next', await value.getNextPage());
  }),
  unread: ofValue(async (_value, seen) => seen.say('value', 'unread')),
} as const satisfies Partial<Record<Choice<'reading'>, Reading>>;

const PROMISE_READINGS = {
  await: async (result, seen) => {
    const value = seen.keep(await result);
    seen.note('value', value);
    seen.note('request id', (value as { _request_id?: unknown } | null | undefined)?._request_id);
  },
  twice: async (result, seen) => {
    const [one, other] = await Promise.all([result, result]);
    seen.note('value', seen.keep(one));
    seen.note('the same', one === other && one === (await result));
  },
  'with-response': async (result, seen) => {
    const { data, response, ...more } = seen.keep(await result.withResponse());
    seen.note('data', data);
    seen.say('response', describeResponse(response));
    seen.note('more', more);
  },
  catch: async (result, seen) => {
    const value = await result.catch((error: unknown) => ({ caught: error })).finally(() => seen.say('finally', ''));
    seen.note('value', seen.keep(value));
  },
  unawaited: async (result, seen) => {
    void seen.keep(result);
    await seen.answered;
  },
  'await-then-text': async (result, seen) => {
    seen.note('value', await result);
    seen.note('text', await (await result.asResponse()).text());
  },
} as const satisfies Partial<Record<Choice<'reading'>, Reading>>;

const RESPONSE_READINGS = {
  text: ofResponse(async (response, seen) => {
    seen.say('response', describeResponse(response));
    seen.note('text', await response.text());
    seen.note('used', response.bodyUsed);
  }),
  json: ofResponse(async (response, seen) => seen.note('json', await response.json())),
  bytes: ofResponse(async (response, seen) => {
    const { bytes } = response as Response & { bytes: () => Promise<Uint8Array> };
    seen.note('bytes', await bytes.call(response));
  }),
  'array-buffer': ofResponse(async (response, seen) => seen.note('buffer', await response.arrayBuffer())),
  blob: ofResponse(async (response, seen) => {
    const blob = await response.blob();
    seen.note('blob', { type: blob.type, text: await blob.text() });
  }),
  'text-twice': ofResponse(async (response, seen) => {
    seen.note('text', await response.text());
    seen.note('text', await response.text());
  }),
  'json-after-text': ofResponse(async (response, seen) => {
    const [text, json] = await Promise.allSettled([response.text(), response.json()]);
    seen.note('text', text);
    seen.note('json', json);
  }),
  clone: ofResponse(async (response, seen) => {
    const copy = seen.keep(response.clone());
    seen.say('clone', describeResponse(copy));
    const [one, other] = await Promise.allSettled([response.text(), copy.text()]);
    seen.note('text', one);
    seen.note('text of the clone', other);
  }),
  'clone-unread': ofResponse(async (response, seen) => {
    seen.keep(response.clone());
    // A branch is canceled when both are: this never comes to an end.
    void seen.keep(response.body?.cancel().catch(() => undefined));
  }),
  look: ofResponse(async (response, seen) => {
    seen.say('response', describeResponse(response));
    seen.note('faces', [response, response.body, response.headers].map(face));
    seen.note('instances', [response instanceof Response, response.body instanceof ReadableStream]);
    seen.note('text', await response.text());
    seen.note('face read', face(response));
  }),
} as const satisfies Partial<Record<Choice<'reading'>, Reading>>;

/** All that looking at an object shows without calling anything of it. */
function face(value: object | null): unknown {
  if (value === null) return null;
  const inherited: string[] = [];
  for (const name in value) inherited.push(name);
  return { tag: Object.prototype.toString.call(value), chain: chain(value), own: Reflect.ownKeys(value), inherited };
}

const BODY_READINGS = {
  reader: ofBody(async (body, seen) => {
    const reader = body.getReader();
    seen.note('locked', body.locked);
    await bytesOf(chunksOf(reader), seen);
    await reader.closed;
    reader.releaseLock();
  }),
  'reader-cancel': ofBody(async (body, seen) => {
    const reader = body.getReader();
    seen.note('done', (await reader.read()).done);
    await reader.cancel(new Error('enough'));
    seen.note('closed', await reader.closed);
  }),
  'body-tee': ofBody(async (body, seen) => {
    const [one, other] = body.tee();
    seen.note('locked', body.locked);
    await bytesOf(one, seen);
    await bytesOf(other, seen);
  }),
  'body-iterate': ofBody(async (body, seen) => void (await bytesOf(body, seen))),
  'body-break': ofBody(async (body, seen) => {
    for await (const chunk of body) {
      seen.note('chunk', chunk instanceof Uint8Array);
      break;
    }
  }),
  'body-return': ofBody(async (body, seen) => {
    const iterator = body.values();
    seen.note('iterator', [chain(iterator).length, Reflect.ownKeys(iterator)]);
    seen.note('next', (await iterator.next()).done);
    seen.note('return', await iterator.return?.());
    seen.note('next afterwards', await iterator.next());
    seen.note('return afterwards', await iterator.return?.());
  }),
  'pipe-through': ofBody(async (body, seen) => {
    const text = body.pipeThrough(new TextDecoderStream());
    seen.note('locked', body.locked);
    await bytesOf(text, seen);
  }),
  'pipe-through-nothing': ofBody(async (body) => {
    body.pipeThrough({} as ReadableWritablePair<string, Uint8Array>);
  }),
  'pipe-to': ofBody(async (body, seen) => {
    const chunks: Uint8Array[] = [];
    const piped = body.pipeTo(new WritableStream({ write: (chunk) => void chunks.push(chunk) }));
    seen.note('locked', body.locked);
    await piped;
    seen.say('bytes', describeBytes(Buffer.concat(chunks)));
  }),
  cancel: ofBody(async (body, seen) => seen.note('canceled', await body.cancel('enough'))),
} as const satisfies Partial<Record<Choice<'reading'>, Reading>>;

/** How a program reads what an operation returned. One that does not fit it throws, decorated or not. */
export const READINGS: Readonly<Record<Choice<'reading'>, Reading>> = {
  ...PROMISE_READINGS,
  ...VALUE_READINGS,
  ...RESPONSE_READINGS,
  ...BODY_READINGS,
};
