/**
 * A gateway whose ledger is on a small disk of its own, which is filled and emptied again: run by a test, in a process that has
 * mounted it. Prints what the gateway told, what it answered, and what `/readyz` said, as one line of JSON.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import type { GatewayOptions } from 'plimsoll/gateway';
import { PARAMS } from '../client-workbench.ts';
import { gatewayBench } from './workbench.ts';

type Fault = Parameters<NonNullable<GatewayOptions['onFault']>>[0];

const [folder = ''] = process.argv.slice(2);
const faults: Fault[] = [];
const definitions = [{ name: 'all', period: 'month', usd: 100, mode: 'block' } as const];
const kept = budgets({ definitions, ledger: sqliteLedger(join(folder, 'ledger.db')) });
const limits = { unreadyAfter: { apiMs: 0, ledgerMs: 1 } };
const bench = await gatewayBench({ gateway: { budgets: kept, limits, onFault: (fault) => faults.push(fault) } });
const claude = bench.claude({ maxRetries: 0 });

const statuses = new Set<unknown>();
const call = async (): Promise<void> => {
  const answered = claude.messages.create(PARAMS).then(
    () => 200,
    (error: unknown) => (error as { readonly status?: unknown }).status,
  );
  statuses.add(await answered);
};
const ready = async (): Promise<readonly [number, string]> => {
  const response = await fetch(`${bench.url}/readyz`);
  return [response.status, (await response.text()).replaceAll(/\d+ s/g, 'N s')];
};

await call();
const before = await ready();
const filler = join(folder, 'filler');
for (let bytes = 1 << 16; bytes >= 1; bytes >>= 1) fill(bytes);
// What is settled may fail first: the call that it belongs to was answered.
while (faults.length === 0 || !statuses.has(529)) await call();
await sleep(5); // longer than the ledger may fail
const during = await ready();
rmSync(filler);
while (faults.at(-1)?.cause !== null) {
  await call();
  await sleep(5);
}
await call();
const told = faults.map(({ part, cause, message }) => ({ part, cause, message }));
process.stdout.write(`${JSON.stringify({ before, told, during, after: await ready(), statuses: [...statuses] })}\n`);
await bench.close();
await kept.close();

function fill(bytes: number): void {
  for (;;) {
    try {
      writeFileSync(filler, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      return; // it is full, for pieces of this size
    }
  }
}
