import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { readOrganization, type OrganizationReport, type OrganizationView } from 'plimsoll/organization';
import { organizationView } from '../../src/organization/view.ts';
import { ADMIN_KEY } from '../../testing/organization/books-bench.ts';
import { WatchBench } from '../../testing/organization/watch-bench.ts';

let report: OrganizationReport;
let view: OrganizationView;
before(async () => {
  const { books } = new WatchBench();
  books.at(0, 12);
  const usage = { input_tokens: 1_000_000, output_tokens: 0 };
  await books.ask({ key: 'foreign', model: 'claude-haiku-4-5', usage });
  books.at(8, 6);
  report = await readOrganization({
    adminKey: () => ADMIN_KEY,
    fetch: books.sim.fetch,
    maxRetries: 0,
    now: () => books.clock.now(),
  });
  view = organizationView(report);
});

test('a view is the same after it was stored', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(view)), view);
});

test('a key that nobody watches has its name in the organization', () => {
  assert.deepEqual(
    view.windows.month.lines.map(({ key, model, listedUsd, billedUsd }) => ({ key, model, listedUsd, billedUsd })),
    [{ key: 'foreign', model: 'claude-haiku-4-5', listedUsd: 1, billedUsd: 0.9 }],
  );
});

test('a key is idle since its last day with use, else since the first day that was read', () => {
  const idle = Object.fromEntries(view.keys.map(({ key, idleSinceMs }) => [key, new Date(idleSinceMs).toISOString()]));
  assert.equal(idle['foreign'], '2026-10-21T00:00:00.000Z');
  assert.equal(idle['prod-shop-api'], `${report.fromDay}T00:00:00.000Z`);
});

test('nothing is compared without daily totals', () => {
  for (const { isCompared } of Object.values(view.windows)) assert.equal(isCompared, false);
});
