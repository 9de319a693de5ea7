import { basename, parse } from 'node:path';
import type { MetricRegistry } from '../record/metrics/registry.ts';
import { defaultRegistry, storeFor } from '../record/metrics/registry.ts';
import { defaultPrices, type PriceTable } from '../pricing/prices.ts';
import { models, type Models } from '../routing/models.ts';
import { systemClock, type Clock } from '../clock.ts';
import { liveCallsOf, samplesOfStore } from './own-process.ts';
import { ConfigurationError, optionProblems, refuseOptions, unfit } from '../errors.ts';
import { redacted } from '../keys/secrets.ts';
import page from './page.json' with { type: 'json' };
import type { Replicas } from './replicas.ts';
import { History } from './history.ts';
import { Prometheus } from './prometheus.ts';
import { runbook } from './runbooks.ts';
import { viewOf } from './shown.ts';
import { RANGES } from './timeline.ts';
import { LONG_RANGES, type Query, type ShownSeconds, type View } from './view.ts';

/** Options of `consoleHandler()`. */
export interface ConsoleOptions {
  /** The registry that `instrument()` records into. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
  /** The name of the service, as the page shows it. Default: `OTEL_SERVICE_NAME`, `npm_package_name`, or the name of the program's file. */
  readonly name?: string;
  /** Prices that routes are compared by. Default: the table that plimsoll comes with. */
  readonly prices?: PriceTable;
  /** A Prometheus that scrapes this service: ranges up to 24 h and older moments are read from it. Default: none. */
  readonly prometheus?: PrometheusAddress;
  readonly clock?: Clock;
}

const NAMES: Readonly<Record<keyof ConsoleOptions, true>> = {
  registry: true,
  name: true,
  prices: true,
  prometheus: true,
  clock: true,
};

interface PrometheusAddress {
  /** `http://127.0.0.1:9090`; a user and a password in it are sent as such, and never shown. */
  readonly url: string;
  /** Matchers that choose the series of this service, where there are others: `job="harbor-api"`. */
  readonly matchers?: string;
}

/**
 * Serves a live page of the calls that this process makes: what to do, calls and 429s by reason, latency, spend, limits,
 * budgets, cost by label and the last problems, of the last hour in memory. Calls are counted from when this function is
 * called. Mount it at a path of its own, that only people who may see spend and attribution values can reach; it reads
 * nothing but metrics, and no prompt or answer can get there. Throws a `ConfigurationError` if the registry has other
 * metrics of the same names.
 *
 * @example
 * await serve(consoleHandler({ name: 'harbor-api' }), { port: 9465 });
 */
export function consoleHandler(options: ConsoleOptions = {}): (request: Request) => Promise<Response> {
  refuseOptions(optionProblems(options, NAMES));
  const { registry = defaultRegistry(), clock = systemClock } = options;
  const store = storeFor(registry);
  const now = (): number => clock.epochMs();
  const live = liveCallsOf(store, now);
  const pricing = { prices: options.prices ?? defaultPrices(), models: models(process.env) };
  const name = options.name ?? serviceName(process.env, process.argv[1]);
  const history = historyOf(options.prometheus, now);
  return consoleOf(async (query) => {
    const nowMs = now();
    return viewOf(
      {
        ...{ name, nowMs, sinceMs: live.sinceMs, source: 'calls' as const, replicas: [], forgottenSeries: 0, pricing },
        ...{ hour: live.hour, lowest: live.lowest, paced: live.paced, samples: samplesOfStore(store) },
        problems: live.problems,
      },
      query,
      history,
    );
  });
}

/** `index.js` and `main.js` say less than the folder that they are in. */
const NAMELESS = new Set(['index', 'main']);

function serviceName(env: Readonly<Record<string, string | undefined>>, program: string | undefined): string {
  const { OTEL_SERVICE_NAME: ofTelemetry, npm_package_name: ofPackage } = env;
  const { name, dir } = parse(program ?? '');
  return ofTelemetry || ofPackage || (NAMELESS.has(name) ? basename(dir) : name) || 'this process';
}

