/**
 * Lives the day of a team in a minute: three clients with forty owners, two keys with small limits, two replicas of the
 * gateway on one Redis behind Caddy. The configuration is changed, a key is revoked by the provider, a replica is killed,
 * Redis is away, and both replicas are updated. Prints what was lost, and compares the usage of every owner with what the
 * simulated API charges, to the nano-dollar. Needs `redis-server` and `caddy`.
 *
 *     node --conditions=plimsoll-source scripts/team-day/main.ts               a day
 *     node --conditions=plimsoll-source scripts/team-day/main.ts --no-kill     one in which no replica is killed
 */
import { EVENTS, live } from './day.ts';

const closers: (() => Promise<void> | void)[] = [];
const startMs = performance.now();
const onEvent = (what: string): void => console.log(`${((performance.now() - startMs) / 1000).toFixed(0)} s: ${what}`);
const kills = !process.argv.includes('--no-kill');
try {
  const all = Object.keys(EVENTS) as (keyof typeof EVENTS)[];
  const events = all.filter((what) => kills || what !== 'a replica is killed');
  const shape = { owners: 40, pauseMs: 4_000, redisAwayMs: 5_000, events, onEvent };
  const day = await live({ after: (close) => void closers.unshift(close) }, shape);
  const { worked, byOwner, statuses, inHandNanoUsd } = day;
  console.log(`${worked.tasks} tasks, ${worked.lost.length} lost, ${worked.brokenStreams} streams broken`);
  console.log(`${day.requests} requests to the API: ${JSON.stringify(statuses)}`);
  const different = [...byOwner].filter(([, { counted, charged }]) => counted !== charged);
  const [counted, charged] = [...byOwner.values()].reduce(
    ([sum, more], each) => [sum + each.counted, more + each.charged],
    [0n, 0n],
  );
  console.log(
    `${byOwner.size} owners: counted ${counted}, charged ${charged} nano-dollars, ${different.length} differ`,
  );
  for (const [owner, each] of different) console.log(`  ${owner}: ${each.counted} of ${each.charged}`);
  if (kills) console.log(`of which the killed replica had ${inHandNanoUsd} nano-dollars in hand`);
  console.log(day.printed);
  for (const why of new Set(worked.lost)) console.log(`  ${why}`);
  const missing = charged > counted ? charged - counted : counted - charged;
  if (worked.lost.length > 0 || missing > (kills ? inHandNanoUsd : 0n)) process.exitCode = 1;
  if (!kills && (worked.brokenStreams > 0 || different.length > 0)) process.exitCode = 1;
} finally {
  for (const close of closers) await close();
}
