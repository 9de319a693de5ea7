import assert from 'node:assert/strict';
import test from 'node:test';
import { runbook } from '../../demo/runbooks.ts';

test('the demo shows the runbook that an alert links to, and lists them all', async () => {
  assert.match(await (await runbook('PlimsollRateLimited')).text(), /^# PlimsollRateLimited\n/);
  assert.match(await (await runbook('')).text(), /^PlimsollErrors$/m);
});

test('no path leads out of the folder of runbooks', async () => {
  for (const name of ['../dependencies', '../../package.json', 'PlimsollRateLimited/..', '%2e%2e/x']) {
    assert.equal((await runbook(name)).status, 404, name);
  }
});
