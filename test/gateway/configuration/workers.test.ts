import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sentenceOf } from 'plimsoll';
import { configurationInFile } from '../../../src/gateway/configuration/file.ts';
import { workerProblems } from '../../../src/gateway/configuration/workers.ts';
import { plantedSecret } from '../../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-workers-'));
after(() => rmSync(folder, { recursive: true }));

function problems(content: object): readonly string[] {
  const path = join(folder, 'gateway.json');
  const keys = { 'prod-api-key': { env: 'KEY' } };
  writeFileSync(path, JSON.stringify({ keys, clients: { checkout: {} }, ...content }));
  return workerProblems(configurationInFile(path, { KEY: plantedSecret(0) })).map(sentenceOf);
}

test('what each worker would keep for itself is refused for several, all at once, and nothing for one', () => {
  const content = {
    tokens: { sqlite: ':memory:' },
    clients: { a: { pace: 'batch' }, b: { requestsAtOnce: 2 } },
  };
  assert.deepEqual(problems({ ...content, workers: 2 }), [
    'tokens: expected a file that workers share, got several workers, each with its own: name a file, or set workers to 1',
    'clients.a.pace: expected a ledger that workers share, got several workers, each with its own: set ledger to an SQLite ' +
      'file or a Redis, or workers to 1',
    'clients.b.requestsAtOnce: expected parallelRequests, which workers share, got several workers, each with its own: use ' +
      'parallelRequests, or set workers to 1',
  ]);
  assert.deepEqual(problems(content), []);
  assert.deepEqual(problems({ ...content, workers: 1 }), []);
});

test('a ledger in memory is none that workers share, unless the supervising process keeps it', () => {
  assert.match(problems({ workers: 2, ledger: { sqlite: ':memory:' } }).join(), /^ledger: expected a file/);
  const budgets = [{ name: 'all', period: 'day', usd: 1, mode: 'block' }];
  assert.deepEqual(problems({ workers: 2, budgets }), []);
  assert.deepEqual(problems({ workers: 2, ledger: { sqlite: 'l.db' }, clients: { a: { pace: 'batch' } } }), []);
});

test('workers are from 1 to 256', () => {
  for (const workers of [0, 257, 1.5, 'two'])
    assert.throws(() => problems({ workers }), /workers: expected a whole number from 1 to 256/);
});
