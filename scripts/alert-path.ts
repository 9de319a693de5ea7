/**
 * The way of an alert with the shipped files as they are: a service meets 429s, and how long it takes until a webhook hears of
 * them and that they are over. Some forty minutes, for thirty of which the alert is held; four with `--until firing`.
 * `npm test` has the same at a thirtieth of the time.
 */
import { parseArgs } from 'node:util';
import { alertPath } from '../monitoring/run/alert-path.ts';
import { tool } from '../testing/tools.ts';

const { values } = parseArgs({ options: { until: { type: 'string', default: 'resolved' } } });
const { firing, firedAfterMs, over } = await alertPath({
  prometheus: tool('prometheus').path,
  alertmanager: tool('alertmanager').path,
  factor: 1,
  until: values.until === 'firing' ? 'firing' : 'resolved',
});
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(0)} s`;
console.log(firing.annotations['summary']);
console.log(`fired after ${seconds(firedAfterMs)}${over === null ? '' : `, resolved after ${seconds(over.afterMs)}`}`);
