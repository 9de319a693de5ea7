import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedLabel, fitForLabel, fitForOperation, statusLabel } from '../../../src/record/metrics/store.ts';
import { CounterSeries } from '../../../src/record/metrics/series.ts';

function bounded({ reserved = [], cap = 2 }: { reserved?: readonly string[]; cap?: number } = {}) {
  const dropped = new CounterSeries([]);
  const label = new BoundedLabel(dropped, fitForLabel);
  label.reserve(reserved);
  label.allow(cap);
  return { label, dropped };
}

test('the first values get a place, and later ones are other for good', () => {
  const { label } = bounded();
  assert.deepEqual(
    ['a', 'b', 'c', 'a', 'b', 'c'].map((value) => label.value(value)),
    ['a', 'b', 'other', 'a', 'b', 'other'],
  );
});

test('reserved values keep their place after others have taken all there were', () => {
  const { label } = bounded({ reserved: ['kept'] });
  for (const value of ['a', 'b', 'c']) label.value(value);
  assert.equal(label.value('kept'), 'kept');
});

test('reserved values do not use up the places of the others', () => {
  const { label } = bounded({ reserved: ['kept', 'kept too'] });
  assert.deepEqual(
    ['kept', 'a', 'b'].map((value) => label.value(value)),
    ['kept', 'a', 'b'],
  );
});

test('a value that is reserved late still gets its place', () => {
  const { label } = bounded({ cap: 0 });
  assert.equal(label.value('late'), 'other');
  label.reserve(['late']);
  assert.equal(label.value('late'), 'late');
});

test('the largest requested cap applies', () => {
  const { label } = bounded({ cap: 2 });
  label.allow(1);
  label.allow(3);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((value) => label.value(value)),
    ['a', 'b', 'c', 'other'],
  );
});

test('neither an absent value nor one called other is a drop', () => {
  const { label, dropped } = bounded({ cap: 0 });
  assert.equal(label.counted(''), '');
  assert.equal(label.counted('other'), 'other');
  assert.equal(dropped.value(), null);
});

test('drops are counted only by counted()', () => {
  const { label, dropped } = bounded({ cap: 0 });
  label.value('a');
  assert.equal(dropped.value(), null);
  label.counted('a');
  label.counted('a');
  assert.equal(dropped.value(), 2);
});

const UNFIT: readonly (readonly [what: string, value: string])[] = [
  ['longer than 128 characters', 'x'.repeat(129)],
  ['with a line break', 'a\nb'],
  ['with a NUL', 'a\0'],
  ['with a C1 control character', 'a\u0085'],
  ['with half a surrogate pair', 'a\ud800'],
  ['that is a key', 'sk-ant-api03-abc'],
  ['with a key in it, in capitals', 'key=SK-ANT-api03-abc'],
  ["with a token of a gateway's in it", 'token=plk_0123456789ab_cd'],
];
for (const [what, value] of UNFIT) {
  test(`a value ${what} is other, even when a place is free or kept for it`, () => {
    const { label, dropped } = bounded({ reserved: [value] });
    assert.equal(label.counted(value), 'other');
    assert.equal(dropped.value(), 1);
  });
}

test('a name of 128 characters in any script is a label value', () => {
  const { label } = bounded();
  for (const value of ['x'.repeat(128), 'Zürich 東京 🚢']) assert.equal(label.value(value), value);
});

test('an operation is words and dots: no path and no id', () => {
  for (const operation of ['messages.create', 'messages.batches.results', 'other'])
    assert.ok(fitForOperation(operation));
  for (const path of ['/v1/messages', 'messages.msg_01Xy', 'files.file_011', '', 'a'.repeat(200)]) {
    assert.equal(fitForOperation(path), false, path);
  }
});

test('a status is an HTTP code or what came instead of one', () => {
  for (const status of [100, 200, 429, 529, 599]) assert.equal(statusLabel(status), String(status));
  for (const status of ['timeout', 'connection_error', 'cancelled']) assert.equal(statusLabel(status), status);
  for (const status of [0, 99, 600, 200.5, NaN, 'teapot', '']) assert.equal(statusLabel(status), 'other');
});
