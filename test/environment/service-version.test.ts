import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isServiceVersion, otelResource, serviceVersion } from '../../src/environment/service-version.ts';

it('the version of a service is that of its OpenTelemetry resource, else that of npm', () => {
  const npm = { npm_package_version: '2.14.0' };
  assert.equal(serviceVersion({}), null);
  assert.equal(serviceVersion(npm), '2.14.0');
  assert.equal(serviceVersion({ ...npm, OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop,service.version=3%2E0' }), '3.0');
  assert.equal(serviceVersion({ ...npm, OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop' }), '2.14.0');
});

it('a version that could not be a label, or could be a key, is none', () => {
  const key = ['sk', 'ant', 'api03', 'x'.repeat(40)].join('-');
  for (const unfit of ['', ' ', 'a b', 'x'.repeat(129), 'é', key, undefined, 2]) {
    assert.equal(isServiceVersion(unfit), false, `${unfit}`);
  }
  for (const fit of ['2.14.0', 'v1.2.3-rc.1+build.5', '9f1c2ab', 'shop@2026-11-24', 'main/42', 'x'.repeat(128)]) {
    assert.equal(isServiceVersion(fit), true, fit);
  }
  assert.equal(serviceVersion({ npm_package_version: key }), null);
});

it('attributes that are not written as the specification says are left out', () => {
  const OTEL_RESOURCE_ATTRIBUTES = 'a=1, b = two ,c=3=3,=4,d,e=%E0%A4%A,f=';
  assert.deepEqual(otelResource({ OTEL_RESOURCE_ATTRIBUTES }), { a: '1', b: 'two', f: '' });
});
