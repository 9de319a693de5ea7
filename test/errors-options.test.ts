import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { instrumentFetch, metricsHandler, retryPolicy, routes } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import { consoleHandler } from 'plimsoll/console';
import { attribution, livePage, metrics } from 'plimsoll/express';
import { authenticator, clientGuards, gateway } from 'plimsoll/gateway';
import { serve } from 'plimsoll/http';
import { dailyTotals } from 'plimsoll/organization';
import { otelMetrics, prometheusNames, startTelemetry } from 'plimsoll/otel';
import { pace } from 'plimsoll/pace';
import { ConfigurationError } from '../src/errors.ts';

const definitions = [{ name: 'all', period: 'day', usd: 1 }] as const;
const ok = (): Promise<Response> => Promise.resolve(new Response('ok'));
const GATEWAY = {
  keys: new Map([['prod-a-api', () => 'key']]),
  authenticate: () => Promise.resolve('unknown' as const),
};

/** Each function with options: called with a slip, and what it should have been. */
const SLIPS: Readonly<Record<string, readonly [call: (given: object) => unknown, slip: string, meant: string]>> = {
  instrumentFetch: [(given) => instrumentFetch(fetch, given), 'atribution', 'attribution'],
  metricsHandler: [metricsHandler, 'registery', 'registry'],
  'express metrics': [metrics, 'registery', 'registry'],
  'express livePage': [livePage, 'nmae', 'name'],
  'express attribution': [attribution, 'lables', 'labels'],
  consoleHandler: [consoleHandler, 'promtheus', 'prometheus'],
  retryPolicy: [retryPolicy, 'atempts', 'attempts'],
  routes: [(given) => routes({ chat: {} }, given), 'cielings', 'ceilings'],
  'a route': [(given) => routes({ chat: given }), 'maxToken', 'maxTokens'],
  budgets: [(given) => budgets({ definitions, ...given }), 'onTreshold', 'onThreshold'],
  pace: [pace, 'weigths', 'weights'],
  serve: [(given) => serve(ok, { port: 0, ...given }), 'prot', 'port'],
  startTelemetry: [startTelemetry, 'servicName', 'serviceName'],
  otelMetrics: [otelMetrics, 'attribtion', 'attribution'],
  prometheusNames: [prometheusNames, 'registery', 'registry'],
  dailyTotals: [(given) => dailyTotals({ store: ':memory:', ...given }), 'everyMS', 'everyMs'],
  gateway: [(given) => gateway({ ...GATEWAY, ...given }), 'baseURL', 'baseUrl'],
  clientGuards: [clientGuards, 'maxToken', 'maxTokens'],
  authenticator: [(given) => authenticator(given as never), 'cleints', 'clients'],
};

/** The problems with which a call throws or rejects. */
async function problems(call: () => unknown) {
  try {
    await call();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

describe('the options of', () => {
  for (const [name, [call, slip, meant]] of Object.entries(SLIPS))
    it(`${name} refuse a misspelled one, and name the right one`, async () => {
      const refused = (await problems(() => call({ [slip]: undefined }))).filter(
        ({ kind }) => kind === 'unknown_field',
      );
      assert.deepEqual(
        refused.map(({ field, advice }) => [field.split('.').at(-1), advice]),
        [[slip, `did you mean ${meant}?`]],
      );
    });
});

describe('serve()', () => {
  for (const port of ['8788x', '9464', 70_000, -1, 0.5, NaN, undefined])
    it(`takes ${typeof port === 'string' ? `the text ${port}` : port} for no port`, async () => {
      const refused = await problems(() => serve(ok, { port: port as number }));
      assert.deepEqual(
        refused.map(({ field, expected }) => [field, expected]),
        [['port', 'a number from 0 to 65535']],
      );
    });

  it('refuses what is no handler, and no options', async () => {
    const refused = await problems(() => serve(undefined as never, undefined as never));
    assert.deepEqual(
      refused.map(({ field, got }) => [field, got]),
      [
        ['handler', 'nothing'],
        ['options', 'nothing'],
      ],
    );
  });
});

describe('metricsHandler()', () => {
  it('refuses a registry that is none before the first scrape', async () => {
    const refused = await problems(() => metricsHandler({ registry: 'default' as never }));
    assert.deepEqual(
      refused.map(({ field, got }) => [field, got]),
      [['registry', '"default"']],
    );
  });
});
