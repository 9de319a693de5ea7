import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { AttributionLabels, checkAttribution, CallLabelValues } from '../../src/record/call-labels.ts';
import { CallSeriesTable } from '../../src/record/call-series.ts';
import { aCall } from '../../testing/calls.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import { storeFor } from '../../src/record/metrics/registry.ts';

const KEY = 'sk-ant-api03-very-secret';

test('label names of the user and lists of values are what is expected', () => {
  checkAttribution({});
  checkAttribution({ route: ['/chat', 'GET /orders/:id'], tenant: [], _own: ['Zürich'] });
});

const PROBLEMS: readonly (readonly [what: string, declared: Record<string, unknown>, said: RegExp])[] = [
  ['with a hyphen', { 'user-id': [] }, /got "user-id": rename/],
  ['beginning with a digit', { '1st': [] }, /got "1st": rename/],
  ['without a letter', { '': [] }, /got "": rename/],
  ['beginning with __', { __tenant: [] }, /without __ in front, got "__tenant"/],
  ['of a metric', { model: [] }, /got "model", which the metrics have already: rename/],
  ['of a metric of attempts', { status: [] }, /got "status"/],
  ['of a histogram', { le: [] }, /got "le"/],
  ['that a scrape adds', { instance: [] }, /got "instance"/],
  ['that is a key', { [KEY]: [] }, /one that cannot be shown: rename/],
  ['with no list', { tenant: 'a' }, /list of values for "tenant", got "a": write \[\]/],
  ['with null', { tenant: null }, /list of values for "tenant"/],
  ['with a number as a value', { tenant: ['a', 7] }, /value 2 of "tenant"/],
  ['with an empty value', { tenant: [''] }, /value 1 of "tenant"/],
  ['with a key as a value', { tenant: [KEY] }, /value 1 of "tenant"/],
];
for (const [what, declared, said] of PROBLEMS) {
  test(`a label name ${what} is refused, and no secret is in the message`, () => {
    assert.throws(
      () => checkAttribution(declared as never),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.equal(error.code, 'PLIMSOLL_ATTRIBUTION_INVALID');
        assert.equal(error.problems.length, 1);
        assert.match(error.message, said);
        assert.match(error.message, /expected/);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  });
}

test('all problems of a declaration come at once, before anything is registered', () => {
  const registry = new Registry();
  const attribution = { model: [], 'user-id': [''], tenant: 'a' } as never;
  assert.throws(
    () => prometheusRecorder({ registry, attribution }),
    (error: ConfigurationError) => error.problems.length === 4,
  );
  assert.equal(registry.getMetricsAsArray().length, 0);
});

test('values come in the order of the declaration, a missing one as empty, and calls without one are counted', () => {
  const store = storeFor(new Registry());
  const labels = new AttributionLabels(store, { feature: ['chat'], tenant: [] });
  assert.deepEqual(labels.values({ tenant: 'acme', feature: 'chat' }), ['chat', 'acme']);
  const none = labels.values({ tenant: '' });
  assert.deepEqual(none, ['', '']);
  labels.countMissing(none);
  const missing = store.families.plimsoll_attribution_missing_total;
  assert.equal(missing.series({ label: 'feature' }).value(), 1);
  assert.equal(missing.series({ label: 'tenant' }).value(), 1);
});

test('a label that was not declared is not looked at', () => {
  const labels = new AttributionLabels(storeFor(new Registry()), { tenant: [] });
  assert.deepEqual(labels.values({ tenant: 'a', user: 'someone' }), ['a']);
});

test('clients of one registry share the places of a label', () => {
  const store = storeFor(new Registry());
  const some = new AttributionLabels(store, { tenant: ['a'] }, { values: 1 });
  const others = new AttributionLabels(store, { tenant: ['b'] }, { values: 1 });
  assert.deepEqual(some.values({ tenant: 'first' }), ['first']);
  assert.deepEqual(others.values({ tenant: 'second' }), ['other']);
  assert.deepEqual(some.values({ tenant: 'b' }), ['b']);
  assert.deepEqual(others.values({ tenant: 'first' }), ['first']);
});

test('values have the names of their labels, whatever their order', () => {
  const labels = new AttributionLabels(storeFor(new Registry()), { feature: [], tenant: [] });
  assert.deepEqual(labels.named(labels.values({ tenant: 'y', feature: 'x' })), { feature: 'x', tenant: 'y' });
});

test('calls with the same operation, key and attribution share a group of series, and no others do', () => {
  const store = storeFor(new Registry());
  const table = new CallSeriesTable(store, {
    labels: new CallLabelValues(store, { keys: ['a', 'b'] }),
    attribution: new AttributionLabels(store, { feature: [], tenant: [] }, { combinations: 2 }),
    limitsOf: () => assert.fail('no series of a model is asked for'),
    onGroup: () => undefined,
  });
  const groupOf = (feature: string, tenant: string, key = 'a') =>
    table.groupOf(aCall({ key, attribution: { feature, tenant } }));
  assert.equal(groupOf('x', 'y'), groupOf('x', 'y'));
  assert.notEqual(groupOf('x', 'y'), groupOf('y', 'x'));
  assert.notEqual(groupOf('x', 'y'), groupOf('x', 'y', 'b'));
  assert.equal(groupOf('x', 'z'), groupOf('late', 'later'), 'late combinations share the group of `other`');
});

test('labels that are each bounded are bounded together: late combinations keep what was declared of them', () => {
  const store = storeFor(new Registry());
  const declared = { tenant: [], feature: ['search', 'chat'], region: [] };
  const labels = new AttributionLabels(store, declared, { combinations: 50 });
  const valuesOf = (call: number): readonly string[] =>
    labels.values({ tenant: `t${call % 90}`, feature: call % 3 === 0 ? 'search' : 'chat', region: `r${call % 89}` });
  const combinations = new Set(Array.from({ length: 8_000 }, (_, call) => valuesOf(call).join()));
  assert.equal(combinations.size, 52, 'fifty, and the two of what was declared');
  assert.ok(combinations.has('other,search,other') && combinations.has('other,chat,other'));
  assert.deepEqual(valuesOf(0), ['t0', 'search', 'r0'], 'who came early keeps its place');
  const dropped = store.families.plimsoll_label_values_dropped_total;
  assert.equal(dropped.series({ label: 'tenant' }).value(), 7_950);
  assert.equal(dropped.series({ label: 'region' }).value(), 7_950);
  assert.equal(dropped.series({ label: 'feature' }).value(), null);
});
