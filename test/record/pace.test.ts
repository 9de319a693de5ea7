/** What the metrics page says of a pace. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { pace } from 'plimsoll/pace';
import { PARAMS, samples, steppedClock, withSteppedTime, workbench } from '../../testing/client-workbench.ts';

const LIMITS = { 'haiku-4.5': { requests: 60 } };

test('waits, refusals, and what was used of the limits are on the metrics page', async () => {
  await withSteppedTime(async () => {
    const own = pace({ clock: steppedClock, limits: LIMITS, maxWaitMs: 8_000, name: 'org' });
    const bench = workbench({ simulator: { limits: LIMITS }, instrument: { pace: own, clock: steppedClock } });
    const ends = Promise.allSettled(Array.from({ length: 60 }, () => bench.claude.messages.create(PARAMS)));
    while (own.waiting('interactive').calls < 15) await new Promise((resolve) => setImmediate(resolve));
    const waiting = await samples(bench.registry, 'anthropic_pace_waiting');
    assert.deepEqual(waiting, { 'pace=org,lane=interactive': own.waiting('interactive').calls });
    await ends;
    const turns = await samples(bench.registry, 'anthropic_pace_turns_total');
    const of = (end: string): number => turns[`pace=org,lane=interactive,end=${end}`] ?? 0;
    assert.equal(of('at_once') + of('waited') + of('max_wait'), 60);
    assert.equal(of('at_once'), 41);
    assert.ok(of('waited') >= 7 && of('max_wait') >= 10, JSON.stringify(turns));
    const used = await samples(bench.registry, 'anthropic_pace_used_total');
    assert.equal(used['pace=org,model_class=haiku-4.5,dimension=requests'], bench.sim.truth.requests.length);
    const read = bench.log.calls
      .flatMap(({ usage }) => usage?.parts ?? [])
      .reduce((sum, { tokens }) => sum + tokens.input, 0);
    assert.ok(read > 0);
    assert.equal(used['pace=org,model_class=haiku-4.5,dimension=input_tokens'], read);
    assert.deepEqual(await samples(bench.registry, 'anthropic_pace_store_up'), { 'pace=org,store=memory': 1 });
    assert.deepEqual(await samples(bench.registry, 'anthropic_pace_waiting'), {});
  });
});

test('calls that one minute alone would refuse are counted as avoided, once each', async () => {
  await withSteppedTime(async () => {
    const own = pace({ clock: steppedClock, limits: LIMITS, maxWaitMs: 120_000 });
    const bench = workbench({ simulator: { limits: LIMITS }, instrument: { pace: own, clock: steppedClock } });
    await Promise.all(Array.from({ length: 75 }, () => bench.claude.messages.create(PARAMS)));
    const avoided = await samples(bench.registry, 'anthropic_pace_avoided_total');
    assert.deepEqual(avoided, { 'pace=default,lane=interactive': 15 });
  });
});
