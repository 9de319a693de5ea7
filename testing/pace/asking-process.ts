/** Asks a file of SQLite for more than the burst allows, at one moment, and says how many calls may go. */
import { sqlitePace, type Asked } from 'plimsoll/pace';

const store = sqlitePace(process.argv[2] ?? '', { lockWaitMs: 60_000 });
const asked: Asked = {
  lane: 'interactive',
  amounts: [1, 1, 1],
  maxTokens: 1,
  ageMs: 0,
  isFirst: true,
  leeway: 1,
  limits: [60, 60_000, 60_000],
  share: 1,
  nowMs: Date.UTC(2026, 10, 2, 9),
};
let went = 0;
for (let call = 0; call < 40; call += 1) {
  if ((await store.ask('a class', [asked]))[0]?.kind === 'go') went += 1;
}
await store.close();
process.send?.(went);
process.disconnect();
