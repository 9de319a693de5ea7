import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import { tapBody } from '../../src/observe/body-tap.ts';
import type { BodyEnd } from '../../src/observe/branch.ts';
import { tapJson } from '../../src/observe/content.ts';
import { STREAMED } from '../../testing/cassettes/cassettes.ts';

/** A body of so many chunks, and what became of it. */
function source(chunks: readonly Uint8Array[]): {
  body: ReadableStream<Uint8Array>;
  sent: () => number;
  cancelled: () => unknown;
} {
  let next = 0;
  let reason: unknown = null;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[next++];
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel(why) {
        reason = why ?? 'no reason';
      },
    },
    { highWaterMark: 0 },
  );
  return { body, sent: () => next, cancelled: () => reason };
}

function listener(): { chunk(bytes: Uint8Array): void; end(how: BodyEnd): void; seen: number[]; ends: BodyEnd[] } {
  const seen: number[] = [];
  const ends: BodyEnd[] = [];
  return { seen, ends, chunk: (bytes) => seen.push(...bytes), end: (how) => ends.push(how) };
}

const CHUNKS = [Uint8Array.of(1, 2, 3), Uint8Array.of(4), Uint8Array.of(5, 6)];

const ALL = [1, 2, 3, 4, 5, 6];

async function collected(stream: ReadableStream<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for await (const chunk of stream) bytes.push(...chunk);
  return bytes;
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes;
    bytes.push(...value);
  }
}

async function cloneRead(body: ReadableStream<Uint8Array>): Promise<number[]> {
  const response = new Response(body);
  const copy = response.clone();
  const [a, b] = await Promise.all([response.arrayBuffer(), copy.arrayBuffer()]);
  assert.deepEqual(new Uint8Array(a), new Uint8Array(b));
  return [...new Uint8Array(a)];
}

/** From version 26 on, Node copies the body of a `Response` inside: one that the program made cannot be followed there. */
function asksTee(): boolean {
  const body = new ReadableStream();
  let isAsked = false;
  body.tee = function (this: ReadableStream) {
    isAsked = true;
    return ReadableStream.prototype.tee.call(this);
  };
  new Response(body).clone();
  return isAsked;
}

const WAYS: Readonly<Record<string, (body: ReadableStream<Uint8Array>) => Promise<number[]>>> = {
  'for await': collected,
  getReader: (body) => readAll(body.getReader()),
  values: async (body) => {
    const bytes: number[] = [];
    for await (const chunk of body.values()) bytes.push(...chunk);
    return bytes;
  },
  'two readers, one after the other': async (body) => {
    const first = body.getReader();
    const { value } = await first.read();
    first.releaseLock();
    return [...(value ?? []), ...(await readAll(body.getReader()))];
  },
  'tee, both branches': async (body) => {
    const [left, right] = body.tee();
    const [a, b] = await Promise.all([collected(left), collected(right)]);
    assert.deepEqual(a, b);
    return a;
  },
  'tee, one branch given up': async (body) => {
    const [left, right] = body.tee();
    const given = left.cancel();
    const bytes = await collected(right);
    await given;
    return bytes;
  },
  'tee of a tee': async (body) => {
    const [left, right] = body.tee();
    const [a, b] = left.tee();
    const all = await Promise.all([collected(a), collected(b), collected(right)]);
    return all[0];
  },
  pipeTo: async (body) => {
    const bytes: number[] = [];
    await body.pipeTo(new WritableStream({ write: (chunk: Uint8Array) => void bytes.push(...chunk) }));
    return bytes;
  },
  pipeThrough: (body) => collected(body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>())),
  'Response.text': async (body) => [...Buffer.from(await new Response(body).text(), 'latin1')],
  ...(asksTee() ? { 'Response.clone, both read': cloneRead } : {}),
};

