import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { simulated } from '../../testing/adopting.ts';
import { ran } from '../../testing/examples/programs.ts';
import { otlpReceiver } from '../../testing/otlp-receiver.ts';
import { redisServer } from '../../testing/redis-server.ts';
import type { Bench, Product } from './product.ts';

const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as {
  readonly peerDependencies: Readonly<Record<string, string>>;
};

/** Each peer in the lowest version of its range. */
const PEERS = Object.entries(manifest.peerDependencies).map(
  ([name, range]) => `${name}@${/\d+\.\d+\.\d+/.exec(range)?.[0] ?? range}`,
);

/** Uses every peer: the SDK, Express, a budget in YAML and in Redis, spans and metrics over OTLP. */
const PROGRAM = `
import { once } from 'node:events';
import Anthropic from '@anthropic-ai/sdk';
import express from 'express';
import { flush, instrument } from 'plimsoll';
import { budgetsFromFile } from 'plimsoll/budget';
import { metrics } from 'plimsoll/express';
import { startTelemetry } from 'plimsoll/otel';
import { redisLedger } from 'plimsoll/redis';

const telemetry = await startTelemetry({ serviceName: 'lowest', metrics: 'prometheus-names' });
const budgets = budgetsFromFile('budgets.yaml', { ledger: redisLedger(process.env.REDIS) });
const claude = instrument(new Anthropic(), { budgets });
const messages = [{ role: 'user', content: 'When is high water?' }];
await claude.messages.create({ model: 'claude-haiku-4-5', max_tokens: 64, messages });
const server = express().use('/metrics', metrics()).listen(0, '127.0.0.1');
await once(server, 'listening');
const page = await (await fetch(\`http://127.0.0.1:\${server.address().port}/metrics\`)).text();
const [{ balance }] = (await budgets.refresh()).budgets;
const isTaken = await flush(telemetry, budgets);
console.log(JSON.stringify({ page, spentNanoUsd: String(balance.spentNanoUsd), isTaken }));
await budgets.close();
await telemetry.shutdown();
server.close();
server.closeAllConnections();
`;

interface Said {
  readonly page: string;
  readonly spentNanoUsd: string;
  readonly isTaken: boolean;
}

async function prove({ folder, after }: Bench): Promise<string> {
  writeFileSync(join(folder, 'lowest.mjs'), PROGRAM);
  writeFileSync(join(folder, 'budgets.yaml'), 'budgets:\n  - name: all\n    period: day\n    usd: 5\n');
  const [api, receiver, redis] = [await simulated({ after }, folder), await otlpReceiver(), await redisServer()];
  after(async () => void (await Promise.all([receiver.close(), redis.end()])));
  const env = {
    ...{ ANTHROPIC_BASE_URL: api.url, ANTHROPIC_API_KEY: 'test', REDIS: redis.url },
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
  };
  const { code, out, err } = await ran(process.execPath, ['lowest.mjs'], { cwd: folder, env });
  assert.equal(code, 0, err);
  const { page, spentNanoUsd, isTaken } = JSON.parse(out) as Said;
  const { billedUsd } = await api.account();
  assert.equal(Number(spentNanoUsd), Math.round(Number(billedUsd) * 1e9));
  assert.match(page, /^anthropic_requests_total\{.*outcome="ok".*\} 1$/m);
  assert.ok(isTaken);
  assert.equal(receiver.points.find(({ name }) => name === 'anthropic_requests_total')?.value, 1);
  assert.deepEqual(receiver.spans.map(({ name }) => name).sort(), ['anthropic.attempt', 'chat claude-haiku-4-5']);
  return 'metrics, spans and budgets have what the API bills';
}

export const LOWEST_PEERS: Product = { name: 'Lowest peers', kind: 'peers', packages: ['plimsoll', ...PEERS], prove };
