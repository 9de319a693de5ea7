import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../src/cli/arguments.ts';
import { ConfigurationError, sentenceOf, type Problem } from '../../src/errors.ts';

const TAKEN = {
  name: 'paint',
  options: {
    format: { type: 'string', default: 'text' },
    tag: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  },
} as const;

function problems(args: readonly string[], takesArguments = false): readonly Problem[] {
  try {
    parseArguments(args, { ...TAKEN, takesArguments });
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    assert.equal(error.code, 'PLIMSOLL_ARGUMENTS_INVALID');
    return error.problems;
  }
  return [];
}

describe('the arguments of a command', () => {
  it('are its options, with their defaults, and what stands besides them', () => {
    const given = parseArguments(['--tag', 'a', 'path', '--tag=-b', '--json'], { ...TAKEN, takesArguments: true });
    assert.ok(given !== 'help');
    assert.deepEqual({ ...given.values }, { format: 'text', tag: ['a', '-b'], json: true });
    assert.deepEqual(given.positionals, ['path']);
  });

  it('ask for help by --help or -h, whatever else they ask for', () => {
    for (const args of [['--help'], ['-h'], ['--json', '-h']]) assert.equal(parseArguments(args, TAKEN), 'help');
  });

  it('that are wrong are named all at once, each with its kind', () => {
    const found = problems(['--jsn', '--format', '--json=yes', '--tag', '-x']);
    assert.deepEqual(
      found.map(({ kind, field, got, advice }) => [kind, field, got, advice]),
      [
        ['unknown_field', '--jsn', 'an unknown option', 'did you mean --json?'],
        ['invalid', '--format', '"--json=yes"', 'if you mean it as a value, write --format=VALUE'],
        ['invalid', '--tag', '"-x"', 'if you mean it as a value, write --tag=VALUE'],
      ],
    );
    assert.deepEqual(problems(['--json=yes', '--format']).map(sentenceOf), [
      '--json: expected no value, got "yes"',
      '--format: expected a value, got nothing',
    ]);
  });

  it('besides options are wrong where none are taken, unless they may be the value of an unknown option', () => {
    assert.deepEqual(problems(['path']).map(sentenceOf), ['arguments: expected only options, got "path"']);
    assert.deepEqual(problems(['path'], true), []);
    assert.deepEqual(
      problems(['--color', 'red']).map(({ field }) => field),
      ['--color'],
    );
  });

  it('never show a key that was given by mistake', () => {
    for (const args of [
      ['sk-ant-api03-Zz9'],
      ['--json=sk-ant-api03-Zz9'],
      ['--sk-ant-api03-Zz9'],
      ['--tag', '-plk_Zz9'],
    ]) {
      const said = problems(args).map(sentenceOf).join('\n');
      assert.notEqual(said, '');
      assert.doesNotMatch(said, /Zz9/);
    }
  });
});
