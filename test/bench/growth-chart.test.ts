import assert from 'node:assert/strict';
import test from 'node:test';
import { growthChart } from '../../bench/growth-chart.ts';

const row = (what: string, amount: number, median: number) => ({ what, amount, over: { min: 0, median, max: 99 } });

test('the picture of how cost grows has a line for each thing that there is more of, higher where it costs more', () => {
  const chart = growthChart([row('budgets', 1, 10), row('budgets', 20, 40), row('streams', 1_000, -2)]);
  const lines = [...chart.matchAll(/<polyline points="([^"]*)"/g)].map(([, points = '']) =>
    points.split(' ').map((point) => point.split(',').map(Number)),
  );
  assert.deepEqual(
    lines.map((points) => points.length),
    [2, 1],
  );
  const [[one = [], twenty = []] = [], [below = []] = []] = lines;
  const floor = Number(/V(\d+)H/.exec(chart)?.[1]);
  const height = (point: readonly number[]): number => floor - Number(point[1]);
  assert.ok(Math.abs(height(twenty) / height(one) - 4) < 0.2, `${height(one)} and ${height(twenty)}`);
  assert.equal(height(below), 0, 'less than nothing is drawn as nothing');
  for (const text of ['budgets', 'streams', '10.0', '40.0', '-2.0', '1,000'])
    assert.ok(chart.includes(`>${text}<`), text);
});
