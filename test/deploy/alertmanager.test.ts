import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { alertmanager } from '../../monitoring/run/prometheus.ts';
import { until, type Running } from '../../monitoring/run/servers.ts';
import { tool } from '../../testing/tools.ts';
import { freePort } from '../../testing/free-port.ts';

const program = tool('alertmanager');
const { skip } = program;
const configPath = join(import.meta.dirname, '..', '..', 'deploy/alertmanager/alertmanager.yml');

type Labels = Readonly<Record<string, string>>;

interface Shown {
  readonly labels: Labels;
  readonly status: { readonly state: string };
}

let running: Running;
before(async () => {
  if (skip === false) running = await alertmanager({ program: program.path, configPath, port: await freePort() });
});
after(() => running?.stop());

const WITHIN_MS = 30_000;

/** Names of those that Alertmanager tells nobody of while all of them fire, each test under a job of its own. */
async function silenced(job: string, firing: readonly Labels[]): Promise<readonly string[]> {
  const alerts = firing.map((labels) => ({ labels: { job, ...labels } }));
  const headers = { 'content-type': 'application/json' };
  const posted = await fetch(`${running.url}/api/v2/alerts`, { method: 'POST', headers, body: JSON.stringify(alerts) });
  assert.equal(posted.status, 200, await posted.text());
  const shown = async (): Promise<readonly Shown[]> => {
    const response = await fetch(`${running.url}/api/v2/alerts?filter=job%3D${job}`);
    return (await response.json()) as readonly Shown[];
  };
  const isKnown = async (): Promise<true | null> => {
    const all = await shown();
    return (all.length === alerts.length && all.some(({ status }) => status.state === 'suppressed')) || null;
  };
  await until('Alertmanager knows what silences', isKnown, WITHIN_MS);
  // Asked again: the first answer may have been made while it learnt of it.
  return (await shown())
    .filter(({ status }) => status.state === 'suppressed')
    .map(({ labels }) => `${labels['alertname']} ${labels['key'] ?? labels['budget'] ?? ''}`.trim())
    .sort();
}

const page = (alertname: string, rest: Labels = {}): Labels => ({ alertname, severity: 'page', ...rest });
const ticket = (alertname: string, rest: Labels = {}): Labels => ({ alertname, severity: 'ticket', ...rest });

test('a spend cap silences the 429s, retries and failures of its key, and of no other', { skip }, async () => {
  const a = { key: 'a', model: 'claude-haiku-4-5' };
  const found = await silenced('capped', [
    page('PlimsollSpendCapReached', a),
    ticket('PlimsollRateLimited', { ...a, reason: 'requests' }),
    ticket('PlimsollRetryStorm', a),
    page('PlimsollErrorBudgetBurn', a),
    page('PlimsollUnauthorized', a),
    ticket('PlimsollRateLimited', { ...a, key: 'b' }),
  ]);
  assert.deepEqual(found, ['PlimsollErrorBudgetBurn a', 'PlimsollRateLimited a', 'PlimsollRetryStorm a']);
});

test('a budget that blocks silences what is said of its spend, and of no other budget', { skip }, async () => {
  const found = await silenced('spent', [
    page('PlimsollBudgetBlocks', { budget: 'team' }),
    ticket('PlimsollBudgetForecastOver', { budget: 'team' }),
    ticket('PlimsollBudgetBurnFast', { budget: 'team' }),
    ticket('PlimsollBudgetForecastOver', { budget: 'other' }),
  ]);
  assert.deepEqual(found, ['PlimsollBudgetBurnFast team', 'PlimsollBudgetForecastOver team']);
});

test('missing metrics silence tickets that stand on the last ones, and no page', { skip }, async () => {
  const found = await silenced('missing', [
    page('PlimsollTelemetryMissing'),
    ticket('PlimsollHeadroomLow', { key: 'a' }),
    page('PlimsollUnauthorized', { key: 'a' }),
  ]);
  assert.deepEqual(found, ['PlimsollHeadroomLow a']);
});
