/**
 * Loaded before a command of the guide that reads the organization: it is `GUIDE_NOW`, the Claude API is a simulated one
 * with an Admin API, and this month's days until now have been lived there. What the service recorded of them stands in
 * `totals.db`, and the admin key in `admin-key`.
 */
import { rmSync, writeFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { dailyTotals } from 'plimsoll/organization';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';

const DAY_MS = 86_400_000;
const endMs = Date.parse(process.env['GUIDE_NOW'] ?? '');
const firstMs = Date.parse(`${new Date(endMs).toISOString().slice(0, 7)}-01T12:00:00Z`);
let nowMs = firstMs;
Date.now = () => nowMs;

const keyOf = (name: string, id: string) => ({ name, id, key: ['sk-ant-api03', name, 'simulated'].join('-') });
const HARBOR = keyOf('prod-harbor-api', 'apikey_01Harbor');
const REPORTS = keyOf('prod-berth-reports', 'apikey_01Reports');

const api = simulator({
  ...{ tier: 'custom', keys: [HARBOR, REPORTS], keepRequests: 0, organization: { discountPercent: '5' } },
  clock: { now: () => nowMs, sleep: async (ms) => void (nowMs += ms) },
  respond: ({ body }) => ({
    usage: { input_tokens: 600_000, output_tokens: body.model.includes('opus') ? 30_000 : 90_000 },
  }),
});
globalThis.fetch = api.fetch;
writeFileSync('admin-key', ['sk-ant-admin01', 'simulated'].join('-'));

const clientWith = ({ key }: typeof HARBOR): Anthropic => new Anthropic({ apiKey: key, authToken: null });
const asked = async (claude: Anthropic, model: string): Promise<unknown> =>
  claude.messages.create(
    { model, max_tokens: 100_000, messages: [{ role: 'user', content: 'Which berth is free?' }] },
    { timeout: 60_000 },
  );

rmSync('totals.db', { force: true });
const clock = { epochMs: () => nowMs, monotonicMs: () => nowMs };
const totals = dailyTotals({ store: 'totals.db', clock });
const options = { key: HARBOR.name, clock, registry: new Registry(), recorders: [totals.recorder] };
const harbor = instrument(clientWith(HARBOR), options);
for (let atMs = firstMs, day = 1; atMs < endMs; atMs += DAY_MS, day += 1) {
  nowMs = atMs;
  await asked(harbor, 'claude-haiku-4-5');
  await asked(harbor, 'claude-opus-5-5');
  if (day % 7 === 0) await asked(clientWith(REPORTS), 'claude-sonnet-5-5');
  // Somebody tries something at home, with the key of the service.
  if (day === 18 || day === 19) await asked(clientWith(HARBOR), 'claude-opus-5-5');
}
nowMs = endMs;
await totals.close();
