import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { sentenceOf, type Problem } from '../../../src/errors.ts';
import { declaration, declaredTokensOf } from '../../../src/gateway/configuration/declared.ts';
import { Reader } from '../../../src/gateway/configuration/reader.ts';
import { aRecord, NOW_MS } from '../../../testing/gateway/token-records.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-declared-file-'));
after(() => rmSync(folder, { recursive: true }));

function read(content: unknown) {
  writeFileSync(join(folder, 'tokens.json'), JSON.stringify(content));
  const problems: Problem[] = [];
  const reader = new Reader({ declaredTokens: 'tokens.json' }, '', problems);
  const tokens = declaredTokensOf(reader, { env: {}, folder });
  return { tokens, problems: problems.map(sentenceOf) };
}

test('tokens are read from a file as they were written to it, to the last nano-dollar', () => {
  const plain = aRecord({ note: 'of May' });
  const owned = aRecord({
    id: 'token0000003',
    expiresAtMs: NOW_MS + 1,
    member: {
      ...{ owner: 'Ädä L.', models: ['claude-haiku-5-5'], budget: { nanoUsd: 50_000_000_001n, period: 'month' } },
      ...{ requestsPerMinute: 60, inputTokensPerMinute: null, outputTokensPerMinute: 8_000, parallelRequests: 2 },
    },
  });
  const { tokens, problems } = read({ tokens: [plain, owned].map(declaration) });
  assert.deepEqual(problems, []);
  assert.deepEqual([...tokens.values()], [plain, owned]);
});

test('what is wrong in the file is said with its place, and never a hash', () => {
  const hash = 'ab'.repeat(32);
  const { problems } = read({
    tokens: [{ id: 'x', hash: `${hash}0`, client: 'shop', owner: 'a/b', rpm: 1 }, { hash }],
  });
  assert.equal(problems.filter((problem) => problem.includes(hash)).length, 0, problems.join('\n'));
  for (const place of [
    'tokens[0].id',
    'tokens[0].hash',
    'tokens[0].owner',
    'tokens[0].rpm',
    'tokens[1].id',
    'tokens[1].client',
  ])
    assert.ok(
      problems.some((problem) => problem.includes(place)),
      `${place}\n${problems.join('\n')}`,
    );
  assert.match(read([]).problems[0] ?? '', /^declaredTokens: expected a file with tokens, got another/);
});
