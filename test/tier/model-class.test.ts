import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelClass } from '../../src/tier/model-class.ts';

test('models that share a limit have one class', () => {
  const opus4 = ['claude-opus-4-5', 'claude-opus-4-6', 'claude-opus-4-7', 'claude-opus-4-8'].map(modelClass);
  assert.deepEqual(new Set(opus4), new Set(['opus-4.x']));
  assert.equal(modelClass('claude-sonnet-4-5'), modelClass('claude-sonnet-4-6'));
  assert.equal(modelClass('claude-fable-5'), modelClass('claude-fable-5-2'));
});

test('models with a limit of their own have a class of their own', () => {
  const own = [
    'claude-opus-5',
    'claude-opus-5-5',
    'claude-sonnet-5',
    'claude-sonnet-5-5',
    'claude-haiku-4-5',
    'claude-haiku-5-5',
  ];
  assert.equal(new Set([...own, 'claude-opus-4-5', 'claude-sonnet-4-5'].map(modelClass)).size, own.length + 2);
});

test('a model that is not in the table is a class of its own', () => {
  assert.equal(modelClass('claude-mythos-5-2'), 'claude-mythos-5-2');
  assert.equal(modelClass(''), '');
});
