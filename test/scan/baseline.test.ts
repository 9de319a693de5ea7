import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { baselineText, parseBaseline } from '../../src/scan/baseline.ts';
import { sarif } from '../../src/scan/sarif.ts';
import { Scan } from '../../src/scan/scan.ts';
import { plantedSecret } from '../../testing/planted.ts';

function findings(files: Readonly<Record<string, string>>) {
  const scan = new Scan();
  for (const [name, text] of Object.entries(files)) scan.add({ name, bytes: Buffer.from(text) });
  return scan.result.findings;
}

describe('a baseline', () => {
  it('knows a secret again wherever it has moved, and no other', () => {
    const known = parseBaseline(baselineText(findings({ 'old.ts': plantedSecret(0) })));
    assert.ok(known !== null);
    const later = findings({ 'new/place.ts': `\n\n${plantedSecret(0)}`, 'other.ts': plantedSecret(1) });
    const unknown = later.filter(({ fingerprint }) => !known.has(fingerprint));
    assert.deepEqual(
      unknown.map(({ path }) => path),
      ['other.ts'],
    );
  });

  it('holds each secret once, with nothing of it', () => {
    const secret = plantedSecret(0);
    const text = baselineText(findings({ a: secret, b: secret }));
    assert.equal((JSON.parse(text) as { known: unknown[] }).known.length, 1);
    assert.doesNotMatch(text, /sk-ant/);
  });

  it('keeps what it knew before, where it was first seen', () => {
    const before = parseBaseline(baselineText(findings({ 'old.ts': plantedSecret(0), 'gone.ts': plantedSecret(1) })));
    assert.ok(before !== null);
    const text = baselineText(findings({ 'new.ts': plantedSecret(0), 'other.ts': plantedSecret(2) }), before);
    const { known } = JSON.parse(text) as { known: { path: string }[] };
    assert.deepEqual(known.map(({ path }) => path).sort(), ['gone.ts', 'old.ts', 'other.ts']);
  });

  for (const text of ['', 'null', '{}', '{"known":[1]}', '{"known":[{}]}', '{"known":[null]}'])
    it(`is not what says ${JSON.stringify(text)}`, () => assert.equal(parseBaseline(text), null));
});

describe('a SARIF report', () => {
  it('has a rule for each kind, a place for each finding, and nothing secret', () => {
    const found = findings({ 'src/a b.ts': `k = ${plantedSecret(0)}`, 'c.env': plantedSecret(1) });
    const text = sarif(found, '1.2.3');
    const { version, runs } = JSON.parse(text) as {
      version: string;
      runs: { tool: { driver: { rules: { id: string }[] } }; results: Record<string, unknown>[] }[];
    };
    assert.equal(version, '2.1.0');
    const [run] = runs;
    assert.deepEqual(
      run?.tool.driver.rules.map(({ id }) => id),
      ['anthropic-secret/admin-key', 'anthropic-secret/api-key'],
    );
    assert.deepEqual(run?.results[0]?.['locations'], [
      {
        physicalLocation: {
          artifactLocation: { uri: 'src/a%20b.ts' },
          region: { startLine: 1, startColumn: 5 },
        },
      },
    ]);
    for (const n of [0, 1]) assert.ok(!text.includes(plantedSecret(n).slice(-20)));
  });
});
