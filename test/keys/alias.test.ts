import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { phraseOf } from '../../src/errors.ts';
import { keyEnvironment, keyAlias, type KeyAlias } from '../../src/keys/alias.ts';

const said = ({ problem }: KeyAlias): string => (problem === null ? '' : phraseOf(problem));

const WELL_NAMED: readonly (readonly [alias: string, environment: string, service: string, role: string])[] = [
  ['prod-checkout-api', 'prod', 'checkout', 'api'],
  ['dev-local-key', 'dev', 'local', 'key'],
  ['staging-svc-key', 'staging', 'svc', 'key'],
  ['prod-api-key', 'prod', 'api', 'key'],
  ['ci-runner-key', 'ci', 'runner', 'key'],
  ['production-checkout-api', 'prod', 'checkout', 'api'],
  ['stage-order-history-worker', 'staging', 'order-history', 'worker'],
  ['qa-s3-sync-batch2', 'test', 's3-sync', 'batch2'],
];

for (const [alias, ...parts] of WELL_NAMED) {
  it(`the alias ${alias} names the environment ${parts[0]}, the service ${parts[1]} and the role ${parts[2]}`, () => {
    const { environment, service, role, wellNamed, problem } = keyAlias(alias);
    assert.deepEqual([environment, service, role], parts);
    assert.deepEqual([wellNamed, problem], [true, null]);
  });
}

const BADLY_NAMED: readonly (readonly [
  alias: string,
  parts: readonly [environment: string | null, service: string | null, role: string | null],
  toDo: RegExp,
])[] = [
  ['default', [null, null, null], /begin with one of dev, test, ci, staging, demo, prod/],
  ['checkout-api-key', [null, null, null], /begin with one of/],
  ['prod', ['prod', null, null], /name the environment, the service and the role/],
  ['prod-checkout', ['prod', 'checkout', null], /name the environment, the service and the role/],
  ['prod-checkout-2', ['prod', 'checkout', '2'], /end with a word for what the key does/],
  ['PROD-Checkout-API', ['prod', 'checkout', 'api'], /lowercase letters/],
  ['prod_checkout_api', [null, null, null], /lowercase letters/],
  ['prod--api', ['prod', 'api', null], /lowercase letters/],
  ['prod-checkout-', ['prod', 'checkout', null], /lowercase letters/],
  ['', [null, null, null], /lowercase letters/],
];

for (const [alias, parts, toDo] of BADLY_NAMED) {
  it(`the alias "${alias}" is badly named, and the problem says what to do`, () => {
    const read = keyAlias(alias);
    assert.equal(read.wellNamed, false);
    assert.deepEqual([read.environment, read.service, read.role], parts);
    assert.match(read.problem?.advice ?? '', toDo);
    assert.match(said(read), /expected .* got /);
  });
}

it('a key given as its own alias is not shown in the problem', () => {
  for (const key of ['sk-ant-api03-' + 'Zz9'.repeat(20), 'prod-sk-ant-api03-Zz9', 'plk_Zz9']) {
    const read = keyAlias(key);
    assert.match(said(read), /looks like the key itself/);
    assert.doesNotMatch(said(read), /Zz9|sk-ant/);
    assert.deepEqual([read.environment, read.service, read.role], [null, null, null]);
  }
});

it('any text is read as an alias without an error thrown, and its problem stays short', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (alias) => {
      const read = keyAlias(alias);
      assert.equal(read.wellNamed, read.problem === null);
      assert.ok(said(read).length < 600);
    }),
  );
});

it('any environment, service and role joined by dashes are read back', () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/);
  const place = fc.constantFrom('dev', 'test', 'ci', 'staging', 'demo', 'prod');
  fc.assert(
    fc.property(place, fc.array(word, { minLength: 1, maxLength: 3 }), word, (where, services, role) => {
      const read = keyAlias([where, ...services, role].join('-'));
      assert.deepEqual(
        [read.environment, read.service, read.role, read.wellNamed],
        [where, services.join('-'), role, true],
      );
    }),
  );
});

it('all spellings of an environment are read as one, and what is no environment is recognized', () => {
  assert.equal(keyEnvironment('production'), 'prod');
  assert.equal(keyEnvironment(' Prod '), 'prod');
  assert.equal(keyEnvironment('development'), 'dev');
  assert.equal(keyEnvironment('uat'), 'staging');
  assert.equal(keyEnvironment('checkout'), null);
  assert.equal(keyEnvironment('constructor'), null);
});
