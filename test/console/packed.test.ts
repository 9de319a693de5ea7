import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cell } from '../../src/console/cell.ts';
import { Packer, Unpacker } from '../../src/console/packed.ts';
import { RATE_LIMIT_REASONS, TOKEN_KINDS } from '../../src/vocabulary.ts';

/** What is read of packed cells, copied. */
function read(packer: Packer): readonly (readonly [number, Cell])[] {
  const found: (readonly [number, Cell])[] = [];
  new Unpacker().each(packer.take(), (id, cell) => found.push([id, structuredClone(cell)]));
  return found;
}

function cellWith(fields: Partial<Cell>): Cell {
  return Object.assign(new Cell(), fields);
}

test('cells come back as they were packed, the small and the large, one after the other', () => {
  const full = cellWith({
    ...{ ok: 1, failed: 127, left: 128, attempts: 16_384, retries: 2 ** 31, waitSeconds: 12.345678 },
    ...{ costNanoUsd: Number.MAX_SAFE_INTEGER, duration: [3, 1, 250, 400], firstToken: [399, 1] },
  });
  for (const [at, kind] of TOKEN_KINDS.entries()) full.addTokens(kind, at * 1_000_003);
  for (const [at, reason] of RATE_LIMIT_REASONS.entries()) full.reject(reason, at);
  const packer = new Packer();
  packer.cell(0, new Cell());
  packer.cell(999, full);
  packer.cell(1, cellWith({ ok: 1, attempts: 1 }));
  const expected = [
    [0, new Cell()],
    [999, full],
    [1, cellWith({ ok: 1, attempts: 1 })],
  ] as const;
  assert.deepEqual(
    read(packer),
    expected.map(([id, cell]) => [id, structuredClone(cell)]),
  );
});

test('what cannot be counted is packed as nothing, or as the most there is', () => {
  const packer = new Packer();
  packer.cell(7, cellWith({ ok: NaN, failed: -3, left: Infinity, attempts: 1.4 }));
  const [[id, cell] = []] = read(packer);
  assert.deepEqual([id, cell?.ok, cell?.failed, cell?.left, cell?.attempts], [7, 0, 0, Number.MAX_SAFE_INTEGER, 1]);
});

test('a thousand cells of one call take less than 30 bytes each', () => {
  const packer = new Packer();
  for (let id = 0; id < 1_000; id += 1) {
    const cell = cellWith({ ok: 1, attempts: 1, costNanoUsd: 6_000_000, duration: [140, 1], firstToken: [120, 1] });
    cell.addTokens('input', 1_000);
    cell.addTokens('output', 1_000);
    packer.cell(id, cell);
  }
  assert.ok(packer.length < 30_000);
});
