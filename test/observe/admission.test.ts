import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REFUSAL, isGuardFailed, type Guard } from 'plimsoll';
import { PARAMS, samples, workbench } from '../../testing/client-workbench.ts';

const failing = (onError?: Guard['onError']): Guard => ({
  ...(onError !== undefined && { onError }),
  admit() {
    throw new TypeError('of the guard');
  },
});

for (const onError of [undefined, 'open'] as const)
  test(`a call goes on whose guard fails and says ${onError ?? 'nothing'} about that`, async () => {
    const { claude, sim, registry } = workbench({ instrument: { guards: [failing(onError)] } });
    await claude.messages.create(PARAMS);
    assert.equal(sim.truth.requests.length, 1);
    assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=guard': 1 });
  });

test('a call is refused whose guard fails and says that it fails closed', async () => {
  const { claude, sim, registry, log } = workbench({ instrument: { guards: [failing('closed')] } });
  await assert.rejects(claude.messages.create(PARAMS), isGuardFailed);
  assert.equal(sim.truth.requests.length, 0);
  assert.equal(log.calls[0]?.outcome, 'blocked');
  assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=guard': 1 });
});

test('an answer of a guard is waited for, whatever kind of promise it is', async () => {
  const refusal = Object.assign(new Error('not now'), { [REFUSAL]: true });
  const guard = { admit: () => ({ then: (_: unknown, reject: (error: Error) => void) => reject(refusal) }) as never };
  const { claude, sim } = workbench({ instrument: { guards: [guard] } });
  await assert.rejects(claude.messages.create(PARAMS), refusal);
  assert.equal(sim.truth.requests.length, 0);
});
