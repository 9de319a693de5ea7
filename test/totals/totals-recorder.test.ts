import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../../src/pricing/prices.ts';
import type { TotalsRow } from '../../src/totals/day-totals.ts';
import { TotalsRecorder } from '../../src/totals/totals-recorder.ts';
import type { SimulatorOptions } from 'plimsoll/simulator';
import { aCall, aPart, aUsage, anAttempt } from '../../testing/calls.ts';
import { collected, workbench } from '../../testing/client-workbench.ts';
import { StandingClock, NOW_MS, settle } from '../../testing/simulator-bench.ts';

const ASK = { model: 'claude-opus-5-5', max_tokens: 64, messages: [{ role: 'user' as const, content: 'Ahoy' }] };
const LAST_SECOND_MS = Date.UTC(2026, 10, 24, 23, 59, 59);

function recorded(simulator: SimulatorOptions = {}, key = 'prod-shop-api') {
  const clock = new StandingClock();
  const recorder = new TotalsRecorder({ prices: defaultPrices(), now: () => clock.now() });
  const bench = workbench({
    simulator: { clock, respond: () => ({ usage: { input_tokens: 10, output_tokens: 4 } }), ...simulator },
    client: { maxRetries: 1 },
    instrument: { key, recorders: [recorder], clock: { epochMs: () => clock.now(), monotonicMs: () => clock.now() } },
  });
  return { ...bench, clock, recorder };
}

/** The counts of a line that are not 0. */
const counted = ({ counts }: TotalsRow) =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));

describe('daily totals of calls', () => {
  test('calls of one cell are one line, priced as they were recorded', async () => {
    const { claude, recorder } = recorded();
    await claude.messages.create(ASK);
    await claude.messages.create(ASK);
    const [row, ...others] = recorder.take();
    assert.deepEqual(others, []);
    assert.deepEqual(
      [row?.day, row?.toDay, row?.cell.key, row?.cell.geo],
      ['2026-11-24', '2026-11-24', 'prod-shop-api', 'global'],
    );
    // 10 × $4 + 4 × $20, a million each: 120,000 nano-dollars a call.
    assert.deepEqual(row && counted(row), { calls: 2, input: 20, output: 8, recorded_nano_usd: 240_000 });
    assert.deepEqual(recorder.take(), []);
  });

  test('tier, speed, place and band are lines of their own', async () => {
    const usages = [
      { service_tier: 'priority' as const },
      { inference_geo: 'us' },
      { input_tokens: 100_001 },
      { speed: 'fast' as const },
    ];
    const { claude, recorder } = recorded({ respond: () => ({ usage: { input_tokens: 10, ...usages.shift() } }) });
    for (const model of ['claude-opus-5-5', 'claude-opus-5-5', 'claude-haiku-5-5'])
      await claude.messages.create({ ...ASK, model });
    const rows = recorder.take().map(({ cell: { model, tier, geo, band } }) => [model, tier, geo, band].join(' '));
    assert.deepEqual(rows, [
      'claude-opus-5-5 priority global usual',
      'claude-opus-5-5 standard us usual',
      'claude-haiku-5-5 standard global long',
    ]);
  });

  test('an attempt that was lost is counted, for it may be billed', async () => {
    const { claude, recorder, sim } = recorded();
    sim.script([{ fault: 'lost_response' }]);
    await claude.messages.create(ASK);
    const rows = recorder.take().map(counted);
    assert.deepEqual(rows, [{ calls: 1, input: 10, output: 4, recorded_nano_usd: 120_000, no_usage: 1 }]);
  });

  test('a refused attempt is not: it costs nothing', async () => {
    const { claude, recorder, sim } = recorded();
    sim.script([{ fault: 'overloaded', headers: { 'retry-after-ms': '1' } }]);
    await claude.messages.create(ASK);
    assert.equal(recorder.take()[0]?.counts.no_usage, 0);
  });

  test('a stream that was cut has its output estimated, and the most that it can be', async () => {
    const { claude, recorder, sim } = recorded();
    sim.script([{ fault: 'cut_body' }]);
    await assert.rejects(claude.messages.stream(ASK).finalMessage());
    const [row] = recorder.take();
    assert.deepEqual([row?.counts.cut, row?.counts.cut_most_tokens, row?.counts.output], [1, 64, 0]);
    assert.ok((row?.counts.output_estimated ?? 0) > 0);
  });

  test('a call that was left has no usage, and no estimate of it', () => {
    const { recorder } = recorded();
    const left = aUsage([{ ...aPart({ input_estimated: 50 }), role: 'left' }]);
    const ofCall = recorder.started(aCall({ outcome: 'cancelled', usage: left }));
    ofCall.attempted?.(anAttempt({ status: 'cancelled' }));
    ofCall.finished?.();
    assert.deepEqual(recorder.take().map(counted), [{ no_usage: 1 }]);
  });

  test('a response that cannot be read has no usage', async () => {
    const { claude, recorder, sim } = recorded();
    sim.script([{ fault: 'malformed_json' }]);
    await claude.messages.create(ASK).catch(() => undefined);
    await settle();
    assert.deepEqual(recorder.take().map(counted), [{ no_usage: 1 }]);
  });

  test('a call that crosses midnight has both days', async () => {
    const { claude, clock, recorder } = recorded({
      scenario: { latency: { firstByteMs: { kind: 'constant', value: 2_000 } } },
    });
    clock.advance(LAST_SECOND_MS - NOW_MS);
    const call = claude.messages.create(ASK);
    while (clock.nextWakeMs === null) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(2_000);
    await call;
    const days = recorder.take().map(({ day, toDay }) => [day, toDay]);
    assert.deepEqual(days, [['2026-11-24', '2026-11-25']]);
  });

  test('batch results count once, in the tier batch', async () => {
    const { claude, recorder } = recorded();
    const { id } = await claude.messages.batches.create({ requests: [{ custom_id: 'a', params: ASK }] });
    for (let turn = 0; turn < 2; turn++) await collected(await claude.messages.batches.results(id));
    assert.deepEqual(
      recorder.take().map((row) => [row.cell.tier, counted(row)]),
      [['batch', { calls: 1, input: 10, output: 4, recorded_nano_usd: 60_000 }]],
    );
  });
});
