import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type Anthropic from '@anthropic-ai/sdk';
import { sqliteLedger } from 'plimsoll/budget';
import { api, balanceIn, BUDGET, gatewayPlace, PARAMS, sdk } from '../../../testing/gateway/processes.ts';

const LINES = [
  `budgets: [${JSON.stringify(BUDGET)}]`,
  'ledger: { sqlite: ledger.db }',
  'tokens: { sqlite: tokens.db }',
  'limits: { drainSeconds: 20 }',
];
const WORKERS = 6;
const CALLS = 60;
/** Long enough that calls are under way whenever the gateway ends, and no longer. */
const LATENCY = { firstByteMs: { kind: 'constant', value: 40 } } as const;
/** Through a restart, however long it takes on a busy machine. */
const PATIENT = { maxRetries: 30 } as const;

interface Load {
  /** Resolves when so many calls have succeeded. */
  reached(calls: number): Promise<void>;
  /** Resolves when all calls have ended: how many succeeded, and with what the others failed. */
  readonly ended: Promise<{ readonly succeeded: number; readonly failures: readonly unknown[] }>;
}

/** Calls in a row by several workers, every other one a stream. */
function load(claude: Anthropic): Load {
  const failures: unknown[] = [];
  let started = 0;
  let succeeded = 0;
  let tell = (): void => undefined;
  const worker = async (): Promise<void> => {
    while (started++ < CALLS) {
      const call = started % 2 === 0 ? claude.messages.create(PARAMS) : claude.messages.stream(PARAMS).finalMessage();
      await call.then(
        () => (succeeded += 1),
        (error: unknown) => failures.push(error),
      );
      tell();
    }
  };
  const ended = Promise.all(Array.from({ length: WORKERS }, worker)).then(() => ({ succeeded, failures }));
  return {
    ended,
    async reached(calls) {
      while (succeeded < calls) await new Promise<void>((resolve) => (tell = resolve));
    },
  };
}

test('a gateway that is restarted under load finishes open requests, and loses no call and no nano-dollar', async (t) => {
  const server = await api(t, { scenario: { latency: LATENCY } });
  const place = await gatewayPlace(t, server, { lines: LINES });
  const token = await place.token();
  const first = await place.start();
  const calls = load(sdk(first, token, PATIENT));
  await calls.reached(CALLS / 3);
  assert.equal(await first.stop('SIGTERM'), 0);
  const second = await place.start(first.port);
  const { succeeded, failures } = await calls.ended;
  assert.deepEqual(failures, []);
  assert.equal(succeeded, CALLS);
  assert.equal(await second.stop('SIGTERM'), 0);
  const unread = server.sim.truth.requests.filter(({ delivery }) => delivery !== 'complete');
  assert.deepEqual(unread, []);
  const ledger = sqliteLedger(join(place.folder, 'ledger.db'));
  assert.deepEqual(await balanceIn(ledger), { spent: server.billed(), reserved: 0n });
  assert.ok(!place.said().includes(server.key));
});

test('a gateway that is killed under load has lost nothing that was settled, and clients that try again succeed', async (t) => {
  const server = await api(t, { scenario: { latency: LATENCY } });
  const place = await gatewayPlace(t, server, { lines: LINES });
  const token = await place.token();
  const first = await place.start();
  const calls = load(sdk(first, token, PATIENT));
  await calls.reached(CALLS / 3);
  const billedBefore = server.billed();
  await first.stop('SIGKILL');
  const spentByFirst = (await balanceIn(sqliteLedger(join(place.folder, 'ledger.db')))).spent;
  const second = await place.start(first.port);
  const { succeeded, failures } = await calls.ended;
  // A stream that has begun is not sent again by the SDK: those that were under way are broken, and say so.
  assert.ok(failures.length <= WORKERS, failures.map(String).join('\n'));
  assert.equal(succeeded + failures.length, CALLS);
  assert.equal(await second.stop('SIGTERM'), 0);

  // Of each worker, the call under way and the one before it may not have been settled when the end came.
  const dearest = server.sim.truth.requests
    .map(({ billed }) => BigInt(billed.reduce((sum, { nanoUsd }) => sum + sumOf(nanoUsd ?? {}), 0)))
    .reduce((most, nanoUsd) => (nanoUsd > most ? nanoUsd : most), 0n);
  const unsettled = 2n * BigInt(WORKERS) * dearest;
  assert.ok(spentByFirst >= billedBefore - unsettled, `${spentByFirst} of ${billedBefore}`);
  const { spent } = await balanceIn(sqliteLedger(join(place.folder, 'ledger.db')));
  assert.ok(spent >= server.billed() - unsettled, `${spent} of ${server.billed()}`);
  assert.ok(spent <= server.billed());
});

function sumOf(parts: object): number {
  return Object.values(parts).reduce((sum: number, value) => sum + (typeof value === 'number' ? value : 0), 0);
}
