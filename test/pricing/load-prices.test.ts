import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadPrices } from '../../src/pricing/load-prices.ts';
import { usdPerMillion } from '../../src/pricing/rate.ts';
import { dayMs } from './usages.ts';

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
    const { input, output } = table.priceAt('claude-opus-5', dayMs('2026-11-24'))?.base.standard ?? assert.fail();
    assert.deepEqual([input.num, input.den, output.num, output.den], [100n, 1n, 300n, 1n]);
    assert.deepEqual([usdPerMillion(input), usdPerMillion(output)], [0.1, 0.3]);
  });

  it('are one error that names the file where it cannot be read', () => {
    const path = join(folder, 'none.json');
    assert.throws(() => loadPrices(path), {
      code: 'PLIMSOLL_PRICES_INVALID',
      message: `${path}: the file: expected to read it, got no such file: check the path`,
    });
  });

  it('are one error that does not quote a file which is not JSON', () => {
    const path = written('secrets.env', 'ANTHROPIC_API_KEY=sk-ant-api03-secret');
    assert.throws(() => loadPrices(path), {
      code: 'PLIMSOLL_PRICES_INVALID',
      message: `${path}: the file: expected JSON, got a text that is not`,
    });
  });

  it('are one error that lists every problem with its place', () => {
    const path = written('bad.json', '{"extends":"none","models":[{"model":"","prices":[{"input":-1}]}]}');
    assert.throws(() => loadPrices(path), /6 problems:\n- .*bad\.json: models\[0\]\.model: expected a text, got ""\n/);
  });
});
