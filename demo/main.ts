import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Express } from 'express';
import { metricsHandler } from 'plimsoll';
import { consoleHandler } from 'plimsoll/console';
import { PortError, serve, type Handler } from 'plimsoll/http';
import { register } from 'prom-client';
import { billLines, demoBill } from './bill.ts';
import { demoBudgets } from './budgets.ts';
import { claudeApi } from './claude-api.ts';
import { liveCalls, liveCosts } from './live.ts';
import { demoOptions, HELP, UsageError, type DemoOptions } from './options.ts';
import { samples, Samples } from './samples.ts';
import { service } from './service.ts';
import { budgetsLine, SUMMARY_HEAD, summaryLine } from './summary.ts';
import { telemetry } from './telemetry.ts';
import { traffic } from './traffic.ts';

const SUMMARY_EVERY_MS = 5_000;
const LINES_PER_HEAD = 20;
const LINES_PER_BUDGETS = 4;
/** `max_tokens` of live calls: responses are a word each, and a mistake stays cheap. */
const LIVE_MAX_TOKENS = '16';

/** Closes something at the end. */
type Closing = () => Promise<void>;

/** Runs the demo until the signal is aborted, and returns the exit code. */
async function demo(options: DemoOptions, closings: Closing[], signal: AbortSignal): Promise<number> {
  if (options.live) useLiveApi();
  const shown = await serve(pages(), { port: options.port, portOption: '--port' });
  closings.push(() => shown.close(0));
  const api = options.live ? null : claudeApi(options.seed);
  if (api !== null) {
    const serving = await serve(api.handle, { port: 0 });
    closings.push(() => serving.close(0));
    useApi(serving.url);
  }
  const kept = await demoBudgets(options);
  closings.push(() => kept.close());
  const app = service({ budgets: kept.budgets, ...(options.live ? {} : { tier: 'Start' }) });
  const servicePort = await listening(app, options, closings);
  const host = ANY_ADDRESS.has(options.host) ? 'localhost' : options.host;
  const serviceUrl = urlOf(host, servicePort);
  console.log(greeting(options.live, urlOf(host, shown.port), serviceUrl));
  if (api === null) return live(serviceUrl, closings, signal);
  // The days before today take a second; nobody waits for them.
  const watched = demoBill();
  closings.push(async () => (await watched).close());
  void watched.then(({ bill }) => billLines(bill).forEach((line) => console.log(line)));
  const served = traffic({ serviceUrl, api, seed: options.seed, signal });
  await summaries(signal);
  await served;
  return 0;
}

const ANY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '127.0.0.1', '::1']);

const OF_CONSOLE: ReadonlySet<string> = new Set(['/', '/data', '/page.js', '/page.css', '/runbooks']);

function pages(): Handler {
  const metrics = metricsHandler();
  const console = consoleHandler({ name: 'harbor-api' });
  return async function pages(request) {
    const { pathname } = new URL(request.url);
    if (pathname === '/metrics') return metrics(request);
    if (OF_CONSOLE.has(pathname) || pathname.startsWith('/runbooks/')) return console(request);
    return new Response('Not found. Try /, /metrics or /runbooks/.\n', { status: 404 });
  };
}

/** Points the service at the simulator through its environment. The user's own key is removed from it. */
function useApi(url: string): void {
  delete process.env['ANTHROPIC_API_KEY'];
  process.env['ANTHROPIC_AUTH_TOKEN'] = 'simulated';
  process.env['ANTHROPIC_BASE_URL'] = url;
}

function useLiveApi(): void {
  delete process.env['ANTHROPIC_API_KEY'];
  if (!process.env['ANTHROPIC_AUTH_TOKEN']) {
    throw new UsageError('--live needs a key: ANTHROPIC_AUTH_TOKEN is not set.');
  }
  process.env['ANTHROPIC_MAX_TOKENS'] = LIVE_MAX_TOKENS;
}

async function listening(app: Express, { servicePort, host }: DemoOptions, closings: Closing[]): Promise<number> {
  const server = app.listen(servicePort, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const where = `Port ${servicePort} on ${host}`;
    throw new PortError(
      'PLIMSOLL_PORT_IN_USE',
      `${where} is in use: choose another for the service with --service-port.`,
    );
  }
  closings.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function greeting(live: boolean, pagesUrl: string, serviceUrl: string): string {
  const what = live
    ? 'plimsoll demo, live: makes three tiny calls to the real Claude API, which cost money.'
    : `plimsoll demo: an Express service with visitors, on a simulated Claude API.
Nothing leaves this machine and no money is spent. Press Ctrl-C to stop.`;
  return `${what}

  live page     ${pagesUrl}/
  metrics       ${pagesUrl}/metrics
  the service   ${serviceUrl}  POST /chat, /review, /research
`;
}

/** Prints a line every few seconds, and a total at the end. */
async function summaries(signal: AbortSignal): Promise<void> {
  let earlier = await samples(register);
  for (let line = 0; await waited(SUMMARY_EVERY_MS, signal); line += 1) {
    const now = await samples(register);
    if (line % LINES_PER_HEAD === 0) console.log(SUMMARY_HEAD);
    console.log(summaryLine(new Date().toTimeString().slice(0, 8), now.since(earlier)));
    if (line % LINES_PER_BUDGETS === LINES_PER_BUDGETS - 1) console.log(budgetsLine(now));
    earlier = now;
  }
  console.log(summaryLine('total', (await samples(register)).since(new Samples())));
}

/** Waits, and returns `false` if the signal was aborted meanwhile. */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal }).catch(() => false);
}

/** Makes the calls, closes the service so that nobody else can spend, and keeps the pages open. */
async function live(serviceUrl: string, closings: Closing[], signal: AbortSignal): Promise<number> {
  const answered = await liveCalls(serviceUrl, console.log);
  await closings.pop()?.();
  for (const line of liveCosts(await samples(register))) console.log(line);
  if (answered === 0) return 1;
  console.log('No more calls will be made. The pages stay open until you press Ctrl-C.');
  while (await waited(SUMMARY_EVERY_MS, signal));
  return 0;
}

async function main(): Promise<number> {
  const options = demoOptions(process.argv.slice(2));
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop.abort();
      process.once(signal, () => process.exit(130));
    });
  }
  process.stdout.on('error', () => stop.abort()); // The reader of the pipe has gone.
  const closings: Closing[] = [];
  const endTelemetry = await telemetry();
  try {
    return await demo(options, closings, stop.signal);
  } finally {
    await Promise.all(closings.map((close) => close()));
    await endTelemetry();
  }
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof UsageError || error instanceof PortError)) throw error;
  console.error(error.message);
  process.exit(error instanceof UsageError ? 2 : 1);
}
