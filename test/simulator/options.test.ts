import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulator, SimulatorOptionsError, type Fault, type SimulatorOptions, type TierName } from 'plimsoll/simulator';
import { ASK, bench, post } from '../../testing/simulator-bench.ts';

function problems(options: SimulatorOptions): string {
  try {
    simulator(options);
  } catch (error) {
    assert.ok(error instanceof SimulatorOptionsError);
    assert.equal(error.code, 'PLIMSOLL_SIMULATOR_OPTIONS');
    return error.message;
  }
  throw new assert.AssertionError({ message: 'the options were taken' });
}

const misspelt = { fault: 'overload' } as unknown as Fault;

test('all problems of the options are named at once', () => {
  const message = problems({
    seed: 0.5,
    tier: 'gold' as TierName,
    spentThisMonthUsd: -1,
    keepRequests: NaN,
    limits: { 'sonet-5-5': { requests: 0 } },
    scenario: {
      faults: [{ probability: 2, fault: misspelt }],
      latency: { firstByteMs: { kind: 'uniform', min: 0, max: Infinity } },
      outputTokens: { kind: 'constant', value: -3 },
    },
  });
  for (const expected of [
    'seed: expected a whole number, got 0.5',
    'tier: expected one of start, build, scale, custom, tier1, tier2, tier3, tier4, got gold',
    'spentThisMonthUsd: expected 0 or more, got -1',
    'keepRequests: expected 0 or more, got NaN',
    'got sonet-5-5',
    'limits.sonet-5-5.requests: expected more than 0, got 0',
    'scenario.faults: expected 0 to 1 for overload, got 2',
    'scenario firstByteMs.max: expected 0 or more, got Infinity',
    'scenario outputTokens.value: expected 0 or more, got -3',
  ]) {
    assert.ok(message.includes(expected), expected);
  }
});

test('a problem with keys names no key', () => {
  const keys = [
    { name: 'one', key: 'sk-ant-api03-secret' },
    { name: 'one', key: '' },
  ];
  const message = problems({ keys });
  assert.match(message, /a different name for each/);
  assert.match(message, /an empty one/);
  assert.ok(!message.includes('secret'));
});

test('a misspelled fault is refused where it is scripted, and where a reply has it', async () => {
  const { claude } = bench({ respond: () => ({ fault: misspelt }) });
  assert.throws(() => claude.script([{ fault: 'none' }, misspelt]), /got overload/);
  assert.equal(claude.scripted, 0);
  await assert.rejects(claude.handle(post('/v1/messages', ASK)), /got overload/);
});

test('a limit can be set for an unknown model, where unknown models are served', async () => {
  const claude = simulator({ unknownModels: 'serve', limits: { 'claude-next': { requests: 3 } } });
  const { headers } = await claude.handle(post('/v1/messages', { ...ASK, model: 'claude-next' }));
  assert.equal(headers.get('anthropic-ratelimit-requests-limit'), '3');
});
