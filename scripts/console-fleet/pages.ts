import Anthropic from '@anthropic-ai/sdk';
import { instrument, metricsHandler, withAttribution } from 'plimsoll';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';

const MODELS = ['claude-haiku-4-5', 'claude-sonnet-5-5', 'claude-opus-5-5'];

/** Lines whose values grow. */
const GROWING = /_(?:total|count|sum|bucket)(?:\{|$)/;

/** A metrics page of at least so many series, made by real calls of one client. */
async function pageOf(series: number): Promise<string> {
  const api = simulator({ tier: 'custom' });
  const registry = new Registry();
  const routes = Array.from({ length: 80 }, (_, index) => `route-${index}`);
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, logLevel: 'off' }), {
    ...{ registry, key: 'prod-harbor', attribution: { route: routes } },
  });
  const read = metricsHandler({ registry });
  const messages = [{ role: 'user' as const, content: 'Ahoy' }];
  for (const route of routes) {
    for (const model of MODELS)
      await withAttribution({ route }, () => client.messages.create({ model, max_tokens: 64, messages }));
    const text = await (await read(new Request('http://localhost/metrics'))).text();
    if (samplesOf(text).length >= series) return text;
  }
  throw new RangeError('not so many series can be made');
}

const samplesOf = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

/** Metrics pages of replicas that make the same calls again in each reading. */
export interface Fleet {
  readonly urls: readonly string[];
  /** Samples of one page. */
  readonly series: number;
  /** Calls that one page counts between two readings. */
  readonly callsAReading: number;
  /** How often the page that was read least was read. */
  readonly readings: () => number;
  close(): Promise<unknown>;
}

/** Serves the pages, each on a port of its own. */
export async function fleetOf(replicas: number, series: number): Promise<Fleet> {
  const text = await pageOf(series);
  const lines = text.split('\n').map((line) => {
    const end = line.lastIndexOf(' ');
    const head = line.slice(0, end);
    return line.startsWith('#') || !GROWING.test(head.replace(/\{.*/, ''))
      ? { line }
      : { head, value: Number(line.slice(end)) };
  });
  const servings = await Promise.all(
    Array.from({ length: replicas }, async () => {
      const read = { times: 0 };
      const page = async (): Promise<Response> => {
        read.times += 1;
        const grown = lines.map((one) => ('line' in one ? one.line : `${one.head} ${one.value * read.times}`));
        return new Response(grown.join('\n'), { headers: { 'content-type': 'text/plain; version=0.0.4' } });
      };
      return { read, serving: await serve(page, { port: 0 }) };
    }),
  );
  const calls = samplesOf(text).filter((line) => line.startsWith('anthropic_requests_total'));
  return {
    urls: servings.map(({ serving }) => `${serving.url}/metrics`),
    series: samplesOf(text).length,
    callsAReading: calls.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0),
    readings: () => Math.min(...servings.map(({ read }) => read.times)),
    close: () => Promise.all(servings.map(({ serving }) => serving.close(0))),
  };
}
