import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigurationError, sentenceOf } from 'plimsoll';
import defaults from '../../src/pricing/prices.json' with { type: 'json' };
import { pricesFrom } from '../../src/pricing/prices.ts';

const RATES = { input: 3, output: 15, cacheWrite5m: 3.75, cacheWrite1h: 6, cacheRead: 0.3 };
const { cacheRead: _read, ...RATES_BUT_READ } = RATES;
const ONE_PLACE = 'a decimal of at most 9 digits on either side of the point';
const PRICE_FIELDS =
  'effectiveFrom, effectiveTo, input, output, cacheWrite5m, cacheWrite1h, cacheRead, batchMultiplier, geoMultipliers, longContext, fast, verified, source, note';

function problemsOf(file: unknown): readonly string[] {
  try {
    pricesFrom(file, 'own.json');
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    assert.equal(error.code, 'PLIMSOLL_PRICES_INVALID');
    const sentences = error.problems.map(sentenceOf);
    assert.ok(sentences.every((sentence) => sentence.startsWith('own.json: ')));
    return sentences.map((sentence) => sentence.slice('own.json: '.length));
  }
  return [];
}

it('the shipped prices are a price file without a problem', () => {
  assert.deepEqual(problemsOf(defaults), []);
});

/** A file with one model at these prices. */
function file(...prices: readonly unknown[]): unknown {
  return { extends: 'default', models: [{ model: 'claude-x', prices }] };
}

