import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, metricsHandler } from 'plimsoll';
import { serve } from 'plimsoll/http';
import { simulator, type Simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { parse, stringify } from 'yaml';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { ruleFileText } from '../../src/rules/rule.ts';
import { alertmanager, prometheus } from './prometheus.ts';
import { scaled, scaledGroups } from './scaled.ts';
import { until, type Running } from './servers.ts';
import { freePort } from '../../testing/free-port.ts';

const root = join(import.meta.dirname, '..', '..');

interface AlertPathOptions {
  readonly prometheus: string;
  readonly alertmanager: string;
  /** Factor by which the shipped rules and configuration are sped up; 1 uses them unchanged. */
  readonly factor: number;
  /** The last step to wait for. Default: `resolved`. */
  readonly until?: 'firing' | 'resolved';
}

/** An alert as Alertmanager tells a webhook of it. */
interface Told {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface AlertPath {
  readonly firing: Told;
  /** Milliseconds from the first 429 to the webhook. */
  readonly firedAfterMs: number;
  /** `null` where it was followed until it fired. */
  readonly over: { readonly resolved: Told; readonly afterMs: number } | null;
}

/**
 * A service meets 429s; its metrics are scraped by a real Prometheus with the shipped rules, and its alert goes through a
 * real Alertmanager with the shipped routes to a webhook, and is over when the 429s are.
 */
export async function alertPath(options: AlertPathOptions): Promise<AlertPath> {
  const told: Told[] = [];
  const stops: (() => Promise<void>)[] = [];
  const ending = new AbortController();
  const weather = { limited: false };
  try {
    const hook = await serve(async (request) => hooked(told, request), { port: 0 });
    stops.push(() => hook.close(0));
    const { registry, client, api } = service();
    const pages = await serve(metricsHandler({ registry }), { port: 0 });
    stops.push(() => pages.close(0));
    const traffic = calls({ client, api, weather, signal: ending.signal });
    stops.push(() => traffic);
    for (const server of await servers(options, { pages: pages.url, hook: hook.url })) stops.push(() => server.stop());
    return await burst(told, weather, options);
  } finally {
    ending.abort();
    for (const stop of stops.reverse()) await stop();
  }
}

async function hooked(told: Told[], request: Request): Promise<Response> {
  const { alerts } = (await request.json()) as { readonly alerts: readonly Told[] };
  told.push(...alerts);
  return new Response();
}

async function burst(told: Told[], weather: { limited: boolean }, options: AlertPathOptions): Promise<AlertPath> {
  const { factor, until: last = 'resolved' } = options;
  const withinMs = 120_000 + (3 * 60 * 60_000) / factor; // The longest window and what holds an alert, with much to spare.
  const heard = (status: Told['status']) => async (): Promise<Told | null> =>
    told.find((each) => each.status === status && each.labels['alertname'] === 'PlimsollRateLimited') ?? null;
  const beganMs = Date.now();
  weather.limited = true;
  const firing = await until('the webhook hears of the 429s', heard('firing'), withinMs);
  const firedAfterMs = Date.now() - beganMs;
  if (last === 'firing') return { firing, firedAfterMs, over: null };
  weather.limited = false;
  const endedMs = Date.now();
  const resolved = await until('the webhook hears that they are over', heard('resolved'), withinMs);
  return { firing, firedAfterMs, over: { resolved, afterMs: Date.now() - endedMs } };
}

function service() {
  const api = simulator({ tier: 'custom' });
  const registry = new Registry();
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, maxRetries: 0, logLevel: 'off' }), {
    key: 'prod-checkout-api',
    models: ['claude-haiku-4-5'],
    registry,
  });
  return { api, registry, client };
}

interface Traffic {
  readonly client: Anthropic;
  readonly api: Simulator;
  readonly weather: { readonly limited: boolean };
  readonly signal: AbortSignal;
}

const CALLS_EVERY_MS = 50;

/**
 * Twenty calls a second, an eighth of which meets the limit on input tokens while it is said to be met: more than the alert's
 * 5%, and little enough that the share of the hour is under its own 10% as soon as calm traffic follows.
 */
async function calls({ client, api, weather, signal }: Traffic): Promise<void> {
  for (let number = 0; !signal.aborted; number += 1) {
    if (weather.limited && number % 8 === 0) api.script([{ fault: 'input_tokens_limit' }]);
    await client.messages
      .create({ model: 'claude-haiku-4-5', max_tokens: 16, messages: [{ role: 'user', content: 'Ahoy' }] })
      .catch(() => undefined); // The 429s are what it is about.
    await sleep(CALLS_EVERY_MS, undefined, { signal }).catch(() => undefined); // Aborted: the loop sees it.
  }
}

async function servers(options: AlertPathOptions, urls: { pages: string; hook: string }): Promise<readonly Running[]> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-alert-path-'));
  const ports = { prometheus: await freePort(), alertmanager: await freePort() };
  configure(folder, options.factor, { ...urls, alertmanager: `127.0.0.1:${ports.alertmanager}` });
  const manager = await alertmanager({
    program: options.alertmanager,
    configPath: join(folder, 'alertmanager.yml'),
    port: ports.alertmanager,
  });
  const scraper = await prometheus({
    program: options.prometheus,
    configPath: join(folder, 'prometheus.yml'),
    port: ports.prometheus,
  });
  return [manager, { ...scraper, stop: () => scraper.stop().then(() => rmSync(folder, { recursive: true })) }];
}

interface Where {
  readonly pages: string;
  readonly hook: string;
  readonly alertmanager: string;
}

/** The shipped files in their places, with other targets, a webhook, and as much of a hurry as asked for. */
function configure(folder: string, factor: number, { pages, hook, alertmanager: manager }: Where): void {
  cpSync(join(root, 'deploy/targets'), join(folder, 'deploy/targets'), { recursive: true });
  const targets = (file: string, target: string): void =>
    writeFileSync(join(folder, 'deploy/targets', file), stringify([{ targets: [target] }]));
  targets('plimsoll.yml', new URL(pages).host);
  targets('alertmanager.yml', manager);
  mkdirSync(join(folder, 'alerts'));
  for (const { name, groups } of ruleFiles()) {
    const text = ruleFileText(factor === 1 ? groups : scaledGroups(groups, factor));
    writeFileSync(join(folder, 'alerts', `${name}.yml`), text);
  }
  const config = readFileSync(join(root, 'prometheus.yml'), 'utf8');
  writeFileSync(
    join(folder, 'prometheus.yml'),
    factor === 1 ? config : config.replaceAll(/_interval: 15s/g, '_interval: 1s'),
  );
  writeFileSync(join(folder, 'alertmanager.yml'), hookedUp(hook, factor));
}

interface Routes {
  readonly route: Readonly<Record<string, unknown>> & { readonly routes: readonly Readonly<Record<string, unknown>>[] };
  readonly receivers: readonly { readonly name: string }[];
}

function hookedUp(hook: string, factor: number): string {
  const shipped = parse(readFileSync(join(root, 'deploy/alertmanager/alertmanager.yml'), 'utf8')) as Routes;
  const hurried = (route: Readonly<Record<string, unknown>>): object =>
    Object.fromEntries(
      Object.entries(route).map(([name, value]) =>
        /^(group|repeat)_/.test(name) && typeof value === 'string' ? [name, scaled(value, factor)] : [name, value],
      ),
    );
  return stringify({
    ...shipped,
    route: { ...hurried(shipped.route), routes: shipped.route.routes.map(hurried) },
    receivers: shipped.receivers.map(({ name }) => ({ name, webhook_configs: [{ url: hook, send_resolved: true }] })),
  });
}
