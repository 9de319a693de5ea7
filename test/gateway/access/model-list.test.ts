import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isListed, isListedInAll, isModelId, isWithin } from '../../../src/gateway/access/model-list.ts';

/** Which of them each entry has, by hand. */
const MODELS = [
  'claude-haiku-4-5',
  'claude-haiku-4-5-20251001',
  'claude-haiku-5-5',
  'claude-opus-4',
  'claude-opus-4-1',
  'claude-opus-4-20250514',
  'claude-3-5-haiku-20241022',
  'claude-3-5-haiku-latest',
  'claude-mythos-preview',
];

describe('a list of models', () => {
  for (const [entry, listed] of [
    ['claude-haiku-4-5', ['claude-haiku-4-5', 'claude-haiku-4-5-20251001']],
    ['claude-haiku-4-5-20251001', ['claude-haiku-4-5-20251001']],
    ['claude-opus-4', ['claude-opus-4', 'claude-opus-4-20250514']],
    ['claude-haiku-*', ['claude-haiku-4-5', 'claude-haiku-4-5-20251001', 'claude-haiku-5-5']],
    ['claude-*-5', ['claude-haiku-4-5', 'claude-haiku-5-5']],
    ['*-opus-*1*', ['claude-opus-4-1', 'claude-opus-4-20250514']],
    ['*', MODELS],
    [
      'haiku',
      [
        'claude-haiku-4-5',
        'claude-haiku-4-5-20251001',
        'claude-haiku-5-5',
        'claude-3-5-haiku-20241022',
        'claude-3-5-haiku-latest',
      ],
    ],
    ['claude-opus', ['claude-opus-4', 'claude-opus-4-1', 'claude-opus-4-20250514']],
    ['mythos', ['claude-mythos-preview']],
    ['gpt', []],
    ['claude', []],
    ['', []],
  ] as const) {
    it(`has by ${JSON.stringify(entry)}: ${listed.join(', ')}`, () => {
      assert.deepEqual(
        MODELS.filter((model) => isListed(model, [entry])),
        listed,
      );
    });
  }

  it('has nothing that only looks like one of its models', () => {
    for (const [model, entry] of [
      ['claude-haiku-4-5-20251001-evil', 'claude-haiku-4-5'],
      ['claude-haiku-4-5-2025100', 'claude-haiku-4-5'],
      ['claude-haiku-4-5-20251001-20251001', 'claude-haiku-4-5-20251001'],
      ['CLAUDE-HAIKU-4-5', 'claude-haiku-*'],
      ['xclaude-haiku-4-5', 'claude-haiku-*'],
      ['claude-opus-5-haiku', 'haiku'],
      ['claude-opus-haiku-5', 'haiku'],
      ['claude-haiku-5 claude-opus-5', 'claude-haiku-*'],
      ['claude-haiku-5\nx', 'claude-haiku-*'],
      ['claude-haiku-5%2f', 'claude-haiku-*'],
      ['', '*'],
      [`claude-haiku-${'5'.repeat(300)}`, 'claude-haiku-*'],
      ['claude-haiku-*', 'claude-haiku-4-5'],
      ['ab', 'ab*b'],
    ] as const)
      assert.equal(isListed(model, [entry]), false, `${model} in ${entry}`);
  });

  it('bounds nothing that is no text, and allows what every one of several lists has', () => {
    for (const model of [undefined, null, 5, ['claude-haiku-5-5'], {}])
      assert.equal(isListedInAll(model, [['*']]), false);
    const lists = [['haiku', 'opus'], ['claude-*-5']];
    assert.equal(isListedInAll('claude-haiku-5-5', lists), true);
    assert.equal(isListedInAll('claude-opus-4-1', lists), false);
    assert.equal(isListedInAll('claude-sonnet-5-5', lists), false);
  });

  // A pattern that went back for each star would not end within the life of the test.
  it('compares a long pattern with a long id', () => {
    assert.equal(isListed('a'.repeat(256), [`${'*a'.repeat(60)}*b`]), false);
  });
});

describe('an entry within a list', () => {
  it('is an id that the list has, or the same pattern or family', () => {
    for (const entry of ['claude-haiku-5-5', 'claude-haiku-*', 'opus'])
      assert.equal(isWithin(entry, ['claude-haiku-*', 'opus']), true, entry);
    for (const entry of ['claude-sonnet-5-5', 'claude-*', 'haiku', '*', 'claude-haiku-4-*'])
      assert.equal(isWithin(entry, ['claude-haiku-*', 'opus']), false, entry);
  });

  it('is a model id where it is neither a family nor a pattern', () => {
    assert.deepEqual(['claude-haiku-5-5', 'haiku', 'claude-haiku', 'claude-*', 'own-model'].filter(isModelId), [
      'claude-haiku-5-5',
      'own-model',
    ]);
  });
});
