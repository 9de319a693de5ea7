import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { dayStartMs } from '../../src/pricing/price-file.ts';
import { defaultPrices, loadPrices, pricesFrom } from '../../src/pricing/prices.ts';
import { usdPerMillion } from '../../src/pricing/rate.ts';
import { dayMs } from '../../testing/usages.ts';

const prices = defaultPrices();

function inputUsd(table: typeof prices, model: string, day: string): number | null {
  const price = table.priceAt(model, dayMs(day));
  return price && usdPerMillion(price.cards.standard.standard.input);
}

describe('the shipped table', () => {
  it('is made once', () => {
    assert.equal(defaultPrices(), prices);
  });

  it('says when it was last checked', () => {
    assert.equal(prices.source, 'default');
    assert.equal(prices.checkedOn, '2026-11-26');
    assert.equal(prices.checkedAtMs, Date.UTC(2026, 10, 26));
  });

  it('knows every model that the SDK names', async () => {
    const { readFileSync } = await import('node:fs');
    const source = readFileSync(
      new URL('../../node_modules/@anthropic-ai/sdk/src/resources/messages/messages.ts', import.meta.url),
      'utf8',
    );
    const union = /export type Model =([\s\S]*?);/.exec(source)?.[1] ?? '';
    const named = [...union.matchAll(/'(claude-[^']+)'/g)].map(([, id = '']) => id);
    assert.ok(named.length >= 20);
    const known = new Set(prices.knownModels);
    assert.deepEqual(
      named.filter((id) => !known.has(prices.canonicalModel(id))),
      [],
    );
  });

  it('gives every price its source and how well it is known', () => {
    for (const { model, prices: periods } of prices.models) {
      for (const { source, verified } of periods) {
        assert.ok(source !== null && verified !== null, model);
      }
    }
  });

  it('has a price for every model from its first day on without a gap, but for the one without any', () => {
    for (const { model, prices: periods } of prices.models) {
      if (model === 'claude-mythos-preview') continue;
      const ends = periods.map(({ effectiveTo }) => effectiveTo);
      assert.deepEqual(
        periods.slice(1).map(({ effectiveFrom }) => effectiveFrom),
        ends.slice(0, -1),
        model,
      );
      assert.equal(ends.at(-1), null, model);
    }
  });

  it('retires every model on the day that the SDK names, but for the one that stayed', async () => {
    const { readFileSync } = await import('node:fs');
    const source = readFileSync(
      new URL('../../node_modules/@anthropic-ai/sdk/src/internal/data/deprecated-models.ts', import.meta.url),
      'utf8',
    );
    const days = [...source.matchAll(/'(claude-[^']+)': '(\w+ \d+)[a-z]+, (\d+)'/g)].map(([, id = '', day, year]) => {
      const at = new Date(`${day} ${year} UTC`);
      return [prices.canonicalModel(id), at.toISOString().slice(0, 10)] as const;
    });
    const stayed = days.filter(([id, day]) => prices.models.find(({ model }) => model === id)?.eol !== day);
    assert.ok(days.length > 1);
    assert.deepEqual(stayed, [['claude-mythos-preview', '2026-06-30']]);
  });

  it('keeps the life cycle of the models', () => {
    const sonnet = prices.models.find(({ model }) => model === 'claude-sonnet-4-5');
    assert.deepEqual([sonnet?.status, sonnet?.eol], ['deprecated', '2026-11-30']);
    const opus = prices.models.find(({ model }) => model === 'claude-opus-4-8');
    assert.deepEqual([opus?.status, opus?.retiresNotSoonerThan], ['active', '2027-05-28']);
  });
});

