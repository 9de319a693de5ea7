import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { flush } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import { serve } from 'plimsoll/http';
import { dailyTotals } from 'plimsoll/organization';
import { redisLedger } from 'plimsoll/redis';
import { simulator } from 'plimsoll/simulator';
import { otlpReceiver } from '../../testing/otlp-receiver.ts';
import { redis, redisServer, type RedisServer } from '../../testing/redis-server.ts';
import { BARE_ENV } from '../../testing/bare-env.ts';

const sumOf = (amounts: readonly number[]): number => amounts.reduce((sum, amount) => sum + amount, 0);

const NEVER_MS = '3600000';

/** Tells whether a process is stopped, as `ps` has it. */
function isStopped(pid = 0): boolean {
  return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T');
}

/** A function, what it sends to, and what is there of its calls. */
async function deployed(t: TestContext, server: RedisServer, mode: string) {
  const sim = simulator();
  const api = await serve(sim.handle, { port: 0 });
  const receiver = await otlpReceiver();
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-function-'));
  const file = join(folder, 'totals.db');
  const args = [
    '--conditions=plimsoll-source',
    join(import.meta.dirname, 'function.ts'),
    api.url,
    server.url,
    file,
    mode,
  ];
  const env = {
    ...BARE_ENV,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_METRIC_EXPORT_INTERVAL: NEVER_MS,
    OTEL_BSP_SCHEDULE_DELAY: NEVER_MS,
  };
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit'); // it may end by itself, where it cannot even start
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
    await api.close(0);
    await receiver.close();
    rmSync(folder, { recursive: true });
  });
  return {
    sim,
    receiver,
    /** Thaws it, and resolves with its answer when it is frozen again. */
    async asked(): Promise<unknown> {
      child.kill('SIGCONT');
      child.stdin.write('When is high water?\n');
      const line = await lines.next();
      // It answers before it stops: to thaw it in between would leave it frozen for good.
      while (!isStopped(child.pid)) await nextTurn();
      return JSON.parse(String(line.value));
    },
    async stored() {
      const totals = dailyTotals({ store: file });
      const { rows } = await totals.read('2000-01-01', '2100-01-01');
      await totals.close();
      const limits = budgets({
        definitions: [{ name: 'all', period: 'day', usd: 5 }],
        ledger: redisLedger(server.url),
      });
      const {
        budgets: [status],
      } = await limits.refresh();
      await limits.close();
      return { rows, balance: status?.balance };
    },
  };
}

describe('flush() in a function', { skip: redis.skip }, () => {
  let server: RedisServer;
  before(async () => void (server = await redisServer()));
  after(() => server.end());

  it('sends all that a function counted before its platform freezes it, each time', async (t) => {
    const { asked, receiver, sim, stored } = await deployed(t, server, 'flush');
    for (const calls of [1, 2]) {
      assert.equal(await asked(), true);
      const requests = receiver.points.filter(({ name }) => name === 'anthropic_requests_total');
      assert.equal(Math.max(...requests.map(({ value }) => value)), calls);
      assert.equal(receiver.spans.filter(({ name }) => name === 'anthropic.messages.create').length, calls);
      const billed = sim.truth.requests.flatMap((request) => request.billed);
      const nanoUsd = sumOf(billed.flatMap((part) => Object.values<number>({ ...part.nanoUsd })));
      const { rows, balance } = await stored();
      assert.equal(balance?.spentNanoUsd, BigInt(nanoUsd));
      assert.equal(balance.reservedNanoUsd, 0n);
      assert.equal(sumOf(rows.map(({ counts }) => counts.output)), sumOf(billed.map(({ tokens }) => tokens.output)));
    }
  });

  it('is what sends it: without, a frozen function has sent nothing', async (t) => {
    const { asked, receiver, stored } = await deployed(t, server, '');
    assert.equal(await asked(), false);
    assert.deepEqual(receiver.exports, []);
    assert.deepEqual((await stored()).rows, []);
  });
});

describe('flush()', () => {
  it('says that something was not taken, warns of it once, and flushes the rest', async (t) => {
    const warned = t.mock.method(process, 'emitWarning', () => undefined);
    let flushed = 0;
    const part = (flushing: () => Promise<unknown>) => ({ flush: () => (flushed++, flushing()) });
    const taken = part(() => Promise.resolve());
    assert.equal(
      await flush(
        part(() => Promise.reject(new Error('down'))),
        taken,
      ),
      false,
    );
    assert.equal(
      await flush(
        part(() => Promise.resolve(false)),
        taken,
      ),
      false,
    );
    assert.equal(await flush(taken, taken), true);
    assert.equal(flushed, 6);
    assert.equal(warned.mock.callCount(), 1);
  });

  it('keeps an answer waiting for 2 s at most, whatever does not respond', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const stuck = { flush: () => new Promise(() => undefined) };
    const flushing = flush(stuck, { flush: () => Promise.resolve() });
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(2_000);
    assert.equal(await flushing, false);
  });
});
