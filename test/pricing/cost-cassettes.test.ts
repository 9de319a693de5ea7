import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { usagesIn } from '../../src/cli/prices-explain.ts';
import { cost } from '../../src/pricing/cost.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { CASSETTES, type Cassette } from '../../testing/cassettes/cassettes.ts';
import { dayMs } from '../../testing/usages.ts';

/** The rows of cost-cassettes.md, which was worked out apart from this code. */
const ROWS = readFileSync(new URL('cost-cassettes.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^\| (?:tests|packages|js)\//.test(line))
  .map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );

function recordedOn({ response }: Cassette): string {
  const reset = Object.entries(response.headers).find(([name]) => name.endsWith('-reset'))?.[1];
  return reset?.slice(0, 10) ?? '–';
}

function rowOf(cassette: Cassette): readonly string[] {
  const [found] = usagesIn(cassette.response.body) ?? [];
  assert.ok(found !== undefined);
  const { usage, model } = found;
  const day = recordedOn(cassette);
  const priced = cost(usage, { prices: defaultPrices(), atMs: dayMs(day === '–' ? '2026-11-24' : day), model });
  assert.ok(priced.priced);
  const [part] = usage.parts;
  const [charged] = priced.parts;
  const rate = (sum = 0, count = 0): string => String(sum / count);
  return [
    cassette.source.slice(cassette.source.indexOf(':') + 1),
    model ?? '',
    day,
    String(part?.tokens.input),
    rate(charged?.cost?.input, part?.tokens.input),
    String(part?.tokens.output),
    rate(charged?.cost?.output, part?.tokens.output),
    String(usage.serverToolUses['web_search'] ?? 0),
    String(priced.totalNanoUsd),
  ];
}

it('every recording costs what the table beside this test says', (t) => {
  assert.equal(ROWS.length, CASSETTES.length);
  assert.deepEqual(
    CASSETTES.map(rowOf),
    ROWS.map((cells) => cells.map((cell, column) => (column > 2 ? cell.replaceAll(',', '') : cell))),
  );
  t.diagnostic(`${ROWS.length} recordings`);
});

it('the rows of the table add up from left to right', () => {
  for (const [source, , , ...cells] of ROWS) {
    const [input = 0, inputRate = 0, output = 0, outputRate = 0, searches = 0, total] = cells.map((cell) =>
      Number(cell.replaceAll(',', '')),
    );
    assert.equal(input * inputRate + output * outputRate + searches * 10_000_000, total, source);
  }
});
