import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import test, { describe } from 'node:test';
import { CASES, casesOf } from '../../testing/alerts/cases.ts';
import { mutantsOf } from '../../testing/alerts/mutants.ts';
import { alertNamed, ALERTS, judged, promtool } from '../../testing/promtool.ts';

test('every alert has a case in which it fires and one in which it does not', () => {
  for (const { alert } of ALERTS) {
    const cases = casesOf(alert);
    assert.ok(
      cases.some(({ firing }) => firing.length > 0),
      `${alert} never fires in a test`,
    );
    assert.ok(
      cases.some(({ firing }) => firing.length === 0),
      `${alert} is never quiet in a test`,
    );
  }
});

test('the name of a case says what happens, and no two cases of an alert have the same name', () => {
  for (const { alert, name, firing } of CASES) {
    assert.match(name, firing.length > 0 ? /^fires / : /^does not fire /, `${alert} ${name}`);
    assert.notEqual(alertNamed(alert), undefined);
  }
  assert.equal(new Set(CASES.map(({ alert, name }) => `${alert} ${name}`)).size, CASES.length);
});

describe('promtool, as often at once as there are cores', { concurrency: availableParallelism() }, () => {
  for (const rule of ALERTS) {
    test(
      `${rule.alert} fires and keeps quiet as its cases say, and no mutant of it does`,
      { skip: promtool.skip },
      async () => {
        const mutants = mutantsOf(rule).map(({ change, rule: wrong }, index) => {
          return { change, rule: { ...wrong, alert: `${rule.alert}Mutant${index}` } };
        });
        const { wrong, printed } = await judged(
          rule,
          mutants.map((mutant) => mutant.rule),
          casesOf(rule.alert),
        );
        assert.doesNotMatch(printed, /parse|unmarshal|ill-typed/i);
        assert.ok(!wrong.has(rule.alert), printed);
        const survivors = mutants.filter((mutant) => !wrong.has(mutant.rule.alert)).map(({ change }) => change);
        assert.deepEqual(survivors, []);
      },
    );
  }
});
