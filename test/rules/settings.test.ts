import assert from 'node:assert/strict';
import test from 'node:test';
import { ConfigurationError } from '../../src/errors.ts';
import { monitoringSettings, type MonitoringSettings } from '../../src/rules/settings.ts';

/** The settings that are refused, by name, and what is expected of each. */
function refused(given: Partial<MonitoringSettings>): Readonly<Record<string, string | undefined>> {
  try {
    monitoringSettings(given);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return Object.fromEntries(error.problems.map(({ field, expected }) => [field, expected]));
  }
  return {};
}

test('calls may be judged by 10, 30 and 60 seconds, and by no time that nothing was counted of', () => {
  for (const latencySeconds of [10, 30, 60]) assert.deepEqual(refused({ latencySeconds }), {});
  assert.match(refused({ latencySeconds: 45 })['latencySeconds'] ?? '', /^one of 0\.25, .+, 30, 32, 60/);
});

test('an objective is refused exactly where more than all calls would have to fail for an alert', () => {
  // 1 - 1 / 14.4
  assert.deepEqual(refused({ latencyObjective: 0.93056, successObjective: 0.93056 }), {});
  assert.deepEqual(Object.keys(refused({ latencyObjective: 0.93055, successObjective: 0.93055 })), [
    'successObjective',
    'latencyObjective',
  ]);
  const own = { m: { objective: 0.93055, seconds: 60 }, n: { objective: 0.93056, seconds: 60 } };
  assert.deepEqual(Object.keys(refused({ latencyObjectives: own })), ['latencyObjectives.m']);
});

test('an objective of a model is a share, within a time that was counted, of a model that a rule can name', () => {
  const own = {
    m: { objective: 95, seconds: 60 },
    n: { objective: 0.95, seconds: 7 },
    'a"b': { objective: 0.95, seconds: 8 },
  };
  assert.deepEqual(Object.keys(refused({ latencyObjectives: own })).sort(), [
    'latencyObjectives.a"b',
    'latencyObjectives.m',
    'latencyObjectives.n',
  ]);
});
