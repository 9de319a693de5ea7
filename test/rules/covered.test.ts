import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  ALERT_OF_OUTCOME,
  ALERT_OF_PART,
  ALERT_OF_REASON,
  ALERT_OF_SCOPE,
  ALERT_OF_WORKER_EXIT,
  FAILED,
  NOT_RATE_LIMITS,
  UNWANTED_EXITS,
} from '../../src/rules/covered.ts';
import { RETRY_DENIALS } from '../../src/vocabulary.ts';
import { alertNamed } from '../../testing/promtool.ts';

const runbook = (alert: string): string =>
  readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'runbooks', `${alert}.md`), 'utf8');

const TABLES: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  'a 429': ALERT_OF_REASON,
  'a refusal for spend': ALERT_OF_SCOPE,
  'a call': ALERT_OF_OUTCOME,
  'a part of a gateway': ALERT_OF_PART,
  'a worker of a gateway': ALERT_OF_WORKER_EXIT,
};

for (const [what, table] of Object.entries(TABLES)) {
  describe(`the runbook says what to do about ${what}`, () => {
    for (const [value, alert] of Object.entries(table)) {
      if (alert === null || (what === 'a call' && alert !== 'PlimsollErrorBudgetBurn')) continue;
      test(`with ${value}: ${alert}`, () => {
        assert.equal(alertNamed(alert).alert, alert);
        assert.ok(runbook(alert).includes(`\`${value}\``));
      });
    }
  });
}

test('the alert of every outcome exists', () => {
  for (const alert of Object.values(ALERT_OF_OUTCOME)) if (alert !== null) assert.equal(alertNamed(alert).alert, alert);
});

test('the runbook of retry storms explains every reason that a retry is denied for', () => {
  const text = runbook('PlimsollRetryStorm');
  assert.deepEqual(
    RETRY_DENIALS.filter((reason) => !text.includes(`\`${reason}\``)),
    [],
  );
});

test('an alert asks for the members that its table gives it and for no others', () => {
  assert.equal(FAILED, 'rate_limited|overloaded|server_error|timeout|connection_error|stream_error|truncated');
  assert.equal(NOT_RATE_LIMITS, 'acceleration|spend_limit|contract_spend_limit');
  assert.equal(UNWANTED_EXITS, 'hung|killed|failed|left');
  assert.ok(alertNamed('PlimsollRateLimited').expr.includes(`reason!~"${NOT_RATE_LIMITS}"`));
});
