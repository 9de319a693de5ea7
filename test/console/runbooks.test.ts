import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Registry } from 'prom-client';
import { consoleHandler } from '../../src/console/handler.ts';
import { ALERTS } from '../../testing/promtool.ts';

const read = (path: string): Promise<Response> =>
  consoleHandler({ registry: new Registry() })(new Request(`http://localhost${path}`));

test('the live page shows the runbook that an alert links to, and lists them all, wherever it is mounted', async () => {
  for (const mount of ['', '/live']) {
    const one = await read(`${mount}/runbooks/PlimsollRateLimited`);
    assert.match(one.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(one.headers.get('content-security-policy') ?? '', /default-src 'none'; script-src 'self'/);
    assert.match(await one.text(), /<h1>PlimsollRateLimited<\/h1>/);
    assert.match(await (await read(`${mount}/runbooks/`)).text(), /<a href="\.\/PlimsollErrors">PlimsollErrors<\/a>/);
  }
  assert.match(await (await read('/')).text(), /^<!doctype html>/);
});

test('every alert has its runbook, and every address on one leads to a page that is served or written out', async () => {
  const list = await (await read('/live/runbooks/')).text();
  const names = [...list.matchAll(/<li><a href="\.\/(\w+)">/g)].map(([, name = '']) => name);
  assert.deepEqual(
    ALERTS.map(({ alert }) => alert).filter((alert) => !names.includes(alert)),
    [],
  );
  const addresses = new Set<string>();
  const pages = new Set<string>();
  for (const name of names) {
    const text = await (await read(`/live/runbooks/${name}`)).text();
    assert.doesNotMatch(text, /<script|<style| style=| on\w+=/);
    for (const [, address = ''] of text.matchAll(/(?:href|src)="([^"]*)"/g)) addresses.add(address);
    for (const [, page = ''] of text.matchAll(/<code>(docs\/[^<]*)<\/code>/g)) pages.add(page);
  }
  for (const address of addresses) {
    if (address.startsWith('data:')) continue;
    const { origin, pathname } = new URL(address, 'http://localhost/live/runbooks/PlimsollErrors');
    if (origin === 'http://localhost') assert.equal((await read(pathname)).status, 200, address);
    else assert.equal(origin, 'https://platform.claude.com');
  }
  assert.ok(pages.has('docs/tiers.md'));
  for (const page of pages) assert.ok(existsSync(join(import.meta.dirname, '..', '..', page)), page);
  assert.ok(addresses.has('./') && addresses.has('../page.css') && addresses.size >= 5, [...addresses].join(' '));
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
