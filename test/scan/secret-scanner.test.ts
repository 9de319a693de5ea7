import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SecretScanner } from '../../src/scan/secret-scanner.ts';
import { plantedSecret } from '../../testing/planted.ts';
import { places } from '../../testing/scanned.ts';

const SECRET = plantedSecret(0);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('a scanner of secrets', () => {
  it('finds the same, however a text is split', () => {
    const text = Buffer.from(
      ['é', plantedSecret(1), '', base64(`ab${plantedSecret(2)}`), `\n x ${plantedSecret(3)}`, 'end'].join('\n'),
    );
    const whole = new SecretScanner().end(text);
    assert.equal(whole.length, 3);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), text.length];
        const scanner = new SecretScanner();
        const hits = ends.flatMap((end, index) => scanner.feed(text.subarray(ends[index - 1] ?? 0, end)));
        assert.deepEqual([...hits, ...scanner.end()], whole);
      }),
    );
  });

  for (const [layout, between] of [
    ['in one line', ' '],
    ['in a line each', '\n'],
  ] as const)
    it(`reads a text with 28,000 secrets ${layout} no more often than one with none`, (t) => {
      let steps = 0;
      const plain: Pick<Buffer, 'toString' | 'indexOf'> = Buffer.prototype as Buffer;
      const { toString } = plain;
      const indexOf: (this: Buffer, byte: number, from: number) => number = plain.indexOf;
      t.mock.method(plain, 'toString', function (this: Buffer, ...given: Parameters<Buffer['toString']>) {
        const [, start = 0, end = this.length] = given;
        steps += Math.min(end, this.length) - start;
        return toString.apply(this, given);
      });
      const counted = function (this: Buffer, byte: number, from = 0): number {
        const found = indexOf.call(this, byte, from);
        steps += (found === -1 ? this.length : found) - from;
        return found;
      };
      t.mock.method(plain, 'indexOf', counted as Buffer['indexOf']);
      const text = Buffer.from(`${SECRET}${between}`.repeat(28_000));
      steps = 0;
      assert.equal(new SecretScanner().end(text).length, 28_000);
      assert.ok(steps >= text.length && steps < 4 * text.length, `${steps} steps for ${text.length} bytes`);
    });

  it('finds a secret in base64 that is wrapped, and where it begins in the middle of three bytes', () => {
    for (const before of ['', 'a', 'ab', 'abc', 'a longer text in front of it, then: ']) {
      const wrapped = base64(`${before}${SECRET}\n`).replace(/.{76}/g, '$&\r\n');
      assert.equal(places('mail', wrapped).length, 1, before);
    }
  });

  for (const text of [
    'ANTHROPIC_API_KEY=<REPLACE_WITH_KEY>',
    'sk-ant-api03-…',
    'sk-ant-api03-...',
    'sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'sk-ant-api03-XXXXXXXX-XXXXXXXXXXXXXXX-XXXXXXXX-00000000000000000000',
    'sk-ant-api03-your-api-key-goes-here-0000000000000',
    'sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789',
    'sk-ant-api03-abcabcabcabcabc1abcabcabcabcabc1',
    'sk-ant-api03-my-secret-key-for-production-use-2026',
    'sk-ant-api03-$ANTHROPIC_KEY_FROM_THE_ENVIRONMENT',
    'sk-ant-api03-[A-Za-z0-9_-]{93}AA',
    'disk-ant-colony-of-twenty-characters-and-more',
    base64('the text sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx is a placeholder'),
  ])
    it(`ignores ${text.slice(0, 60)}`, () => assert.deepEqual(places('readme.md', text), []));
});
