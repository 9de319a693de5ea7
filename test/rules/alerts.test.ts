import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { stringify } from 'yaml';
import { secondsOf } from '../../src/rules/promql.ts';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import type { AlertingRule } from '../../src/rules/rule.ts';
import { CASES, casesOf } from '../../testing/alerts/cases.ts';
import { mutantsOf } from '../../testing/alerts/mutants.ts';
import { alertNamed, ALERTS, judged, promtool, supportingGroups, testedRules } from '../../testing/promtool.ts';

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

test('an incident of calls that wait ends half an hour after the last of them', { skip: promtool.skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-rules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const alertname = 'PlimsollPaceWaits';
  const groups = supportingGroups(
    alertname,
    ruleFiles().flatMap((file) => file.groups),
  );
  writeFileSync(join(folder, 'rules.yml'), stringify({ groups }));
  const of = 'job="plimsoll",instance="a",pace="default"';
  const firing = (lane: string) => ({
    exp_labels: { severity: 'ticket', job: 'plimsoll', pace: 'default', lane },
    exp_annotations: alertNamed(alertname).annotations,
  });
  // Minutes 10 to 29: interactive calls wait. Minutes 10 to 39: batch calls are refused, 4 a minute, of which the last ten minutes count.
  const moments = [
    ['9m', []],
    ['13m', []],
    ['16m', ['interactive']],
    ['30m', ['interactive', 'batch']],
    ['58m', ['interactive', 'batch']],
    ['61m', ['batch']],
    ['76m', ['batch']],
    ['81m', []],
    ['120m', []],
  ] as const;
  const annotations = (lane: string) =>
    Object.fromEntries(
      Object.entries(firing(lane).exp_annotations).map(([name, text]) => [
        name,
        text.replaceAll('{{ $labels.lane }}', lane).replaceAll('{{ $labels.pace }}', 'default'),
      ]),
    );
  const cases = {
    rule_files: ['rules.yml'],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: [
          { series: `plimsoll_start_time_seconds{${of}}`, values: '-86400x130' },
          { series: `anthropic_pace_longest_wait_seconds{${of},lane="interactive"}`, values: '0x9 25x19 0x100' },
          {
            series: `anthropic_pace_turns_total{${of},lane="batch",end="max_wait"}`,
            values: '0x9 4+4x29 120x100',
          },
        ],
        alert_rule_test: moments.map(([eval_time, lanes]) => ({
          eval_time,
          alertname,
          exp_alerts: lanes.map((lane) => ({ ...firing(lane), exp_annotations: annotations(lane) })),
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
