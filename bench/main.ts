import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { comparedApart } from './apart.ts';
import type { Length } from './calls.ts';
import { alone, over, type Compared, type Spread } from './compare.ts';
import { growth } from './growth.ts';
import { heapKeptPerCall } from './heap.ts';
import { importMs } from './import-time.ts';
import { growthChart } from './growth-chart.ts';
import {
  besidePeers,
  comparison,
  goals,
  growthTable,
  meaning,
  missed,
  noiseText,
  spreadText,
  table,
  unproven,
  type Row,
} from './report.ts';
import { scrapes } from './scrape.ts';

const { values } = parseArgs({
  options: {
    short: { type: 'boolean' },
    peers: { type: 'boolean' },
    write: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

if (values.help === true) {
  console.log(`Measures what plimsoll costs, against the raw SDK in the same run.

  npm run bench                prints the figures, in about five minutes
  npm run bench -- --short     checks in seconds that everything runs; its figures are not precise
  npm run bench -- --peers     measures other instrumentations beside it, which it installs in the temporary folder
  npm run bench -- --write     also writes docs/benchmarks.md and its picture, unless the machine is too loud`);
  process.exit(0);
}

const length: Length = values.short === true ? 'short' : 'full';
const full = length === 'full';

const json = await comparedApart('json', length);
const spans = await comparedApart('spans', length);
const inMemory = await comparedApart('memory', length);
const inSqlite = await comparedApart('sqlite', length);
const small = await comparedApart('small', length);
const large = await comparedApart('large', length);
const besides = values.peers === true ? await peerComparisons() : null;
const grown = await growth(length);
const scraped = [];
for (const series of [1_000, 10_000, 100_000]) scraped.push(await scrapes(series, full ? 9 : 2));
const heap = await heapKeptPerCall(full ? 200_000 : 4_000);
const imported = importMs(full ? 15 : 3);

const divided = ({ min, median, max }: Spread, by: number): Spread => ({
  min: min / by,
  median: median / by,
  max: max / by,
});
const allMetrics = 'all metrics';
const memoryBudget = 'all metrics, and a budget in memory';
const sqliteBudget = 'all metrics, and a budget in SQLite';
const sdkSpan = "the SDK's own span";
const own = "all metrics, and plimsoll's own span";
const metrics = over(json, allMetrics);
const span = over(spans, 'all metrics, and its part of that span', sdkSpan);
const ownSpan = over(spans, own, sdkSpan);
const memory = over(inMemory, memoryBudget, allMetrics);
const sqlite = over(inSqlite, sqliteBudget, allMetrics);
const perEvent = divided(over(small, allMetrics), 200);
const perLarge = divided(over(large, allMetrics), 1_000);
const largeShare = over(large, allMetrics).median / alone(large, 'raw').median;
const hundred = scraped.at(-1)?.plimsoll ?? perEvent;

/** Raw against raw: above 2 µs a call, a figure of a few microseconds proves nothing. */
const noise = Math.max(
  ...[json, spans, inMemory, inSqlite].map((compared) => Math.abs(over(compared, 'raw again').median)),
);
const isQuiet = noise <= 2;

const rows: readonly Row[] = [
  {
    figure: 'JSON call, all metrics, µs',
    goal: '≤ 8',
    measured: spreadText(metrics),
    met: isQuiet ? metrics.median <= 8 : null,
    cause:
      'no part is large: of 10 µs, to begin the call takes 2, the headers of limits 2, the attempt and its gauges 2, the body, which the SDK asks for at every response, 1.5, and usage, price and counters 3; in a loop of its own all of it takes half as long',
  },
  {
    figure: 'JSON call, metrics and span, µs over the SDK with its span',
    goal: '≤ 12',
    measured: spreadText(span),
    met: isQuiet ? span.median <= 12 : null,
    cause:
      'all metrics are in it; more than half of the rest is the span of the attempt, which OpenTelemetry makes, checking each attribute with a set of its own',
  },
  {
    figure: "JSON call, metrics and plimsoll's own span, µs over the SDK with its span",
    goal: '≤ 0',
    measured: spreadText(ownSpan),
    met: isQuiet ? ownSpan.median <= 0 : null,
    cause: 'a span for the call and one for each attempt, beside all metrics',
  },
  {
    figure: 'a budget in memory, over all metrics, µs',
    goal: '≤ 3',
    measured: spreadText(memory),
    met: isQuiet ? memory.median <= 3 : null,
    cause:
      'no part is large: in a loop of its own, to estimate, reserve, settle and learn takes 1 µs; among the rest of a call, whose code and data displace its own in the caches, several times that',
  },
  {
    figure: 'a budget in SQLite, over all metrics, µs',
    goal: '≤ 40',
    measured: spreadText(sqlite),
    met: isQuiet ? sqlite.median <= 40 : null,
    cause:
      'each reservation is a transaction of its own, committed before the request is sent: twelve calls of the system and six statements, with what the call before has settled',
  },
  {
    figure: 'stream event, one to a chunk, µs',
    goal: '≤ 0.25',
    measured: spreadText(perEvent, 2),
    met: isQuiet ? perEvent.median <= 0.25 : null,
    cause:
      'a tenth of a microsecond is the call with its first and last events, spread over 200; to know an event takes 0.07 in a loop of its own, and about twice that between what the SDK does',
  },
  {
    figure: 'stream of 2,000 events and 1 MiB, ms',
    goal: '≤ 1',
    measured: spreadText(perLarge, 2),
    met: isQuiet ? perLarge.median <= 1 : null,
    cause: 'as for each event, and a search for the end of each',
  },
  {
    figure: 'the same, share of the raw SDK',
    goal: '≤ 8%',
    measured: `**${(largeShare * 100).toFixed(1)}%**`,
    met: isQuiet ? largeShare <= 0.08 : null,
    cause: 'as for each event',
  },
  {
    figure: 'scrape of 100,000 series, ms',
    goal: '≤ 35',
    measured: spreadText(hundred),
    met: hundred.median <= 35,
    cause: 'every series has changed, so each figure is formatted anew; the page is copied twice',
  },
  // The collector may have freed more than the calls kept.
  {
    figure: 'heap kept per call, bytes',
    goal: 'below 1',
    measured: heap < 1 ? '**none**' : `**${heap.toFixed(1)}**`,
    met: heap < 1,
    cause: 'a leak, or what the collector had not come to',
  },
  {
    figure: "`import 'plimsoll'`, ms of CPU over importing its peers",
    goal: '≤ 30',
    measured: spreadText(imported),
    met: imported.median <= 30,
    cause: 'the table of prices is read, and each metric of the catalogue declared',
  },
];

const peerText = Object.keys(besides?.json ?? {})
  .filter((name) => name.endsWith(': spans'))
  .map((name) => `, ${name.replace(': spans', '')} ${over(besides?.json ?? {}, name).median.toFixed(0)} µs`)
  .join('');

/** The same things, in processes that other instrumentations share. */
async function peerComparisons(): Promise<Readonly<Record<'json' | 'small' | 'large', Compared>>> {
  return {
    json: await comparedApart('jsonPeers', length),
    small: await comparedApart('smallPeers', length),
    large: await comparedApart('largePeers', length),
  };
}

const peerSections =
  besides === null
    ? ''
    : `## Beside other instrumentations

They make spans and no metrics. Here they share a process with plimsoll, and their garbage is everybody's.

A JSON call of 2 KiB:

${besidePeers(besides.json)}

A stream of 200 events:

${besidePeers(besides.small)}

A stream of 2,000 events and 1 MiB:

${besidePeers(besides.large)}

`;

const report = `# What plimsoll costs

${meaning([
  { what: 'all metrics', micros: metrics.median },
  { what: "all metrics and plimsoll's own span", micros: over(spans, own).median },
  { what: 'all metrics and a budget in memory', micros: over(inMemory, memoryBudget).median },
  { what: 'all metrics and a budget in SQLite', micros: over(inSqlite, sqliteBudget).median },
  { what: 'all metrics, and a stream of 200 events', micros: over(small, allMetrics).median },
])}

${heap < 1 ? 'Nothing stays' : `${heap.toFixed(1)} bytes stay`} in memory after a call. A scrape of 1,000 series takes ${(scraped[0]?.plimsoll.median ?? NaN).toFixed(1)} ms. Spans without metrics, for comparison: the
SDK's own ${over(spans, sdkSpan).median.toFixed(0)} µs${peerText}.

![What a call or stream costs with more streams, values, labels and budgets](pictures/benchmark-growth.svg)

Written by \`npm run bench -- --peers --write\`: do not edit. CPU time as the process reports it, Node ${process.versions.node}, ${full ? 'nine rounds' : 'a short run'}.
Responses come from memory, so network noise is not included. Each variant takes turns with the raw SDK, in processes that run
nothing else, for about ten milliseconds each; a round is the lower quartile of its blocks, and a figure the median of the
rounds of three processes. Each run checks that every token was counted. The goals are not gates: no test depends on a time.

## Goals

${noiseText(noise)}

${goals(rows)}

${missed(rows)}## A JSON call of 2 KiB

${comparison([json, spans, inMemory, inSqlite])}

## A stream of 200 events

${comparison([small])}

## A stream of 2,000 events and 1 MiB

${comparison([large])}

${peerSections}## How cost grows

Over the raw SDK, with all metrics: CPU for each JSON call, or for each stream of the streams at once. Budgets are in memory.

${growthTable(grown)}

## A scrape

Every series has changed since the scrape before.

${table(
  ['series', "ms, plimsoll's writer: median (min – max)", 'ms, prom-client with counters of its own'],
  scraped.map(({ series, plimsoll, promClient }) => [String(series), spreadText(plimsoll), spreadText(promClient)]),
)}
`;

console.log(report);
// A page of a quiet machine is worth more than a later one of a loud one.
if (!isQuiet) console.error(`Too loud for these goals, which this run does not prove: ${unproven(rows).join('; ')}.`);
if (values.write === true && isQuiet && full) {
  await writeFile(new URL('../docs/benchmarks.md', import.meta.url), report);
  await writeFile(new URL('../docs/pictures/benchmark-growth.svg', import.meta.url), growthChart(grown));
} else if (values.write === true) console.error('docs/benchmarks.md stays as it is.');
