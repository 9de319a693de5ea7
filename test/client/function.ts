/**
 * A function of a serverless platform: answers a call for each line of its input, and is then frozen, as Lambda does it, before
 * anything else of it runs. `argv[2]`: the API; `argv[3]`: the Redis of its ledger; `argv[4]`: the file of its totals; `argv[5]`:
 * `flush`, or nothing.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import Anthropic from '@anthropic-ai/sdk';
import { flush, instrument } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import { dailyTotals } from 'plimsoll/organization';
import { startTelemetry } from 'plimsoll/otel';
import { redisLedger } from 'plimsoll/redis';

const [, , baseURL = '', redis = '', file = '', mode] = process.argv;

const telemetry = await startTelemetry({ serviceName: 'function', metrics: 'prometheus-names' });
const totals = dailyTotals({ store: file, everyMs: 3_600_000 });
const limits = budgets({ definitions: [{ name: 'all', period: 'day', usd: 5 }], ledger: redisLedger(redis) });
const client = new Anthropic({ baseURL, apiKey: 'test', logLevel: 'off' });
const claude = instrument(client, { budgets: limits, recorders: [totals.recorder] });

for await (const question of createInterface(process.stdin)) {
  await claude.messages.create({
    model: 'claude-haiku-4-5',
    max_tokens: 64,
    messages: [{ role: 'user', content: question }],
  });
  const isTaken = mode === 'flush' && (await flush(telemetry, limits, totals));
  writeSync(1, `${isTaken}\n`);
  process.kill(process.pid, 'SIGSTOP');
}
