import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { operation } from '../../src/observe/operation.ts';
import { RESOURCES, resourceOperation } from '../../src/observe/resources.ts';

const sdk = join(import.meta.dirname, '..', '..', 'node_modules', '@anthropic-ai', 'sdk', 'resources');

/** The calls in the SDK's source: method and path, with each id as `ID`. */
function sdkRequests(): readonly string[] {
  const files = readdirSync(sdk, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
  const call = /_client\.(get|post|put|patch|delete|getAPIList)\(\s*(?:[\w(), .]*path\)?)?\s*[`']\/v1\/([^`'?]+)/g;
  const found = files.flatMap((name) =>
    [...readFileSync(join(sdk, name), 'utf8').matchAll(call)].map(([, verb = '', path = '']) => {
      const method = verb === 'getAPIList' ? 'GET' : verb.toUpperCase();
      return `${method} ${path.replaceAll(/\$\{[^}]*\}/g, 'ID')}`;
    }),
  );
  return [...new Set(found)];
}

test('every call of the installed SDK but those with an Admin API key has an operation of its own', () => {
  const requests = sdkRequests().filter((request) => !/ (?:organizations|compliance)(?:\/|$)/.test(request));
  assert.ok(requests.length > 90, String(requests.length));
  const names = new Map(
    requests.map((request) => {
      const [method = '', path = ''] = request.split(' ');
      return [request, operation(method, `/v1/${path.replaceAll('ID', 'id_1')}?beta=true`, false)];
    }),
  );
  assert.deepEqual(
    [...names].filter(([, name]) => name === 'other'),
    [],
  );
  assert.equal(new Set(names.values()).size, names.size);
});

test('a resource is found by its whole path, and by no id that is none', () => {
  assert.equal(resourceOperation('GET sessions/sesn_1/events/stream'), 'sessions.events.stream');
  assert.equal(resourceOperation('POST sessions/sesn_1/events'), 'sessions.events.send');
  assert.equal(resourceOperation('GET environments/env_1/work/poll'), 'environments.work.poll');
  assert.equal(resourceOperation('GET environments/env_1/work/work_1'), 'environments.work.retrieve');
  for (const request of [
    'GET organizations/me',
    'GET compliance/review/cases',
    'GET sessions/..',
    'GET sessions/.',
    'GET sessions/a%2fb',
    'GET sessions/',
    'GET sessions//events',
    'PUT sessions/a',
    'GET sessions/a/b/c',
    'GET xsessions',
    'GET sessions\n',
    `GET sessions/${'a'.repeat(257)}`,
  ])
    assert.equal(resourceOperation(request), null, request);
  assert.ok(RESOURCES.includes('skills'));
});