describe('the canonical id', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['of a model is its own', 'claude-opus-4-5', 'claude-opus-4-5'],
    ['of an alias is the model’s', 'claude-opus-4-5-20251101', 'claude-opus-4-5'],
    ['of a dated id of a known model is the model’s', 'claude-haiku-5-5-20261007', 'claude-haiku-5-5'],
    ['of a model known without a price is its own', 'claude-mythos-preview', 'claude-mythos-preview'],
    ['of the next version stays: a family stands in for nothing', 'claude-opus-5-6', 'claude-opus-5-6'],
    ['of a family stays', 'claude-opus', 'claude-opus'],
    ['of a dated id of an unknown model stays', 'claude-opus-6-20270101', 'claude-opus-6-20270101'],
    ['of an id with an impossible date stays', 'claude-opus-5-20261345', 'claude-opus-5-20261345'],
    ['of an id dated twice stays', 'claude-opus-4-5-20251101-20251101', 'claude-opus-4-5-20251101-20251101'],
    ['of a cloud’s spelling is that of the model', 'eu.anthropic.claude-opus-4-5-20251101-v1:0', 'claude-opus-4-5'],
    ['of another vendor’s id stays', 'meta.llama3-70b-instruct-v1:0', 'meta.llama3-70b-instruct-v1:0'],
    ['of an id in capitals stays', 'CLAUDE-OPUS-5', 'CLAUDE-OPUS-5'],
    ['of nothing stays', '', ''],
    ['of a property of objects stays', 'constructor', 'constructor'],
  ];
  for (const [what, id, canonical] of cases) {
    it(what, () => {
      assert.equal(prices.canonicalModel(id), canonical);
      const known = prices.knownModels.includes(canonical) && canonical !== 'claude-mythos-preview';
      assert.equal(prices.priceAt(id, dayMs('2026-11-24'))?.model ?? null, known ? canonical : null);
    });
  }
});

describe('the price in force', () => {
  const turn = dayMs('2026-10-07');
  const readUsd = (whenMs: number) => {
    const price = prices.priceAt('claude-sonnet-5-5', whenMs);
    return price && usdPerMillion(price.cards.standard.standard.cache_read);
  };

  it('changes with the first millisecond of a UTC day', () => {
    assert.deepEqual([readUsd(turn - 1), readUsd(turn)], [0.2, 0.1]);
  });

  it("is absent before the model's first price", () => {
    assert.equal(readUsd(dayMs('2026-09-28') - 1), null);
    assert.equal(readUsd(dayMs('2026-09-28')), 0.2);
  });

  it('is absent at an invalid time', () => {
    assert.equal(readUsd(Number.NaN), null);
  });

  it('of a retired model is still known: old calls keep their price', () => {
    assert.equal(inputUsd(prices, 'claude-3-opus', '2025-07-16'), 15);
  });
});

describe('a price file', () => {
  const rates = { output: 15, cacheWrite5m: 3.75, cacheWrite1h: 6, cacheRead: 0.3 };
  const today = '2026-11-24';

  it('that extends the shipped prices replaces a model it lists, and leaves the others', () => {
    const own = pricesFrom(
      { extends: 'default', models: [{ model: 'claude-opus-5', prices: [{ input: '4.25', ...rates }] }] },
      'own prices',
    );
    assert.equal(own.source, 'file');
    assert.equal(own.checkedOn, prices.checkedOn);
    assert.equal(inputUsd(own, 'claude-opus-5', today), 4.25);
    assert.equal(inputUsd(own, 'claude-opus-5-20260724', '2020-01-01'), 4.25);
    assert.equal(inputUsd(own, 'claude-haiku-4-5', today), 1);
    assert.deepEqual(own.knownModels, prices.knownModels);
  });

  it('keeps the aliases and the life cycle of a shipped model it prices', () => {
    const models = [{ model: 'claude-sonnet-4-5', aliases: ['sonnet-of-ours'], prices: [{ input: 2, ...rates }] }];
    const own = pricesFrom({ extends: 'default', models }, 'own prices');
    assert.equal(inputUsd(own, 'claude-sonnet-4-5-20250929', today), 2);
    assert.equal(inputUsd(own, 'sonnet-of-ours', today), 2);
    const listed = own.models.find(({ model }) => model === 'claude-sonnet-4-5');
    assert.deepEqual([listed?.eol, listed?.aliases], ['2026-11-30', ['claude-sonnet-4-5-20250929', 'sonnet-of-ours']]);
  });

  it('may price a dated id apart from its model', () => {
    const models = [{ model: 'claude-opus-4-5-20251101', prices: [{ input: 1, ...rates }] }];
    const own = pricesFrom({ extends: 'default', models }, 'own prices');
    assert.equal(inputUsd(own, 'claude-opus-4-5-20251101', today), 1);
    assert.equal(own.canonicalModel('claude-opus-4-5-20251101'), 'claude-opus-4-5-20251101');
    assert.equal(inputUsd(own, 'claude-opus-4-5', today), 5);
  });

  it('that extends nothing prices only what it lists', () => {
    const own = pricesFrom(
      { extends: 'none', checkedOn: '2026-11-01', models: [{ model: 'claude-x', prices: [{ input: 3, ...rates }] }] },
      'own prices',
    );
    assert.deepEqual(own.knownModels, ['claude-x']);
    assert.equal(own.checkedAtMs, dayMs('2026-11-01'));
    assert.equal(inputUsd(own, 'claude-opus-5', today), null);
    assert.equal(own.toolPriceAt('web_search', dayMs(today)), null);
  });

  it('may give prices of other clouds, whose ids are looked up as they are', () => {
    const models = [{ model: 'anthropic.claude-opus-4-5-20251101-v1:0', prices: [{ input: 5.5, ...rates }] }];
    const own = pricesFrom({ extends: 'default', models }, 'own prices');
    assert.equal(inputUsd(own, 'anthropic.claude-opus-4-5-20251101-v1:0', today), 5.5);
  });

  it('may change the price of a server tool from a day on', () => {
    const tool = {
      tool: 'web_search',
      prices: [
        { effectiveTo: '2026-12-01', usdPerThousandUses: 10 },
        { effectiveFrom: '2026-12-01', usdPerThousandUses: 7.5 },
      ],
    };
    const own = pricesFrom({ extends: 'default', serverTools: [tool] }, 'own prices');
    const perUse = (day: string) => own.toolPriceAt('web_search', dayMs(day))?.perUse.num;
    assert.deepEqual([perUse('2026-11-30'), perUse('2026-12-01')], [10_000_000n, 7_500_000n]);
    assert.equal(own.toolPriceAt('web_fetch', dayMs(today))?.perUse.num, 0n);
  });
});