function historyOf(address: PrometheusAddress | undefined, now: () => number): History | null {
  if (address === undefined) return null;
  refuseOptions(optionProblems(address, { url: true, matchers: true }));
  if (!URL.canParse(address.url) || !/^https?:$/.test(new URL(address.url).protocol))
    throw new ConfigurationError('PLIMSOLL_CONSOLE', [
      unfit('prometheus.url', redacted(address.url), { expected: 'a URL such as http://127.0.0.1:9090' }),
    ]);
  return new History(new Prometheus(address.url), { matchers: address.matchers, now });
}

/** What the page over metrics pages has of them. */
interface ReplicasOptions extends Pick<ConsoleOptions, 'prices' | 'prometheus'> {
  readonly name: string;
  readonly replicas: Replicas;
  readonly models: Models;
  readonly now: () => number;
}

/** Answers queries from the metrics pages of other processes, as they were read last. */
export function viewOfReplicas({ name, replicas, models, now, prometheus, prices = defaultPrices() }: ReplicasOptions) {
  const history = historyOf(prometheus, now);
  return function viewOfReplicas(query: Query): Promise<View> {
    const { hour, lowest, paced, samples, sinceMs, forgotten: forgottenSeries } = replicas;
    return viewOf(
      {
        ...{ name, nowMs: now(), sinceMs, source: 'metrics' as const, pricing: { prices, models } },
        ...{ replicas: replicas.replicas, forgottenSeries },
        ...{ hour, lowest, paced, samples, problems: null },
      },
      query,
      history,
    );
  };
}

/** Serves the page over whatever answers its queries. */
export function consoleOf(answer: (query: Query) => Promise<View>): (request: Request) => Promise<Response> {
  return async function console(request) {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response('the console is read with GET\n', { status: 405, headers: { allow: 'GET, HEAD' } });
    }
    const { pathname, searchParams } = new URL(request.url);
    const file = pathname.slice(pathname.lastIndexOf('/') + 1);
    if (pathname.endsWith(`/runbooks/${file}`)) return html(runbook(file));
    if (file === 'data') return json(await answer(queryOf(searchParams)));
    const asset = file === '' ? 'index.html' : file;
    const text = Object.hasOwn(page, asset) ? (page as Readonly<Record<string, string>>)[asset] : undefined;
    // Mounted at /console, the page's own addresses are relative to /console/. Without the dot, a name could be another site's.
    if (text === undefined && !asset.includes('.'))
      return new Response(null, { status: 307, headers: { location: `./${file}/` } });
    if (text === undefined) return new Response('Not found.\n', { status: 404 });
    return new Response(text, { headers: { ...SAFE, 'content-type': typeOf(asset), 'cache-control': 'no-cache' } });
  };
}

/** Nothing from elsewhere, no inline script or style, no frame. */
const SAFE = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

function json(view: View): Response {
  const headers = { ...SAFE, 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };
  return new Response(JSON.stringify(view), { headers });
}

function html(text: string | null): Response {
  if (text === null) return new Response('No runbook has this name.\n', { status: 404 });
  return new Response(text, { headers: { ...SAFE, 'content-type': HTML, 'cache-control': 'no-cache' } });
}

const HTML = 'text/html; charset=utf-8';

function typeOf(asset: string): string {
  if (asset.endsWith('.js')) return 'text/javascript; charset=utf-8';
  return asset.endsWith('.css') ? 'text/css; charset=utf-8' : HTML;
}

/** Begins the name of a parameter that filters by a label: `label.route=chat`. */
const LABEL = 'label.';

function queryOf(parameters: URLSearchParams): Query {
  const range = Number(parameters.get('range'));
  const by = parameters.get('by');
  const rangeSeconds = [...RANGES, ...LONG_RANGES].find((one): one is ShownSeconds => one === range);
  const pinnedMs = Date.parse(parameters.get('at') ?? '');
  return {
    ...(rangeSeconds !== undefined && { rangeSeconds }),
    ...(!Number.isNaN(pinnedMs) && { pinnedMs }),
    filter: Object.fromEntries(
      [...parameters]
        .filter(([name]) => name.startsWith(LABEL))
        .map(([name, value]) => [name.slice(LABEL.length), value]),
    ),
    ...(by !== null && { by }),
  };
}
