import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { main } from '../../src/cli/main.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { ADMIN_KEY } from '../../testing/organization/books-bench.ts';
import { plantedSecret } from '../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-gateway-books-'));
after(() => rmSync(folder, { recursive: true }));

/** Far longer than anything here takes. */
const DEADLINE_MS = 120_000;

async function until<T>(what: string, look: () => Promise<T | null> | T | null): Promise<T> {
  for (const endMs = Date.now() + DEADLINE_MS; Date.now() < endMs;) {
    const found = await look();
    if (found !== null) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never ${what}`);
}

/** A gateway in this process, until the end of the test. */
async function gateway(t: TestContext, config: string) {
  const stop = new AbortController();
  const kept = keptIo({ env: { REAL_KEY: plantedSecret(0), ADMIN_KEY } });
  const args = ['gateway', '--config', config, '--port', '0', '--metrics-port', '0', '--json'];
  const ended = main(args, { ...kept.io, signal: stop.signal });
  t.after(async () => {
    stop.abort();
    await ended;
  });
  const greeting = await until('started', () => kept.out[0] ?? null);
  const { metricsUrl } = JSON.parse(greeting) as { readonly metricsUrl: string };
  const page = (line: RegExp): Promise<string> =>
    until(`had ${line.source}`, async () => {
      const text = await (await fetch(metricsUrl)).text();
      return line.test(text) ? text : null;
    });
  return { ...kept, page };
}

/** The configuration of a gateway in front of a simulated API, which has an Admin API of that kind. */
async function configured(t: TestContext, kind: 'console' | 'none'): Promise<string> {
  const sim = simulator({
    keys: [{ name: 'real', key: plantedSecret(0) }],
    organization: { kind, adminKeys: [ADMIN_KEY], spendLimits: true },
  });
  const api = await serve(sim.handle, { port: 0 });
  t.after(() => api.close(0));
  const config = join(folder, `${kind}.json`);
  const content = {
    baseUrl: api.url,
    keys: { 'prod-api-key': { env: 'REAL_KEY' } },
    clients: { checkout: {} },
    tokens: { sqlite: `${kind}-tokens.db` },
    ledger: { sqlite: `${kind}-ledger.db` },
    organization: { adminKey: { env: 'ADMIN_KEY' }, baseUrl: api.url },
  };
  writeFileSync(config, JSON.stringify(content));
  return config;
}

test("a gateway shows the organization's books on its metrics page, and of two replicas one reads them", async (t) => {
  const config = await configured(t, 'console');
  const one = await gateway(t, config);
  const page = await one.page(/^anthropic_bill_polls_total\{.*outcome="ok"\} 1$/m);
  assert.match(page, /^anthropic_tier_info\{.*tier="Scale".*source="organization"\} 1$/m);
  assert.match(page, /^anthropic_tier_monthly_cap_usd\{organization="default"\} 200000$/m);
  const two = await gateway(t, config);
  const shared = await two.page(/^anthropic_bill_read_timestamp_seconds\{/m);
  assert.match(shared, /^anthropic_bill_polls_total\{.*outcome="ok"\} 0$/m);
  assert.match(shared, /^anthropic_tier_info\{.*source="organization"\} 1$/m);
  for (const text of [page, shared, ...one.err, ...two.err]) assert.ok(!text.includes(ADMIN_KEY));
});

test('a gateway says once that the organization cannot be read, and serves', async (t) => {
  const { page, err } = await gateway(t, await configured(t, 'none'));
  await page(/^anthropic_bill_polls_total\{.*outcome="forbidden"\} 1$/m);
  assert.equal(err.length, 1);
  const { event, message } = JSON.parse(err[0] ?? '') as Readonly<Record<string, string>>;
  assert.equal(event, 'organization');
  assert.match(message ?? '', /an individual account has none/);
});
