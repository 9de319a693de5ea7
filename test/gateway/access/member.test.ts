import assert from 'node:assert/strict';
import test from 'node:test';
import { budgetText, exactUsd, hashedOwner, memberBudgetOf, ownerOf } from '../../../src/gateway/access/member.ts';

test('an owner is a name of letters and digits in one spelling, of any language, and nothing that a table or a terminal obeys', () => {
  for (const name of ['a', 'ada', 'Ada Lovelace', 'ada.l+tag@example.com', '李小龍', 'नमस्ते', '0-day', 'h'.repeat(64)])
    assert.equal(ownerOf(name), name.normalize('NFC'));
  assert.equal(ownerOf('A\u0308da'), '\u00c4da');
  for (const text of [
    ...[
      '',
      ' ada',
      'ada ',
      'a  b',
      '=cmd()',
      '+1',
      '-x',
      '@x',
      'a"b',
      'a,b',
      'a/b',
      'a{b}',
      'a\nb',
      'a\u202eb',
      'a\0b',
    ],
    ...['other', 'forgotten', 'h'.repeat(65), 'plk_0000', `${['sk', 'ant', 'api03'].join('-')}-abcdefghijklmnop`, '💥'],
  ])
    assert.equal(ownerOf(text), null, JSON.stringify(text));
});

test('the hash of an owner depends on the name and on the whole key, and shows neither', () => {
  const [one, other] = ['k'.repeat(32), `${'k'.repeat(31)}l`];
  assert.match(hashedOwner('ada', one), /^h-[0-9a-f]{20}$/);
  assert.equal(hashedOwner('ada', one), hashedOwner('ada', one));
  const hashes = [hashedOwner('ada', one), hashedOwner('bob', one), hashedOwner('ada', other)];
  assert.equal(new Set(hashes).size, 3);
  assert.equal(ownerOf(hashes[0] ?? ''), hashes[0]);
});

test('a budget is dollars for a day or a month, exact to the nano-dollar', () => {
  for (const [text, nanoUsd, shown] of [
    ['50/month', 50_000_000_000n, '$50/month'],
    ['$2.50/day', 2_500_000_000n, '$2.5/day'],
    ['0.000000001/day', 1n, '$0.000000001/day'],
    ['999999999.999999999/month', 999_999_999_999_999_999n, '$999999999.999999999/month'],
  ] as const) {
    const budget = memberBudgetOf(text);
    assert.equal(budget?.nanoUsd, nanoUsd);
    assert.equal(budget && budgetText(budget), shown);
  }
  for (const text of ['50', '0/day', '50/year', '-1/day', '1e3/day', '1,5/day', '/day', 50, null, undefined])
    assert.equal(memberBudgetOf(text), null, String(text));
  assert.equal(exactUsd(-1_500_000_000n), '-1.5');
});