it('a day is a day of the calendar, in UTC', () => {
  assert.equal(dayStartMs('2028-02-29'), Date.UTC(2028, 1, 29));
  for (const none of [
    '2026-02-29',
    '2026-13-01',
    '2026-11-00',
    '26-11-24',
    '2026-11-24T00:00:00Z',
    ' 2026-11-24',
    '',
  ]) {
    assert.equal(dayStartMs(none), null, none);
  }
});

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-prices-'));

after(() => rmSync(folder, { recursive: true }));

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('prices loaded from a file', () => {
  it('hold for the models that it lists, amounts read as they are written', () => {
    const prices = { input: '0.1', output: 0.3, cacheWrite5m: 0.125, cacheWrite1h: 0.2, cacheRead: 0.01 };
    const text = JSON.stringify({ extends: 'default', models: [{ model: 'claude-opus-5', prices: [prices] }] });
    const table = loadPrices(written('own.json', `\uFEFF${text}`));
    const { input, output } =
      table.priceAt('claude-opus-5', dayMs('2026-11-24'))?.cards.standard.standard ?? assert.fail();
    assert.deepEqual([input.num, input.den, output.num, output.den], [100n, 1n, 300n, 1n]);
    assert.deepEqual([usdPerMillion(input), usdPerMillion(output)], [0.1, 0.3]);
  });

  it('are one error that names the file where it cannot be read', () => {
    const path = join(folder, 'none.json');
    assert.throws(() => loadPrices(path), {
      code: 'PLIMSOLL_PRICES_INVALID',
      message: `${path}: expected to read the file, got no such file: check the path`,
    });
  });

  it('are one error that says so where no path is given', () => {
    assert.throws(() => loadPrices(undefined as never), {
      message: /expected to read the file, got no path: name a file$/,
    });
  });

  it('are one error that does not quote a file which is not JSON', () => {
    const path = written('secrets.env', 'ANTHROPIC_API_KEY=sk-ant-api03-secret');
    assert.throws(() => loadPrices(path), {
      code: 'PLIMSOLL_PRICES_INVALID',
      message: `${path}: expected JSON, got a text that cannot be parsed`,
    });
  });

  it('are one error that lists every problem with its place', () => {
    const path = written('bad.json', '{"extends":"none","models":[{"model":"","prices":[{"input":-1}]}]}');
    assert.throws(() => loadPrices(path), /6 problems:\n- .*bad\.json: models\[0\]\.model: expected a text, got ""\n/);
  });
});