describe('tapBody', () => {
  for (const [way, read] of Object.entries(WAYS)) {
    it(`gives the reader every byte, sees each once and ends once: ${way}`, async () => {
      const { body } = source(CHUNKS);
      const told = listener();
      tapBody(body, told);
      assert.deepEqual(await read(body), ALL);
      assert.deepEqual(told.seen, ALL);
      assert.deepEqual(told.ends, ['done']);
    });
  }

  it('hands on the very chunks of the body, not copies', async () => {
    const { body } = source(CHUNKS);
    tapBody(body, listener());
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    assert.ok(chunks.every((chunk, at) => chunk === CHUNKS[at]));
  });

  it('asks for nothing before its reader does', async () => {
    const { body, sent } = source(CHUNKS);
    tapBody(body, listener());
    const iterator = body[Symbol.asyncIterator]();
    assert.equal(sent(), 0);
    await iterator.next();
    assert.equal(sent(), 1);
  });

  it('releases the source at once when the reader breaks', async () => {
    const { body, sent, cancelled } = source(CHUNKS);
    const told = listener();
    tapBody(body, told);
    for await (const chunk of body) {
      assert.deepEqual(chunk, CHUNKS[0]);
      break;
    }
    assert.equal(sent(), 1);
    assert.notEqual(cancelled(), null);
    assert.deepEqual([told.seen, told.ends], [[1, 2, 3], ['cancelled']]);
    assert.equal(body.locked, false);
  });

  it('leaves the body open when its iterator is to leave it open', async () => {
    const { body, cancelled } = source(CHUNKS);
    const told = listener();
    tapBody(body, told);
    for await (const chunk of body.values({ preventCancel: true })) {
      assert.deepEqual(chunk, CHUNKS[0]);
      break;
    }
    assert.equal(cancelled(), null);
    assert.deepEqual(await collected(body), [4, 5, 6]);
    assert.deepEqual([told.seen, told.ends], [ALL, ['done']]);
  });

  it('is not over while one of two branches is still read', async () => {
    const { body } = source(CHUNKS);
    const told = listener();
    tapBody(body, told);
    const [left, right] = body.tee();
    void left.cancel();
    assert.deepEqual(told.ends, []);
    void right.cancel();
    assert.deepEqual(told.ends, ['cancelled']);
  });

  it('passes the failure of a body on as the same error', async () => {
    const failure = new TypeError('terminated');
    const body = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(failure) });
    const told = listener();
    tapBody(body, told);
    await assert.rejects(collected(body), (error) => error === failure);
    assert.deepEqual(told.ends, ['failed']);
  });

  it('does not take a released reader for a failed body', async () => {
    const never = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => undefined) });
    const told = listener();
    tapBody(never, told);
    const reader = never.getReader();
    const pending = reader.read();
    reader.releaseLock();
    await assert.rejects(pending, TypeError);
    assert.deepEqual(told.ends, []);
  });

  it('cancels by every method of the body', async () => {
    for (const door of [
      (body: ReadableStream<Uint8Array>) => body.cancel(),
      (body: ReadableStream<Uint8Array>) => body.getReader().cancel(),
      (body: ReadableStream<Uint8Array>) => body.values().return?.(),
    ]) {
      const { body, cancelled } = source(CHUNKS);
      const told = listener();
      tapBody(body, told);
      await door(body);
      assert.notEqual(cancelled(), null);
      assert.deepEqual(told.ends, ['cancelled']);
    }
  });

  it('delivers every recording byte for byte, however it was cut', async () => {
    for (const { response } of STREAMED) {
      const bytes = new TextEncoder().encode(response.body);
      for (const size of [1, 7, 64, 1_024]) {
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.subarray(at * size, (at + 1) * size),
        );
        const { body } = source(chunks);
        const told = listener();
        tapBody(body, told);
        assert.equal(await new Response(body).text(), response.body);
        assert.equal(Buffer.from(told.seen).toString('utf8'), response.body);
      }
    }
  });

  it('is not seen by code that copies or logs the body, its reader or its iterator', () => {
    const looked = (body: ReadableStream<Uint8Array>): unknown => {
      const inherited: string[] = [];
      for (const name in body) inherited.push(name);
      const logged = inspect(body);
      const iterator = body.values();
      return [
        Object.keys({ ...body }),
        Reflect.ownKeys(body),
        inherited.toSorted(),
        body.constructor === ReadableStream && body instanceof ReadableStream,
        Object.prototype.toString.call(body),
        logged,
        Reflect.ownKeys(iterator),
      ];
    };
    const tapped = source(CHUNKS).body;
    tapBody(tapped, listener());
    assert.deepEqual(looked(tapped), looked(source(CHUNKS).body));
    const other = source(CHUNKS).body;
    tapBody(other, listener());
    assert.deepEqual(Object.keys(other.getReader()), []);
  });

  /** What a body's iterator gives, in every order of its methods, with and without waiting in between. */
  const ORDERS: Readonly<Record<string, (iterator: Iterator) => readonly Promise<unknown>[] | Promise<unknown>[][]>> = {
    'reads to the end and beyond': (it) => [it.next(), it.next(), it.next(), it.next(), it.next()],
    'a return behind two reads': (it) => [it.next(), it.next(), it.return('enough'), it.next()],
    'a return before any read': (it) => [it.return('enough'), it.next(), it.return('once more')],
    'two returns': (it) => [it.next(), it.return('one'), it.return('two')],
  };
  type Iterator = Required<Pick<AsyncIterableIterator<Uint8Array>, 'next' | 'return'>>;

  for (const [order, ask] of Object.entries(ORDERS)) {
    for (const options of [
      undefined,
      {},
      { preventCancel: true },
      { preventCancel: false },
      { preventCancel: 1 as never },
    ]) {
      it(`iterates as the runtime does: ${order}, with ${JSON.stringify(options)}`, async () => {
        const came = async (body: ReadableStream<Uint8Array>): Promise<unknown> => {
          const iterator = body.values(options) as unknown as Iterator;
          const settled: unknown[] = [];
          const asked = ask(iterator).flat();
          await Promise.all(
            asked.map((answer, place) =>
              answer.then(
                (value) => settled.push([place, value]),
                (error: unknown) => settled.push([place, String(error)]),
              ),
            ),
          );
          return { settled, locked: body.locked, later: inspect(await iterator.next()) };
        };
        const [plain, tapped] = [source(CHUNKS), source(CHUNKS)];
        tapBody(tapped.body, listener());
        assert.deepEqual(await came(tapped.body), await came(plain.body));
        assert.deepEqual([tapped.sent(), tapped.cancelled()], [plain.sent(), plain.cancelled()]);
      });
    }
  }

  it('iterates as the runtime does over a body that breaks, or whose cancel fails', async () => {
    const broken = (): ReadableStream<Uint8Array> => {
      let reads = 0;
      return new ReadableStream(
        {
          pull(controller) {
            if (++reads === 2) throw new Error('the connection broke');
            controller.enqueue(Uint8Array.of(1));
          },
          cancel() {
            throw new Error('it cannot be given up');
          },
        },
        { highWaterMark: 0 },
      );
    };
    const came = async (body: ReadableStream<Uint8Array>, steps: readonly ('next' | 'return')[]): Promise<unknown> => {
      const iterator = body.values() as unknown as Iterator;
      const all = steps.map((step) => iterator[step]('why' as never));
      return [await Promise.allSettled(all), body.locked];
    };
    for (const steps of [['next', 'next', 'next'], ['next', 'return'], ['return']] as const) {
      const tapped = broken();
      const told = listener();
      tapBody(tapped, told);
      assert.deepEqual(await came(tapped, steps), await came(broken(), steps));
      assert.deepEqual(told.ends, [steps.includes('return' as never) ? 'cancelled' : 'failed']);
    }
  });

  it('refuses what the runtime refuses of an iterator', () => {
    const refusal = (body: ReadableStream<Uint8Array>, options: unknown): string => {
      try {
        body.values(options as never);
        return 'none';
      } catch (error) {
        return String(error);
      }
    };
    for (const options of [null, 'x', 5, [], () => undefined]) {
      const tapped = source(CHUNKS).body;
      tapBody(tapped, listener());
      assert.equal(refusal(tapped, options), refusal(source(CHUNKS).body, options));
      assert.equal(refusal(tapped, options), refusal(tapped, options));
    }
    const [tapped, plain] = [source(CHUNKS).body, source(CHUNKS).body];
    tapBody(tapped, listener());
    for (const body of [tapped, plain]) body.getReader();
    assert.equal(refusal(tapped, undefined), refusal(plain, undefined));
  });

  it('leaves its iterator as it is after a return', async () => {
    const answers = async (iterator: AsyncIterableIterator<Uint8Array>): Promise<unknown> => [
      await iterator.next(),
      await iterator.return?.('enough'),
      await iterator.next(),
      await iterator.return?.('once more'),
    ];
    const { body } = source(CHUNKS);
    const told = listener();
    tapBody(body, told);
    assert.deepEqual(await answers(body.values()), await answers(source(CHUNKS).body.values()));
    assert.deepEqual(told.ends, ['cancelled']);
  });

  it('locks the body while it is piped, and no longer', async () => {
    const { body } = source(CHUNKS);
    tapBody(body, listener());
    const through = body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>());
    assert.equal(body.locked, true);
    assert.deepEqual(await collected(through), ALL);
    await setImmediate(); // the runtime unlocks the body after its last chunk has been read
    assert.equal(body.locked, false);
  });

  it('throws what the runtime throws at a pipe that is none, and leaves the body unlocked', async () => {
    const pipe = {} as ReadableWritablePair<Uint8Array, Uint8Array>;
    const thrown = async (body: ReadableStream<Uint8Array>): Promise<unknown> => {
      const errors: unknown[] = [await body.pipeTo({} as WritableStream<Uint8Array>).catch(String)];
      for (const given of [pipe, undefined as unknown as typeof pipe]) {
        try {
          body.pipeThrough(given);
        } catch (error) {
          errors.push(String(error));
        }
      }
      return [errors, body.locked];
    };
    const { body } = source(CHUNKS);
    const told = listener();
    tapBody(body, told);
    assert.deepEqual(await thrown(body), await thrown(source(CHUNKS).body));
    assert.deepEqual(await collected(body), ALL);
    assert.deepEqual(told.ends, ['done']);
  });

  it('leaves the methods working on any other stream', async () => {
    const { body } = source(CHUNKS);
    tapBody(body, listener());
    const reader = body.getReader.call(source(CHUNKS).body) as ReadableStreamDefaultReader<Uint8Array>;
    assert.deepEqual(await readAll(reader), ALL);
  });

  it('refuses what is not a stream of this runtime', () => {
    const fake = { getReader: () => undefined } as unknown as ReadableStream<Uint8Array>;
    assert.throws(() => tapBody(fake, listener()), TypeError);
  });
});

