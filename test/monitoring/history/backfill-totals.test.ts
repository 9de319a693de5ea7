import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { backfilled } from '../../../monitoring/history/backfill.ts';
import type { Running } from '../../../monitoring/run/servers.ts';
import { sumsByCause } from '../../../src/organization/causes.ts';
import { nanoUsdOf } from '../../../src/organization/exact-usd.ts';
import { PrometheusError, prometheusTotals } from '../../../src/organization/prometheus-totals.ts';
import { dayStartMs } from '../../../src/totals/day-totals.ts';
import { BooksBench, FIRST_DAY, WATCHED } from '../../../testing/organization/books-bench.ts';
import { promtool } from '../../../testing/promtool.ts';
import { tool } from '../../../testing/tools.ts';

const program = tool('prometheus');
const skip = program.skip || promtool.skip;
const [SHOP = ''] = WATCHED;
const STEP_SECONDS = 300;
const DAYS = 3;
const DAY_SECONDS = 86_400;

/** The counters of two replicas, each of which costs $3 a day; the second one restarts at noon of the second day. */
function history(): string {
  const from = dayStartMs(FIRST_DAY) / 1000;
  const lines = ['# TYPE anthropic_cost_usd counter'];
  for (const instance of ['one', 'two'])
    for (let seconds = 0; seconds <= DAYS * DAY_SECONDS; seconds += STEP_SECONDS) {
      const restarted = instance === 'two' && seconds > 1.5 * DAY_SECONDS ? 1.5 * DAY_SECONDS : 0;
      const usd = ((seconds - restarted) / DAY_SECONDS) * 3;
      const labels = `key="${SHOP}",model="claude-opus-5-5",operation="messages",kind="input",instance="${instance}"`;
      lines.push(`anthropic_cost_usd_total{${labels}} ${usd} ${from + seconds}`);
    }
  return `${lines.join('\n')}\n# EOF\n`;
}

describe('totals of a Prometheus', { skip }, () => {
  let folder = '';
  let running: Running;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'plimsoll-totals-'));
    const file = join(folder, 'history.txt');
    writeFileSync(file, history());
    running = await backfilled({ prometheus: program.path, promtool: promtool.path, files: [file] });
  });

  after(async () => {
    await running.stop();
    rmSync(folder, { recursive: true });
  });

  const read = (nowMs: number) =>
    prometheusTotals({ url: running.url, signal: new AbortController().signal, now: () => nowMs });

  test('a day costs what its counters grew by, across replicas and restarts', async () => {
    const nowMs = dayStartMs(FIRST_DAY) + 2.5 * DAY_SECONDS * 1000;
    const { rows, firstDay } = await read(nowMs).read(FIRST_DAY, '2026-10-25');
    assert.equal(firstDay, FIRST_DAY);
    assert.deepEqual(
      rows.map(({ day, cell }) => [day, cell.key, cell.model]),
      ['2026-10-20', '2026-10-21', '2026-10-22'].map((day) => [day, SHOP, 'claude-opus-5-5']),
    );
    // Half of the third day has gone by.
    for (const [index, usd] of [6, 6, 3].entries()) {
      const recorded = (rows[index]?.counts.recorded_nano_usd ?? 0) / 1e9;
      assert.ok(Math.abs(recorded - usd) < 0.02 * usd, `${index}: ${recorded}`);
    }
  });

  test('the difference of a watched key is one sum, and those of others stand by themselves', async () => {
    const bench = new BooksBench({ days: DAYS });
    for (let day = 0; day < DAYS; day++) {
      bench.at(day, 12);
      const usage = { input_tokens: 1_000_000, output_tokens: 0 };
      await bench.ask({ key: SHOP, model: 'claude-opus-5-5', usage: { ...usage, speed: 'fast' } }); // $8
      await bench.ask({ key: 'foreign', model: 'claude-opus-5-5', usage }); // $4
    }
    const totals = await read(bench.clock.nowMs + 86_400_000).read(FIRST_DAY, bench.day(DAYS));
    const { parts, coverage } = await bench.compare({ rows: totals.rows, isCoarse: true });
    const sums = new Map([...sumsByCause(parts)].map(([cause, units]) => [cause, Number(nanoUsdOf(units)) / 1e9]));
    assert.deepEqual([...sums.keys()], ['unwatched_keys', 'inseparable']);
    assert.equal(sums.get('unwatched_keys'), 12);
    assert.ok(Math.abs((sums.get('inseparable') ?? 0) - 3 * 2) < 0.5, String(sums.get('inseparable')));
    assert.ok(Math.abs((coverage ?? 0) - 6 / 8) < 0.02, String(coverage));
  });

  test('what is no Prometheus is told so', async () => {
    const elsewhere = prometheusTotals({
      ...{ url: `${running.url}/nowhere`, signal: new AbortController().signal, now: () => dayStartMs('2026-10-22') },
    });
    await assert.rejects(async () => elsewhere.read(FIRST_DAY, '2026-10-21'), PrometheusError);
    const ended = prometheusTotals({ url: 'http://127.0.0.1:1', signal: AbortSignal.abort(), now: () => Date.now() });
    await assert.rejects(async () => ended.read(FIRST_DAY, '2026-10-21'), /cannot be reached/);
  });
});