const AT = 'models[0].prices[0]';
const MISTAKES: readonly (readonly [string, unknown, readonly string[]])[] = [
  ['no object', [], ['expected an object, got a list of 0']],
  ['nothing', null, ['expected an object, got null']],
  [
    'a misspelt field at the top',
    { extends: 'default', model: [] },
    [
      'model: expected one of extends, checkedOn, models, serverTools, refusals, platforms, aliases, discounts, got an unknown field',
    ],
  ],
  [
    'a platform that nobody has',
    { extends: 'default', platforms: [{ platform: 'azure' }] },
    ['platforms[0].platform: expected one of anthropic, bedrock, vertex, foundry, aws, google-cloud, got "azure"'],
  ],
  [
    'a platform that is listed twice',
    { extends: 'default', platforms: [{ platform: 'aws' }, { platform: 'aws' }] },
    ['platforms[1].platform: expected an id of its own, got "aws", which platforms[0].platform has'],
  ],
  ['a base that does not exist', { extends: 'defaults' }, ['extends: expected "default" or "none", got "defaults"']],
  [
    'no date of checking on a table of its own',
    { models: [] },
    ['checkedOn: expected a day as YYYY-MM-DD in a file that does not say "extends": "default", got nothing'],
  ],
  ['models that are no list', { extends: 'default', models: {} }, ['models: expected a list, got an object']],
  [
    'a model without an id',
    { extends: 'default', models: [{ prices: [] }] },
    ['models[0].model: expected a text, got nothing'],
  ],
  [
    'a model without prices',
    { extends: 'default', models: [{ model: 'x' }] },
    ['models[0].prices: expected a list, got nothing'],
  ],
  [
    'a life cycle that does not exist',
    { extends: 'default', models: [{ model: 'x', status: 'old', prices: [] }] },
    ['models[0].status: expected active, legacy, deprecated or retired, got "old"'],
  ],
  ['a negative price', file({ ...RATES, cacheRead: -1 }), [`${AT}.cacheRead: expected a number ≥ 0, got -1`]],
  ['a missing price', file(RATES_BUT_READ), [`${AT}.cacheRead: expected a number ≥ 0, got nothing`]],
  ['a price that is null', file({ ...RATES, input: null }), [`${AT}.input: expected a number ≥ 0, got null`]],
  ['a price with its unit', file({ ...RATES, input: '$3' }), [`${AT}.input: expected a number ≥ 0, got "$3"`]],
  ['an empty price', file({ ...RATES, input: ' ' }), [`${AT}.input: expected a number ≥ 0, got " "`]],
  ['a price that is true', file({ ...RATES, input: true }), [`${AT}.input: expected a number ≥ 0, got true`]],
  ['a price per token', file({ ...RATES, input: 0.0000000003 }), [`${AT}.input: expected ${ONE_PLACE}, got 3e-10`]],
  ['an absurd price', file({ ...RATES, input: 1e12 }), [`${AT}.input: expected ${ONE_PLACE}, got 1000000000000`]],
  ['a price in hexadecimal', file({ ...RATES, input: '0x10' }), [`${AT}.input: expected ${ONE_PLACE}, got "0x10"`]],
  [
    'an unknown field of a price',
    file({ ...RATES, cachedRead: 1 }),
    [`${AT}.cachedRead: expected one of ${PRICE_FIELDS}, got an unknown field`],
  ],
  [
    'a discount in percent',
    file({ ...RATES, batchMultiplier: 50 }),
    [`${AT}.batchMultiplier: expected a factor from 0 to 1, got 50`],
  ],
  [
    'a geo in percent',
    file({ ...RATES, geoMultipliers: { us: 110 } }),
    [`${AT}.geoMultipliers.us: expected a factor from 0 to 10, got 110`],
  ],
  [
    'one multiplier for all places',
    file({ ...RATES, geoMultipliers: 1.1 }),
    [`${AT}.geoMultipliers: expected an object, got 1.1`],
  ],
  [
    'a band without its threshold and one of its prices',
    file({ ...RATES, longContext: RATES_BUT_READ }),
    [
      `${AT}.longContext.aboveTokens: expected a whole number ≥ 0, got nothing`,
      `${AT}.longContext.cacheRead: expected a number ≥ 0, got nothing`,
    ],
  ],
  [
    'a band at half a token',
    file({ ...RATES, longContext: { aboveTokens: 0.5, ...RATES } }),
    [`${AT}.longContext.aboveTokens: expected a whole number ≥ 0, got 0.5`],
  ],
  [
    'a fast mode without its cache prices',
    file({ ...RATES, fast: { input: 6, output: 30 } }),
    [
      `${AT}.fast.cacheWrite5m: expected a number ≥ 0, got nothing`,
      `${AT}.fast.cacheWrite1h: expected a number ≥ 0, got nothing`,
      `${AT}.fast.cacheRead: expected a number ≥ 0, got nothing`,
    ],
  ],
  [
    'a fast mode with a word for a flag',
    file({ ...RATES, fast: { ...RATES, batchAllowed: 'no' } }),
    [`${AT}.fast.batchAllowed: expected true or false, got "no"`],
  ],
  [
    'a day that is none',
    file({ ...RATES, effectiveFrom: '2026-02-30' }),
    [`${AT}.effectiveFrom: expected a day as YYYY-MM-DD, got "2026-02-30"`],
  ],
  [
    'a day as a number',
    file({ ...RATES, effectiveFrom: 20261124 }),
    [`${AT}.effectiveFrom: expected a day as YYYY-MM-DD, got 20261124`],
  ],
  [
    'an end before its beginning',
    file({ ...RATES, effectiveFrom: '2026-11-02', effectiveTo: '2026-11-02' }),
    [`${AT}.effectiveTo: expected a day after 2026-11-02, got 2026-11-02`],
  ],
  [
    'periods that overlap, whatever their order',
    file(
      { ...RATES, effectiveFrom: '2026-11-01' },
      { ...RATES, effectiveFrom: '2026-10-01', effectiveTo: '2026-11-02' },
    ),
    [`${AT}.effectiveFrom: expected models[0].prices[1] to have ended, got 2026-11-01 before 2026-11-02`],
  ],
  [
    'a second price without an end to the first',
    file(RATES, { ...RATES, effectiveFrom: '2026-11-01' }),
    ['models[0].prices[1].effectiveFrom: expected models[0].prices[0] to have ended, got 2026-11-01 before no day'],
  ],
  [
    'two prices of all times',
    file(RATES, RATES),
    ['models[0].prices[1].effectiveFrom: expected models[0].prices[0] to have ended, got no day before no day'],
  ],
  [
    'a model listed twice',
    {
      extends: 'default',
      models: [
        { model: 'x', prices: [] },
        { model: 'x', prices: [] },
      ],
    },
    ['models[1].model: expected an id of its own, got "x", which models[0].model has'],
  ],
  [
    'an alias that is another model',
    {
      extends: 'default',
      models: [
        { model: 'x', prices: [] },
        { model: 'y', aliases: ['x'], prices: [] },
      ],
    },
    ['models[1].aliases[0]: expected an id of its own, got "x", which models[0].model has'],
  ],
  [
    'a server tool listed twice',
    {
      extends: 'default',
      serverTools: [
        { tool: 'web_search', prices: [] },
        { tool: 'web_search', prices: [] },
      ],
    },
    ['serverTools[1].tool: expected an id of its own, got "web_search", which serverTools[0].tool has'],
  ],
  [
    'a server tool priced per use',
    { extends: 'default', serverTools: [{ tool: 'web_search', prices: [{ usdPerUse: 0.01 }] }] },
    [
      'serverTools[0].prices[0].usdPerUse: expected one of effectiveFrom, effectiveTo, usdPerThousandUses, verified, source, note, got an unknown field',
      'serverTools[0].prices[0].usdPerThousandUses: expected a number ≥ 0, got nothing',
    ],
  ],
  [
    'server tool prices that overlap',
    {
      extends: 'default',
      serverTools: [{ tool: 'x', prices: [{ usdPerThousandUses: 1 }, { usdPerThousandUses: 2 }] }],
    },
    [
      'serverTools[0].prices[1].effectiveFrom: expected serverTools[0].prices[0] to have ended, got no day before no day',
    ],
  ],
];

