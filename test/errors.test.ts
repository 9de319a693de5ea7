import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ConfigurationError, sentenceOf, type Problem } from 'plimsoll';
import { PROBLEM_KINDS, didYouMean, inside, unfit } from '../src/errors.ts';

const PORT: Problem = {
  kind: 'invalid',
  field: 'listen.port',
  expected: 'a port from 0 to 65535',
  got: '70000',
  advice: 'choose another',
};

describe('what was probably meant', () => {
  for (const [typed, meant] of [
    ['modle', 'model'],
    ['modl', 'model'],
    ['MODEL', 'model'],
    ['xyz', null],
    ['', null],
  ] as const)
    it(`by ${JSON.stringify(typed)} is ${meant ?? 'nothing'}: a swap, a lost letter or a capital is one typo`, () => {
      assert.equal(didYouMean(typed, ['key', 'model', 'day']), meant === null ? null : `did you mean ${meant}?`);
    });
});

describe('a problem', () => {
  it('is said in one sentence: the field, what was expected, what came, what to do', () => {
    assert.equal(sentenceOf(PORT), 'listen.port: expected a port from 0 to 65535, got 70000: choose another');
    assert.equal(sentenceOf({ ...PORT, advice: null }), 'listen.port: expected a port from 0 to 65535, got 70000');
  });

  it('of a key that is not there begins with the variable that is empty or not set', () => {
    const key: Problem = {
      kind: 'no_key',
      field: 'ANTHROPIC_AUTH_TOKEN',
      expected: 'a key',
      got: 'empty',
      advice: null,
    };
    assert.equal(sentenceOf(key), 'ANTHROPIC_AUTH_TOKEN is empty: expected a key');
  });

  it('in a file has the file in its field, and belongs to the file itself if it names no field', () => {
    const [inFile, ofFile] = inside('gateway.yaml', [PORT, { ...PORT, field: '' }]);
    assert.deepEqual([inFile?.field, ofFile?.field], ['gateway.yaml: listen.port', 'gateway.yaml']);
  });

  it('of a value that is absent is a missing one, and never shows a key', () => {
    assert.deepEqual(unfit('key', undefined, { expected: 'a name' }), {
      kind: 'missing',
      field: 'key',
      expected: 'a name',
      got: 'nothing',
      advice: null,
    });
    assert.equal(unfit('key', 'sk-ant-api03-Zz9', { expected: 'a name' }).got, 'a text of 16 characters');
  });

  it('is of a kind that docs/troubleshooting.md explains', () => {
    const page = readFileSync(join(import.meta.dirname, '../docs/troubleshooting.md'), 'utf8');
    const [, table = ''] = page.split('| `kind` | what is wrong |');
    const kinds = [
      ...table
        .split('\n\n', 1)
        .join('')
        .matchAll(/^\| `(\w+)` \|/gm),
    ].map(([, kind]) => kind);
    assert.deepEqual(kinds, [...PROBLEM_KINDS]);
  });
});

describe('a ConfigurationError', () => {
  it('has its one problem as its message, and several as a list', () => {
    assert.equal(new ConfigurationError('CODE', [PORT]).message, sentenceOf(PORT));
    const two = new ConfigurationError('CODE', [PORT, { ...PORT, field: 'metrics.port' }]);
    assert.deepEqual(two.message.split('\n'), [
      '2 problems:',
      `- ${sentenceOf(PORT)}`,
      '- metrics.port: expected a port from 0 to 65535, got 70000: choose another',
    ]);
    assert.deepEqual(two.problems[0], PORT);
  });
});
