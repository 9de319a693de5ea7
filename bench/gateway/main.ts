import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { soakLines } from '../gateway-soak/report.ts';
import { problemsOf, soak, STREAMS } from '../gateway-soak/soak.ts';
import { spread, type Spread } from '../compare.ts';
import { child, type Child } from './child.ts';
import type { Held } from './gateway-process.ts';
import { gatewayGrowth } from './growth.ts';
import type { Target } from './load-process.ts';
import { bursts, ratio, waits, type Amount, type Load, type Proxy, type Waited } from './measure.ts';
import { startPeers } from './peers.ts';
import { EVENTS, type Kind } from './request.ts';
import { nameOf, workerLoads } from './workers.ts';
import { growthChart } from '../growth-chart.ts';
import { goals, growthTable, spreadText, table, type Row } from '../report.ts';

const { values } = parseArgs({
  options: {
    short: { type: 'boolean' },
    write: { type: 'boolean' },
    peers: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

if (values.help === true) {
  console.log(`What the gateway costs, against a bare pipe of node:http in the same run.

  npm run bench:gateway                the figures, in about eight minutes
  npm run bench:gateway -- --short     shows in seconds that everything runs; its figures say little
  npm run bench:gateway -- --peers     also installs and runs Portkey and LiteLLM, in turn with the rest
  npm run bench:gateway -- --write     also writes them to docs/gateway-benchmarks.md, and their picture`);
  process.exit(0);
}

const full = values.short !== true;
const PIPE = 'bare pipe';
const NOISE = 'bare pipe again: the noise';
const GATEWAY = 'gateway';
const BUDGET = 'gateway with a budget in SQLite';

const at = (name: string): URL => new URL(`${name}-process.ts`, import.meta.url);

interface Measured {
  readonly load: ReadonlyMap<string, Load>;
  readonly waited: ReadonlyMap<string, Waited>;
}

const children: Child[] = [];
function started(name: string, args: readonly string[] = []): Child {
  const process = child(at(name), args);
  children.push(process);
  return process;
}

async function proxiesBefore(upstream: string): Promise<readonly Proxy[]> {
  const pipe = started('pipe', [upstream]);
  const pipeAgain = started('pipe', [upstream]);
  const plain = started('gateway', [upstream]);
  const budget = started('gateway', [upstream, JSON.stringify({ budgets: 1 } satisfies Held)]);
  const piped = async (process: Child): Promise<Target> => ({ url: await process.ask<string>('url'), token: 'bench' });
  return [
    { name: PIPE, process: pipe, target: await piped(pipe) },
    { name: NOISE, process: pipeAgain, target: await piped(pipeAgain) },
    { name: GATEWAY, process: plain, target: await plain.ask<Target>('target') },
    { name: BUDGET, process: budget, target: await budget.ask<Target>('target') },
  ];
}

async function measured(kind: Kind, proxies: readonly Proxy[], direct: Target): Promise<Measured> {
  const [perBlock, warmUps] = kind === 'json' ? [1_000, 30] : [300, 16];
  const requestsPerBlock = full ? perBlock : 100;
  const load = started('load');
  const warm: Amount = { warmUps: full ? warmUps : 1, rounds: 0, requestsPerBlock, concurrency: 16 };
  await bursts(proxies, kind, { load, amount: warm });
  // As in a process that has run for hours: what stays is old, and may keep what comes after it.
  for (const { process } of proxies) await process.ask('accounts');
  const amount: Amount = { ...warm, warmUps: full ? 4 : 1, rounds: full ? 9 : 2 };
  const loads = await bursts(proxies, kind, { load, amount });
  const waited = await waits([{ name: 'direct', target: direct }, ...proxies], kind, { load, rounds: full ? 12 : 1 });
  return { load: loads, waited };
}

/** The longest that a process let others wait while a body of 30 MB came through it, round by round. */
async function largeBodies(proxies: readonly Proxy[]): Promise<ReadonlyMap<string, Spread>> {
  const load = started('load');
  const longest = new Map(proxies.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < (full ? 10 : 2); round++)
    for (const { name, process, target } of proxies) {
      await process.ask('longestWaitMs');
      await load.ask('large', { target, bytes: LARGE_BYTES });
      const waitedMs = await process.ask<number>('longestWaitMs');
      // The first one compiles what the others use.
      if (round > 0) longest.get(name)?.push(waitedMs);
    }
  return new Map([...longest].map(([name, figures]) => [name, spread(figures)]));
}

const LARGE_BYTES = 30_000_000;

/** The pipe, the gateway and others, in turn: as few requests as the slowest needs. */
async function besidePeers(upstreamUrl: string, proxies: readonly Proxy[], direct: Target): Promise<string> {
  const { running, notRun } = await startPeers(upstreamUrl);
  children.push(...running.map(({ process }) => process));
  const load = started('load');
  const all = [...proxies.filter(({ name }) => name === PIPE || name === GATEWAY), ...running];
  const amount: Amount = {
    warmUps: full ? 6 : 1,
    rounds: full ? 5 : 1,
    requestsPerBlock: full ? 300 : 20,
    concurrency: 8,
  };
  const loads = await bursts(all, 'json', { load, amount });
  const ways = [{ name: 'direct', target: direct }, ...all];
  const waited = await waits(ways, 'json', { load, rounds: full ? 8 : 1, ratePerSecond: 20 });
  const straight = waited.get('direct')?.p50 ?? Number.NaN;
  const base = loads.get(PIPE)?.cpuMicros ?? [];
  const lines = all.map(({ name }) => {
    const { cpuMicros = [] } = loads.get(name) ?? {};
    const { p50 = Number.NaN, p99 = Number.NaN } = waited.get(name) ?? {};
    const over = name === PIPE ? '' : `× ${spreadText(ratio(cpuMicros, base), 2)}`;
    return [name, spreadText(spread(cpuMicros), 0), over, (p50 - straight).toFixed(2), p99.toFixed(2)];
  });
  const head = ['through', 'CPU µs per request: median (min – max)', 'over the bare pipe', 'added p50, ms', 'p99, ms'];
  return [table(head, lines), ...notRun].join('\n\n');
}

const upstream = started('upstream');
const upstreamUrl = await upstream.ask<string>('url');
const proxies = await proxiesBefore(upstreamUrl);
const direct: Target = { url: upstreamUrl, token: 'bench' };
const json = await measured('json', proxies, direct);
const stream = await measured('stream', proxies, direct);
const large = await largeBodies(proxies);
const workersLoad = started('load');
const workers = await workerLoads(upstreamUrl, {
  load: workersLoad,
  amount: { warmUps: full ? 16 : 1, rounds: full ? 9 : 1, requestsPerBlock: full ? 1_500 : 50, concurrency: 16 },
});
const failures = await Promise.all(
  proxies.slice(2).map(async ({ process, name }) => ({
    name,
    errors: await process.ask<readonly string[]>('errors'),
    counted: await process.ask<{ readonly calls: number }>('counted'),
  })),
);
const [pipe] = proxies;
const grown =
  pipe === undefined ? [] : await gatewayGrowth({ upstream: upstreamUrl, pipe, load: started('load'), isFull: full });
const peers = values.peers === true ? await besidePeers(upstreamUrl, proxies, direct) : null;
await Promise.all(children.map((each) => each.end()));
const shape = full ? { concurrent: 1_000, forSeconds: 60, ...STREAMS } : { concurrent: 50, forSeconds: 2, ...STREAMS };
const soaked = await soak(shape);

const expectedCalls = failures[0]?.counted.calls;
for (const { name, errors, counted } of failures)
  if (errors.length > 0 || counted.calls !== expectedCalls || counted.calls === 0)
    throw new Error(`${name}: ${counted.calls} calls counted, ${errors.length} errors: ${errors[0] ?? ''}`);

const NONE: Load = { cpuMicros: [], requestsPerSecond: [] };
const figures = ({ load }: Measured, name: string): Load => load.get(name) ?? NONE;
const cpuRatio = (of: Measured, name: string): Spread =>
  ratio(figures(of, name).cpuMicros, figures(of, PIPE).cpuMicros);
const wait = ({ waited }: Measured, name: string): Waited =>
  waited.get(name) ?? { p10: Number.NaN, p50: Number.NaN, p99: Number.NaN, headP50: Number.NaN };
const addedP50 = (of: Measured, name: string): number => wait(of, name).p50 - wait(of, 'direct').p50;
const ms = (figure: number): string => `**${figure.toFixed(2)}**`;
const workersRatio = ratio(workers.get(nameOf(2))?.cpuMicros ?? [], workers.get(nameOf(1))?.cpuMicros ?? []);
const largest = large.get(BUDGET) ?? spread([]);

/** The pipe against itself: a goal that is nearer than this to what was measured is unproven. */
const noiseOf = (of: Measured): number => Math.abs(cpuRatio(of, NOISE).median - 1);
const within = (ratioOf: Spread, most: number, noise: number): boolean | null =>
  Math.abs(ratioOf.median - most) < noise ? null : ratioOf.median <= most;

function cpuRow(of: Measured, name: string, { what, most }: { readonly what: string; readonly most: number }): Row {
  const measured = cpuRatio(of, name);
  return {
    figure: `CPU of ${what}, over a bare pipe`,
    goal: `≤ ${most} ×`,
    measured: spreadText(measured, 2),
    met: within(measured, most, noiseOf(of)),
  };
}

function addedRow(of: Measured, what: string): Row {
  const beyond = addedP50(of, GATEWAY) - addedP50(of, PIPE);
  return {
    figure: `added to the p50 of ${what} at 100 requests/s, beyond a bare pipe, ms`,
    goal: '≤ 0.3',
    measured: `**${beyond.toFixed(2)}** (${addedP50(of, GATEWAY).toFixed(2)} beyond no proxy)`,
    met: beyond <= 0.3,
  };
}

const STREAM = `a stream of ${EVENTS} events`;

const rows: readonly Row[] = [
  cpuRow(json, GATEWAY, { what: 'a JSON call', most: 1.5 }),
  cpuRow(json, BUDGET, { what: 'a JSON call with a budget in SQLite', most: 2 }),
  cpuRow(stream, GATEWAY, { what: STREAM, most: 1.15 }),
  addedRow(json, 'a JSON call'),
  addedRow(stream, STREAM),
  {
    figure: 'the longest that others wait while a body of 30 MB comes, ms',
    goal: '< 50',
    measured: spreadText(largest, 0),
    met: largest.median < 50,
  },
  {
    figure: 'CPU of a JSON call with two workers, over one worker',
    goal: '≤ 1.1 ×',
    measured: spreadText(workersRatio, 2),
    met: within(workersRatio, 1.1, noiseOf(json)),
  },
];

const causes = `A goal whose distance is less than the bare pipe's from itself is unproven. Each of the two workers is asked as much as the one.
They share ${availableParallelism()} cores with the load, the API and the process that supervises them, whose CPU is in theirs, and tell it what they
counted. No part of what a JSON call costs beyond the pipe is large: about a tenth each is to parse the response, to read the request
and to ask the store whether a token was revoked; the rest is to decide and to count. What a budget costs beyond the plain gateway is the
commit to its file before a call is sent, which calls of one turn share, and its settlement. Of a stream, every event is searched
for the key and read for what it says; those that come at once go on in one write.`;

function loadTable(of: Measured): string {
  return table(
    ['through', 'CPU µs per request: median (min – max)', 'over the bare pipe', 'requests/s, 16 concurrent'],
    [...of.load].map(([name, { cpuMicros, requestsPerSecond }]) => [
      name,
      spreadText(spread(cpuMicros), 0),
      name === PIPE ? '' : `× ${spreadText(cpuRatio(of, name), 2)}`,
      spreadText(spread(requestsPerSecond), 0),
    ]),
  );
}

function waitTable(of: Measured): string {
  const straight = wait(of, 'direct');
  return table(
    ['through', 'p10, ms', 'added', 'p50, ms', 'added', 'p99, ms', 'added', 'to the headers, p50', 'added'],
    [...of.waited].map(([name, { p10, p50, p99, headP50 }]) => {
      const added = (figure: number, base: number): string => (name === 'direct' ? '' : (figure - base).toFixed(2));
      return [
        name,
        p10.toFixed(2),
        added(p10, straight.p10),
        ms(p50),
        added(p50, straight.p50),
        p99.toFixed(2),
        added(p99, straight.p99),
        headP50.toFixed(2),
        added(headP50, straight.headP50),
      ];
    }),
  );
}

const problems = problemsOf(soaked);

/** Waiting for a core that others have is in every latency; the 10th percentile has the least of it. */
const machine = `${availableParallelism()} cores with a load average of ${loadavg()[1]?.toFixed(1)} over five minutes, including this run's processes.`;

const report = `# What the gateway costs

Written by \`npm run bench:gateway -- --write\`: do not edit. Node ${process.versions.node}, ${full ? 'nine rounds' : 'a short run'}, each part in its own process on
loopback: the load, the proxies, and an API that answers from memory. CPU time is the proxy's, as its process reports it. The
variants alternate within one run, so the ratios hold on a busy machine; the times are specific to the machine. The bare
pipe is a node:http proxy that reads and changes nothing (\`bench/gateway/pipe.ts\`). Before the first round each serves
as many requests as it takes until nothing is compiled any more, and frees all its memory once. The run checks
the length of every response, and that every call was counted. The goals are not gates: no test depends on a time.

${machine}

${goals(rows)}

${causes}

## A JSON call: 1 KiB out, 2 KiB back

${loadTable(json)}

At 100 requests per second:

${waitTable(json)}

## A stream of ${EVENTS} events, one to a write

${loadTable(stream)}

At 100 requests per second:

${waitTable(stream)}

## How cost grows

![What a call or stream costs over a bare pipe, with more streams, clients, rules and budgets](pictures/gateway-growth.svg)

CPU for each JSON call with 16 at once, or for each stream.

${growthTable(grown, 'a bare pipe')}

## Workers

\`plimsoll gateway\` as it is started, with its request log. CPU time is that of all its processes.

${table(
  ['with', 'CPU µs per JSON call: median (min – max)', 'requests/s, 16 concurrent to each worker'],
  [...workers].map(([name, { cpuMicros, requestsPerSecond }]) => [
    name,
    spreadText(spread(cpuMicros), 0),
    spreadText(spread(requestsPerSecond), 0),
  ]),
)}

## A body of 30 MB

The longest time that a process let others wait while the body came and went on: what a stream's event can be late by.

${table(
  ['through', 'ms: median (min – max)'],
  [...large].map(([name, figures]) => [name, spreadText(figures, 0)]),
)}
${peers === null ? '' : `\n## Beside other gateways\n\nOne process each, JSON calls, 8 at once for the CPU and 20 a second for the times; LiteLLM and Portkey as installed, without\na database.\n\n${peers}\n`}
## ${shape.concurrent} streams at once

Each stream is split at random points, every tenth is compressed, and every byte that a client gets is compared with what
was sent (\`npm run soak:gateway\`). ${problems.length === 0 ? 'Every byte and every token was correct.' : `**${problems.length} wrong**: ${problems[0]}`}

\`\`\`text
${soakLines(soaked, shape).join('\n')}
\`\`\`
`;

console.log(report);
if (values.write === true) {
  await writeFile(new URL('../../docs/gateway-benchmarks.md', import.meta.url), report);
  await writeFile(new URL('../../docs/pictures/gateway-growth.svg', import.meta.url), growthChart(grown));
}