/** Bodies that a fetch, or a library around it, has changed before. `asked` counts the calls of their own methods. */
function changedBodies(): Readonly<Record<string, { body: ReadableStream<Uint8Array>; asked: () => number }>> {
  let asked = 0;
  // eslint-disable-next-line no-restricted-syntax -- programs derive streams
  class Counting extends ReadableStream<Uint8Array> {
    override async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, undefined> {
      asked++;
      const reader = this.getReader();
      for (let result = await reader.read(); !result.done; result = await reader.read()) yield result.value;
      return undefined;
    }
    override getReader = ((...given: []) => {
      asked++;
      return ReadableStream.prototype.getReader.apply(this, given);
    }) as ReadableStream<Uint8Array>['getReader'];
  }
  const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    for (const chunk of CHUNKS) controller.enqueue(chunk);
    controller.close();
  };
  const patched = new ReadableStream<Uint8Array>({ start });
  const { getReader } = patched;
  patched.getReader = ((...given: []) => {
    asked++;
    return getReader.apply(patched, given);
  }) as typeof getReader;
  return {
    'of a subclass': { body: new Counting({ start }), asked: () => asked },
    'with a method of its own': { body: patched, asked: () => asked },
  };
}

describe('a body that is not as the runtime makes it', () => {
  for (const kind of Object.keys(changedBodies())) {
    for (const [way, read] of Object.entries(WAYS)) {
      it(`${kind} is read by its own methods, each byte seen once: ${way}`, async () => {
        const plain = changedBodies()[kind];
        const tapped = changedBodies()[kind];
        assert.ok(plain !== undefined && tapped !== undefined);
        const told = listener();
        tapBody(tapped.body, told);
        assert.deepEqual(await read(tapped.body), await read(plain.body));
        assert.deepEqual(told.seen, ALL);
        assert.deepEqual(told.ends, ['done']);
        if (way !== 'pipeTo' && way !== 'pipeThrough') assert.equal(tapped.asked(), plain.asked());
      });
    }
  }
});

describe('a body that is tapped again', () => {
  for (const [way, read] of Object.entries(WAYS)) {
    it(`is seen by both, each byte once: ${way}`, async () => {
      const { body } = source(CHUNKS);
      const [first, second] = [listener(), listener()];
      tapBody(body, first);
      tapBody(body, second);
      assert.deepEqual(await read(body), ALL);
      assert.deepEqual([first.seen, second.seen], [ALL, ALL]);
      assert.deepEqual([first.ends, second.ends], [['done'], ['done']]);
    });
  }
});

describe('tapJson', () => {
  for (const way of ['json', 'text', 'arrayBuffer'] as const) {
    it(`shows the value to each who follows the response, read by ${way}()`, async () => {
      for (const followers of [1, 2, 3]) {
        const seen: unknown[] = [];
        const response = new Response('{"fathoms":4}', { headers: { 'content-type': 'application/json' } });
        for (let each = 0; each < followers; each++)
          tapJson(
            response,
            (value, how) => seen.push([value, how]),
            () => seen.push('unseen'),
          );
        await response[way]();
        assert.deepEqual(seen, new Array(followers).fill([{ fathoms: 4 }, 'done']));
      }
    });
  }
});
