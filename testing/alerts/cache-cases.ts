import { grown, type AlertCase } from '../promtool.ts';

const on = (route: string): string =>
  `job="plimsoll",instance="a",operation="messages.create",key="prod-a-api",model="claude-haiku-4-5",route="${route}"`;
const tokens = (kind: string, route = 'chat'): string => `anthropic_tokens_total{${on(route)},kind="${kind}"}`;
const of = (route: string) => ({ job: 'plimsoll', model: 'claude-haiku-4-5', route });

/** A day of minutes, then three hours: tokens read from the cache of a hundred a minute, and calls a minute. */
const over = (before: number, now: number, { callsEach = 1, route = 'chat' } = {}): AlertCase['series'] => ({
  [tokens('cache_read', route)]: grown([1_440, before], [180, now]),
  [tokens('input', route)]: grown([1_440, 100 - before], [180, 100 - now]),
  [`anthropic_requests_total{${on(route)},outcome="ok"}`]: grown([1_620, callsEach]),
});
const down = { alert: 'PlimsollCacheShareDown', every: '5m', at: '1600m', firing: [] } as const;
const onlyRead = (share: string, route = 'chat', shown = route) =>
  [[of(route), `Only ${share} of the input of claude-haiku-4-5, route ${shown}, is read from the cache`]] as const;
const unread = { alert: 'PlimsollCacheUnread', every: '5m', at: '450m', firing: [] } as const;

export const CACHE_CASES: readonly AlertCase[] = [
  {
    ...down,
    name: 'fires when the cache-read share falls from 80% to 40%',
    series: over(80, 40),
    firing: onlyRead('40%'),
  },
  {
    ...down,
    name: 'fires for the one route that lost its cache, though the model reads as much as before in a busier one',
    series: { ...over(80, 0), ...over(960, 960, { route: 'batch' }), [tokens('input', 'batch')]: grown([1_620, 40]) },
    firing: onlyRead('0%'),
  },
  {
    ...down,
    name: 'fires for calls that name no route, too',
    series: over(80, 40, { route: '' }),
    firing: [
      [
        { job: 'plimsoll', model: 'claude-haiku-4-5' },
        'Only 40% of the input of claude-haiku-4-5, route (none), is read from the cache',
      ],
    ],
  },
  {
    ...down,
    name: 'fires when a share of 15% falls under the floor',
    series: over(15, 8),
    firing: onlyRead('8%'),
  },
  { ...down, name: 'does not fire when it falls from 80% to 65%', series: over(80, 65) },
  { ...down, name: 'does not fire when it falls by half and by eight points', series: over(18, 10.1) },
  { ...down, name: 'does not fire where little was ever read', series: over(6, 5) },
  {
    ...down,
    name: 'does not fire when there are fifteen calls an hour',
    series: over(80, 40, { callsEach: 0.25 }),
  },
  {
    ...unread,
    name: 'fires when 300,000 tokens are written and none is read',
    series: { [tokens('cache_write_5m')]: grown([480, 840]) },
    firing: [[of('chat'), 'What claude-haiku-4-5, route chat, writes to the cache is hardly read']],
  },
  {
    ...unread,
    name: 'fires for the route that writes, though another one reads',
    series: { [tokens('cache_write_1h')]: grown([480, 840]), [tokens('cache_read', 'batch')]: grown([480, 8_400]) },
    firing: [[of('chat'), 'What claude-haiku-4-5, route chat, writes to the cache is hardly read']],
  },
  {
    ...unread,
    name: 'does not fire when they are read once',
    series: { [tokens('cache_write_5m')]: grown([480, 840]), [tokens('cache_read')]: grown([480, 840]) },
  },
  {
    ...unread,
    name: 'does not fire when 50,000 tokens are written',
    series: { [tokens('cache_write_5m')]: grown([480, 140]) },
  },
];
