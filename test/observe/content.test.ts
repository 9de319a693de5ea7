/** Copies of a response whose class makes them with and without the `tee` of its body, as Node does from version 26 on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Response as UndiciResponse } from 'undici';
import { tapContent, tapJson } from '../../src/observe/content.ts';
import type { BodyEnd } from '../../src/observe/branch.ts';

const CLASSES = { 'the runtime': Response, undici: UndiciResponse as unknown as typeof Response };

const ORDERS: Readonly<Record<string, (response: Response) => Promise<unknown>>> = {
  'a copy, then the response': async (response) => [await response.clone().text(), await response.json()],
  'the copy of a copy, then the response': async (response) => [
    await response.clone().clone().json(),
    await response.json(),
  ],
  'the response alone': (response) => [response.clone(), response.json()][1] as Promise<unknown>,
  'a copy alone': (response) => response.clone().json(),
  'the copy of a copy alone': (response) => response.clone().clone().json(),
  'both, given up': async (response) => {
    const copy = response.clone();
    await Promise.all([copy.body?.cancel(), response.body?.cancel()]);
  },
};

for (const [name, kind] of Object.entries(CLASSES)) {
  describe(`a response of ${name} that is copied`, () => {
    for (const [order, read] of Object.entries(ORDERS)) {
      const isGivenUp = order.includes('given up');

      it(`shows its value once to each who follows it: ${order}`, async () => {
        for (const followers of [1, 2]) {
          const response = new kind('{"fathoms":4}', { headers: { 'content-type': 'application/json' } });
          const seen: unknown[] = [];
          for (let each = 0; each < followers; each++)
            tapJson(
              response,
              (value, how) => seen.push([value, how]),
              () => seen.push('unseen'),
            );
          await read(response);
          const expected = isGivenUp ? [undefined, 'cancelled'] : [{ fathoms: 4 }, 'done'];
          assert.deepEqual(seen, new Array(followers).fill(expected));
        }
      });
    }

    it('shows each byte of a stream once, and its end', async () => {
      const response = new kind(new Blob(['one', 'two', 'three']).stream());
      const texts: string[] = [];
      const ends: BodyEnd[] = [];
      const chunk = (bytes: Uint8Array): unknown => texts.push(Buffer.from(bytes).toString());
      tapContent(response, { chunk, end: (how) => ends.push(how) }, () => assert.fail('it is seen'));
      const copy = response.clone();
      assert.deepEqual(await Promise.all([copy.text(), response.text()]), ['onetwothree', 'onetwothree']);
      assert.deepEqual([texts.join(''), ends], ['onetwothree', ['done']]);
    });

    it('is copied as one that nobody follows, also where it cannot be', async () => {
      const [followed, plain] = [new kind('x'), new kind('x')];
      tapContent(followed, { chunk: () => undefined, end: () => undefined }, () => undefined);
      await Promise.all([followed.text(), plain.text()]);
      const refusal = (response: Response): unknown => {
        try {
          return response.clone();
        } catch (error) {
          return String(error);
        }
      };
      assert.deepEqual(refusal(followed), refusal(plain));
      assert.deepEqual([followed.clone.name, followed.clone.length], [plain.clone.name, plain.clone.length]);
    });
  });
}
