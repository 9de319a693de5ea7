import assert from 'node:assert/strict';
import test from 'node:test';
import { Registry } from 'prom-client';
import { consoleHandler } from '../../src/console/handler.ts';

const read = (path: string): Promise<Response> =>
  consoleHandler({ registry: new Registry() })(new Request(`http://localhost${path}`));

test('the live page shows the runbook that an alert links to, and lists them all, wherever it is mounted', async () => {
  for (const mount of ['', '/live']) {
    const one = await read(`${mount}/runbooks/PlimsollRateLimited`);
    assert.match(one.headers.get('content-type') ?? '', /^text\/plain/);
    assert.match(await one.text(), /^# PlimsollRateLimited\n/);
    assert.match(await (await read(`${mount}/runbooks/`)).text(), /^PlimsollErrors$/m);
  }
  assert.match(await (await read('/')).text(), /^<!doctype html>/);
});

test('no path leads out of the folder of runbooks', async () => {
  for (const name of [
    '..%2fdependencies',
    '..%2f..%2fpackage.json',
    'PlimsollRateLimited.md',
    '%2e%2e%2fx',
    'nobody',
  ]) {
    assert.equal((await read(`/runbooks/${name}`)).status, 404, name);
  }
});