describe('a price file is refused, with the place, for', () => {
  for (const [mistake, parsed, problems] of MISTAKES) {
    it(mistake, () => {
      assert.deepEqual(problemsOf(parsed), problems);
    });
  }
});

it('all problems of a price file are reported at once, one a line', () => {
  const bad = {
    checkedOn: 'yesterday',
    models: [
      { model: 'claude-x', prices: [{ ...RATES, input: -1, output: 'free' }] },
      { model: 7, prices: [{ ...RATES_BUT_READ, effectiveTo: 'never' }] },
    ],
  };
  assert.throws(() => pricesFrom(bad, 'own.json'), {
    message: [
      '6 problems:',
      '- own.json: checkedOn: expected a day as YYYY-MM-DD, got "yesterday"',
      '- own.json: models[0].prices[0].input: expected a number ≥ 0, got -1',
      '- own.json: models[0].prices[0].output: expected a number ≥ 0, got "free"',
      '- own.json: models[1].model: expected a text, got 7',
      '- own.json: models[1].prices[0].effectiveTo: expected a day as YYYY-MM-DD, got "never"',
      '- own.json: models[1].prices[0].cacheRead: expected a number ≥ 0, got nothing',
    ].join('\n'),
  });
});

it('the error for a wrong file shows nothing of its content', () => {
  const key = `sk-ant-api03-${'x'.repeat(12)}`;
  const problems = problemsOf({
    [key]: 1,
    checkedOn: key,
    extends: 'a'.repeat(33),
    models: [{ model: 'x', prices: key }],
  });
  assert.deepEqual(problems, [
    '(a name of 25 characters): expected one of extends, checkedOn, models, serverTools, refusals, platforms, aliases, discounts, got an unknown field',
    'extends: expected "default" or "none", got a text of 33 characters',
    'checkedOn: expected a day as YYYY-MM-DD, got a text of 25 characters',
    'models[0].prices: expected a list, got a text of 25 characters',
  ]);
});
