import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { stringify } from 'yaml';
import { secondsOf } from '../../src/rules/promql.ts';
import type { AlertingRule } from '../../src/rules/rule.ts';
import { CASES, casesOf } from '../../testing/alerts/cases.ts';
import { mutantsOf } from '../../testing/alerts/mutants.ts';
import { alertNamed, ALERTS, judged, promtool, testedRules } from '../../testing/promtool.ts';

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

/** A condition that holds for two minutes longer than the alert waits, and is gone for eight, for three hours and a half. */
function comesAndGoes(rule: AlertingRule): string {
  const waits = secondsOf(rule.for) / 60;
  const minutes = Array.from({ length: 211 }, (_, minute) => (minute % (waits + 10) < waits + 2 ? 1 : 0));
  return minutes.join(' ');
}

/** How often an alert has begun to fire. */
function incidents(alert: string): string {
  const firing = `ALERTS{alertname="${alert}", alertstate="firing"}`;
  return `sum(count_over_time((${firing} unless ${firing} offset 1m)[4h:1m]))`;
}

test('a condition that comes and goes is one incident of every alert', { skip: promtool.skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-rules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const flapping = ALERTS.flatMap(({ alert, for: wait, keep_firing_for }) => {
    const bare = { alert: `${alert}Bare`, expr: `condition{of="${alert}"} > 0`, for: wait };
    return [{ ...bare, alert, keep_firing_for }, bare];
  });
  writeFileSync(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'flapping', rules: flapping }] }));
  const cases = {
    rule_files: ['rules.yml'],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: ALERTS.map((rule) => ({ series: `condition{of="${rule.alert}"}`, values: comesAndGoes(rule) })),
        // Without it, there would be one for each time that the condition held.
        promql_expr_test: ALERTS.map(({ alert }) => ({
          expr: `${incidents(alert)} == 1 and ${incidents(`${alert}Bare`)} >= 3`,
          eval_time: '210m',
          exp_samples: [{ labels: '{}', value: 1 }],
        })),
      },
    ],
  };
  writeFileSync(join(folder, 'cases.yml'), stringify(cases));
  assert.equal(await testedRules(join(folder, 'cases.yml')), '');
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
