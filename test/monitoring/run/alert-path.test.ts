import assert from 'node:assert/strict';
import test from 'node:test';
import { alertPath } from '../../../monitoring/run/alert-path.ts';
import { tool } from '../../../testing/tools.ts';

const prometheus = tool('prometheus');
const alertmanager = tool('alertmanager');

/** Half an hour of the shipped rules in a minute. */
const FACTOR = 30;

test(
  'a burst of 429s reaches a webhook through Prometheus and Alertmanager, with its limiter, and is over when they are',
  { skip: prometheus.skip || alertmanager.skip },
  async () => {
    const paths = { prometheus: prometheus.path, alertmanager: alertmanager.path };
    const { firing, over } = await alertPath({ ...paths, factor: FACTOR });
    const { alertname, severity, key, model, reason } = firing.labels;
    assert.deepEqual(
      { alertname, severity, key, model, reason },
      {
        alertname: 'PlimsollRateLimited',
        severity: 'ticket',
        key: 'prod-checkout-api',
        model: 'claude-haiku-4-5',
        reason: 'input_tokens',
      },
    );
    assert.match(
      firing.annotations['summary'] ?? '',
      /^429s \(input_tokens\) on claude-haiku-4-5, key prod-checkout-api: \d/,
    );
    assert.match(
      firing.annotations['description'] ?? '',
      /^The limit on input_tokens refused \d[\d.]*% of the attempts/,
    );
    assert.match(firing.annotations['runbook_url'] ?? '', /\/runbooks\/PlimsollRateLimited$/);
    assert.deepEqual(over?.resolved.labels, firing.labels);
  },
);
