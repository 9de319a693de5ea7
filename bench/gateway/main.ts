import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { soakLines } from '../gateway-soak/report.ts';
import { problemsOf, soak, STREAMS } from '../gateway-soak/soak.ts';
import { spread, type Spread } from '../compare.ts';
import { child, type Child } from './child.ts';
import type { Target } from './load-process.ts';
import { bursts, ratio, waits, type Amount, type Load, type Proxy, type Waited } from './measure.ts';
import { EVENTS, type Kind } from './request.ts';
import { goals, spreadText, table, type Row } from '../report.ts';

const { values } = parseArgs({
  options: { short: { type: 'boolean' }, write: { type: 'boolean' }, help: { type: 'boolean' } },
});

if (values.help === true) {
  console.log(`What the gateway costs, against a bare pipe of node:http in the same run.

  npm run bench:gateway                the figures, in about five minutes
  npm run bench:gateway -- --short     shows in seconds that everything runs; its figures say little
  npm run bench:gateway -- --write     also writes them to docs/gateway-benchmarks.md`);
  process.exit(0);
}

const full = values.short !== true;
const PIPE = 'bare pipe';
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
  const budget = started('gateway', [upstream, 'budget']);
  const piped = async (process: Child): Promise<Target> => ({ url: await process.ask<string>('url'), token: 'bench' });
  return [
    { name: PIPE, process: pipe, target: await piped(pipe) },
    { name: 'bare pipe again: the noise', process: pipeAgain, target: await piped(pipeAgain) },
    { name: GATEWAY, process: plain, target: await plain.ask<Target>('target') },
    { name: BUDGET, process: budget, target: await budget.ask<Target>('target') },
  ];
}

async function measured(kind: Kind, proxies: readonly Proxy[], direct: Target): Promise<Measured> {
  const perBlock = kind === 'json' ? 1_000 : 300;
  const amount: Amount = { rounds: full ? 9 : 2, requestsPerBlock: full ? perBlock : 100, concurrency: 16 };
  const load = started('load');
  const loads = await bursts(proxies, kind, { load, amount });
  const waited = await waits([{ name: 'direct', target: direct }, ...proxies], kind, { load, rounds: full ? 12 : 1 });
  return { load: loads, waited };
}

const upstream = started('upstream');
const upstreamUrl = await upstream.ask<string>('url');
const proxies = await proxiesBefore(upstreamUrl);
const direct: Target = { url: upstreamUrl, token: 'bench' };
const json = await measured('json', proxies, direct);
const stream = await measured('stream', proxies, direct);
const failures = await Promise.all(
  proxies.slice(2).map(async ({ process, name }) => ({
    name,
    errors: await process.ask<readonly string[]>('errors'),
    counted: await process.ask<{ readonly calls: number }>('counted'),
  })),
);
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
const beyondPipe = (of: Measured): Row => ({
  figure: '… of that, more than a bare pipe adds',
  goal: '',
  measured: ms(addedP50(of, GATEWAY) - addedP50(of, PIPE)),
  met: null,
});

const rows: readonly Row[] = [
  {
    figure: 'added to the p50 of a JSON call at 100 requests/s, ms',
    goal: '< 1',
    measured: ms(addedP50(json, GATEWAY)),
    met: addedP50(json, GATEWAY) < 1,
  },
  beyondPipe(json),
  {
    figure: `added to the p50 of a stream of ${EVENTS} events at 100 requests/s, ms`,
    goal: '< 1',
    measured: ms(addedP50(stream, GATEWAY)),
    met: addedP50(stream, GATEWAY) < 1,
  },
  beyondPipe(stream),
  {
    figure: 'CPU of a JSON call, over a bare pipe',
    goal: '≤ 2 ×',
    measured: spreadText(cpuRatio(json, GATEWAY), 2),
    met: cpuRatio(json, GATEWAY).median <= 2,
  },
  {
    figure: `CPU of a stream of ${EVENTS} events, over a bare pipe`,
    goal: '≤ 2 ×',
    measured: spreadText(cpuRatio(stream, GATEWAY), 2),
    met: cpuRatio(stream, GATEWAY).median <= 2,
  },
];

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
const machine = `${availableParallelism()} cores with a load average of ${loadavg()[1]?.toFixed(1)} over five minutes, including this run's five processes.`;

const report = `# What the gateway costs

Written by \`npm run bench:gateway -- --write\`: do not edit. Node ${process.versions.node}, ${full ? 'nine rounds' : 'a short run'}, each part in its own process on
loopback: the load, the proxies, and an API that answers from memory. CPU time is the proxy's, as its process reports it. The
variants alternate within one run, so the ratios hold on a busy machine; the times are specific to the machine. The bare
pipe is a node:http proxy that reads and changes nothing (\`bench/gateway/pipe.ts\`). The run checks the length of every
response, and that every call was counted. The goals are not gates: no test depends on a time.

${machine}

${goals(rows)}

## A JSON call: 1 KiB out, 2 KiB back

${loadTable(json)}

At 100 requests per second:

${waitTable(json)}

## A stream of ${EVENTS} events, one to a write

${loadTable(stream)}

At 100 requests per second:

${waitTable(stream)}

## ${shape.concurrent} streams at once

Each stream is split at random points, every tenth is compressed, and every byte that a client gets is compared with what
was sent (\`npm run soak:gateway\`). ${problems.length === 0 ? 'Every byte and every token was correct.' : `**${problems.length} wrong**: ${problems[0]}`}

\`\`\`text
${soakLines(soaked, shape).join('\n')}
\`\`\`
`;

console.log(report);
if (values.write === true) await writeFile(new URL('../../docs/gateway-benchmarks.md', import.meta.url), report);
