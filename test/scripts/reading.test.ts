import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compare, scannerReading } from '../../scripts/reading/compare.ts';
import type { Input } from '../../scripts/reading/input.ts';
import type { Reading } from '../../scripts/reading/sdk-reader.ts';

/** Readers that are wrong as readers of event streams have been. */
const MISTAKES: Readonly<Record<string, (input: Input) => Reading>> = {
  'an event by its name': (input) => scannerReading(changed(input, (text) => text.replace(/^event: ?message$/gm, ''))),
  'no CR as the end of a line': (input) => scannerReading(changed(input, (text) => text.replace(/\r(?!\n)/g, ' '))),
  'a byte-order mark as a part of a field': (input) =>
    scannerReading(changed(input, (text) => text.replaceAll('\u00ef\u00bb\u00bf', 'x'))),
  'data only after the name': (input) =>
    scannerReading(changed(input, (text) => text.replace(/^(data:[^\n]*)\n(event:)/gm, '$2'))),
  'on after an error': (input) => {
    const { errorType, ...rest } = scannerReading(
      changed(input, (text) => text.replace(/^event: ?error$/gm, 'event: x')),
    );
    return { ...rest, errorType };
  },
};

/** The same bytes, each a character, with a change. */
function changed({ chunks }: Input, change: (text: string) => string): Input {
  return { chunks: [Buffer.from(change(Buffer.concat(chunks).toString('latin1')), 'latin1')] };
}

describe("plimsoll's scanner and the SDK's reader", () => {
  it('find the same in 4,000 odd streams', async () => {
    const { inputs, differences, unreadable } = await compare({ seed: 1, inputs: 4_000 });
    assert.deepEqual(differences, []);
    assert.ok(inputs === 4_000 && unreadable > 1_000 && unreadable < 2_500, `${unreadable} of ${inputs}`);
  });

  for (const [name, read] of Object.entries(MISTAKES)) {
    it(`would be told apart by these streams if plimsoll read ${name}`, async () => {
      const { differences } = await compare({ seed: 1, inputs: 4_000, read });
      assert.ok(differences.length > 0);
    });
  }
});
