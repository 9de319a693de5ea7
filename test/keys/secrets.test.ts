import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { phraseOf } from '../../src/errors.ts';
import { isPlaceholder, judgedKey, redacted, secretsIn } from '../../src/keys/secrets.ts';

/** Of the form of real ones: ninety-five characters of base64url after the prefix. */
const drawn = (prefix: string): string => prefix + randomBytes(72).toString('base64url').slice(0, 95);

/** As a gateway draws them: an id of twelve characters, and a secret. */
const drawnToken = `plk_0123456789ab_${randomBytes(20).toString('hex')}`;

const PREFIXES = {
  'sk-ant-api03-': 'api_key',
  'sk-ant-admin01-': 'admin_key',
  'sk-ant-api01-': 'enterprise_admin_key',
  'sk-ant-oat01-': 'oauth_token',
  'sk-ant-ort01-': 'refresh_token',
  'sk-ant-sid01-': 'session',
  'sk-ant-new07-': 'unknown',
} as const;

const secret = fc.constantFrom(...(Object.keys(PREFIXES) as (keyof typeof PREFIXES)[]));
/** What a secret may stand behind, characters that could be its own included. */
const before = fc.array(fc.constantFrom('\n', '"', "'", ' ', '=', ':', '%22', '\\n', '/*', 'é', 'x=', '<', '>'), {
  maxLength: 6,
});

describe('the secrets in a text', () => {
  it('are found wherever they stand, each by its kind', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ before, secret }), { maxLength: 5 }), (pieces) => {
        const made = pieces.map((piece) => ({ ...piece, whole: drawn(piece.secret) }));
        const text = made.map(({ before: around, whole }) => `${around.join('')}${whole} `).join('');
        assert.deepEqual(
          secretsIn(text).map(({ kind, prefix, start, end }) => [kind, prefix, text.slice(start, end)]),
          made.map((one) => [PREFIXES[one.secret], one.secret, one.whole]),
        );
      }),
    );
  });

  for (const text of [
    'sk-ant-api03-…',
    'sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'sk-ant-api03-your-key-goes-in-this-very-place',
    'sk-ant-api03-REPLACE_WITH_KEY_OF_YOUR_OWN_MAKING',
    'sk-ant-api03-fake-key-for-the-tests-of-a-service',
    'sk-ant-api03-abc',
    'sk-ant-something-that-is-no-key-at-all-is-here',
    'an ask-ant-farm question',
  ])
    it(`are none in ${text}`, () => assert.deepEqual(secretsIn(text), []));

  it('are hardly ever taken for a placeholder when they are drawn by chance', () => {
    const misses = Array.from({ length: 20_000 }, () => drawn('sk-ant-api03-')).filter(isPlaceholder).length;
    assert.ok(misses <= 1, `${misses} of 20,000`);
  });
});

describe('a redacted text', () => {
  it('keeps nothing of a secret but the prefix that all of its kind have', () => {
    for (const begins of Object.keys(PREFIXES)) {
      assert.equal(redacted(`key=${drawn(begins)}&x=1`), `key=${begins}…&x=1`);
    }
  });

  it('hides secrets that are cut off or of no known form as well', () => {
    assert.equal(redacted('sk-ant-api03-… is redacted'), 'sk-ant-api03-… is redacted');
    assert.equal(redacted(`token ${drawnToken}.`), 'token plk_0123456789ab_….');
    assert.equal(redacted('sk-ant-api03-abc and SK-ANT-whatever'), 'sk-ant-api03-… and SK-ANT-…');
  });

  for (const [text, shown] of [
    ['http://me:secret@host/path', 'http://me:…@host/path'],
    ['redis://:secret@host:6379', 'redis://:…@host:6379'],
    ['https://token@host', 'https://…@host'],
    ['"me:secret@host"', '"me:…@host"'],
    ['http://me:se@cr@et@host', 'http://me:…@host'],
    ['http://a:b@c and http://d:e@f', 'http://a:…@c and http://d:…@f'],
    ['somebody@example.org', 'somebody@example.org'],
    ['expected 500@2026-11-01: an amount', 'expected 500@2026-11-01: an amount'],
    ['https://host:8080/package@1.2', 'https://host:8080/package@1.2'],
  ] as const)
    it(`shows ${text} as ${shown}`, () => assert.equal(redacted(text), shown));
});

const CASES: readonly (readonly [name: string, value: string, kind: string, problem: RegExp | null])[] = [
  ['an API key', drawn('sk-ant-api03-'), 'api_key', null],
  ['an OAuth token', drawn('sk-ant-oat01-'), 'oauth_token', null],
  ['a key of a form yet to come', drawn('sk-ant-api04-'), 'unknown', null],
  ['a gateway token', drawnToken, 'gateway_token', null],
  [
    'a gateway token that was cut off',
    drawnToken.slice(0, 30),
    'gateway_token',
    /30 characters instead of 57: copy all/,
  ],
  ['a place for a gateway token', 'plk_…', 'placeholder', /got a placeholder/],
  ['a word for a simulator', 'test', 'unrecognized', null],
  [
    'an admin key',
    drawn('sk-ant-admin01-'),
    'admin_key',
    /got an admin key, .*cannot send messages: create an API key/,
  ],
  ["an enterprise's admin key", drawn('sk-ant-api01-'), 'enterprise_admin_key', /cannot send messages/],
  ['a refresh token', drawn('sk-ant-ort01-'), 'refresh_token', /only a login can use/],
  ['a session', drawn('sk-ant-sid01-'), 'session', /log out/],
  ['a key that was cut off', 'sk-ant-api03-abcdefgh', 'api_key', /got sk-ant-api03-… cut off after 21 characters/],
  ['a key in quotes', `"${drawn('sk-ant-api03-')}"`, 'unrecognized', /quotes/],
  ['a key with a line break in it', drawn('sk-ant-api03-').replace(/.{40}$/, '\n$&'), 'api_key', /spaces/],
  [
    'the placeholder of .env.example',
    '<REPLACE_WITH_KEY>',
    'placeholder',
    /got a placeholder: replace it with a key from/,
  ],
  ['a placeholder of a tutorial', 'your-key-here', 'placeholder', /a placeholder/],
  ['a placeholder with a prefix', 'sk-ant-api03-xxxxxxxxxxxx', 'placeholder', /a placeholder/],
  ['an abbreviation', 'sk-ant-...', 'placeholder', /a placeholder/],
  ['a variable that nothing filled in', '${ANTHROPIC_API_KEY}', 'placeholder', /a placeholder/],
];

describe('a credential', () => {
  for (const [name, value, kind, problem] of CASES) {
    it(`that is ${name} is ${problem === null ? 'let through' : 'refused, with what to do'}`, () => {
      const judged = judgedKey(value);
      assert.deepEqual([judged.kind, judged.usable], [kind, problem === null]);
      if (problem === null) assert.equal(judged.problem, null);
      else {
        assert.equal(judged.problem?.kind, 'wrong_key');
        assert.match(phraseOf(judged.problem), problem);
      }
    });
  }

  it('is never shown by the problem that it has', () => {
    for (const [, value] of CASES.filter(([, text]) => text.length > 60)) {
      const said = JSON.stringify(judgedKey(value));
      const body = value.replace(/^"?sk-ant-\w+-/, '');
      for (let at = 0; at + 6 <= body.length; at++) assert.ok(!said.includes(body.slice(at, at + 6)));
    }
  });
});
