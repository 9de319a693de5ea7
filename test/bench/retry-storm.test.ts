import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BLOCK, retryStorm, retryStormTables, type Figures } from '../../bench/retry-storm.ts';

const [limit, overload, blips, spendCap] = retryStorm().map(({ figures }) => figures);

function row(figures: readonly Figures[] | undefined, at: number): Figures {
  const found = figures?.[at];
  assert.ok(found);
  return found;
}

const [SDK, RECIPE, OURS, WITHOUT_BUDGET] = [0, 1, 2, 3];
const perCall = ({ requests, answered, failed }: Figures): number => requests / (answered + failed);

describe('200 clients against an API that refuses', () => {
  it('have the figures that the docs show', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/resilience.md'), 'utf8');
    assert.equal(BLOCK.exec(page)?.[0], `${retryStormTables()}\n\n`, 'run node bench/retry-storm.ts --write');
  });

  it('get as much out of a limit with the policy as with any other, for two thirds of the requests', () => {
    for (const other of [SDK, RECIPE]) {
      assert.ok(row(limit, OURS).answered >= 0.999 * row(limit, other).answered);
      assert.ok(row(limit, OURS).requests < (2 / 3) * row(limit, other).requests);
    }
  });

  it('send at most 20% more requests than calls with the policy, in an overload too', () => {
    for (const figures of [limit, overload, blips]) assert.ok(perCall(row(figures, OURS)) <= 1.2);
    assert.ok(perCall(row(overload, SDK)) > 1.5);
  });

  it('are denied nothing by the budget where little is refused', () => {
    const { strategy: _one, ...budgeted } = row(blips, OURS);
    const { strategy: _other, ...free } = row(blips, WITHOUT_BUDGET);
    assert.deepEqual(budgeted, free);
    assert.ok(budgeted.failed <= row(blips, SDK).failed);
  });

  it('lose neither a request nor a second to a spend cap', () => {
    assert.deepEqual([perCall(row(spendCap, OURS)), row(spendCap, OURS).lostSeconds], [1, 0]);
    assert.equal(perCall(row(spendCap, SDK)), 3);
    assert.equal(perCall(row(spendCap, RECIPE)), 4);
  });
});
