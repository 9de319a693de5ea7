import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, type InstrumentOptions } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import { gateway } from 'plimsoll/gateway';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { functionsEntered } from './functions.ts';

export type TripName =
  'messages.create' | 'stream' | '429, then 200' | 'with a budget' | 'gateway, JSON' | 'gateway, stream';

/** The way of one call through `src/`. */
export interface Trip {
  readonly name: TripName;
  /** Files of `src/`, in the order in which the call first entered them. */
  readonly files: readonly string[];
  /** How many functions of `src/` were entered. */
  readonly functions: number;
  /** How often the call came back to a file that it had left. */
  readonly returns: number;
}

const ASK: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'claude-haiku-5-5',
  max_tokens: 50,
  messages: [{ role: 'user', content: 'Hi' }],
};

const api = simulator();

/** Follows one warm call of each kind: labels are resolved before, and code is loaded. */
export async function trips(): Promise<readonly Trip[]> {
  const own = await ownTrips();
  return [...own, ...(await gatewayTrips())];
}

async function ownTrips(): Promise<readonly Trip[]> {
  const plain = client({});
  const spending = budgets({ definitions: [{ name: 'all', period: 'month', usd: 600 }] });
  const limited = client({ budgets: spending });
  const limit = { fault: 'requests_limit', headers: { 'retry-after-ms': '1' } } as const;
  const traveled = [
    await trip('messages.create', () => plain.messages.create(ASK)),
    await trip('stream', () => readStream(plain)),
    await trip('429, then 200', () => (api.script([limit]), plain.messages.create(ASK))),
    await trip('with a budget', () => limited.messages.create(ASK)),
  ];
  await spending.close();
  return traveled;
}

async function gatewayTrips(): Promise<readonly Trip[]> {
  const upstream = await serve(api.handle, { port: 0 });
  const grant = { tokenId: 't', client: 'c', key: 'k', labels: {}, models: null, maxTokens: null };
  const gate = gateway({
    authenticate: async () => ({ ...grant, guards: [], recorders: [] }),
    keys: new Map([['k', () => 'sk-x']]),
    baseUrl: upstream.url,
    registry: new Registry(),
  });
  const server = createServer(gate.listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const sdk = new Anthropic({ apiKey: 'token', baseURL: `http://127.0.0.1:${port}` });
  const traveled = [
    await trip('gateway, JSON', () => sdk.messages.create(ASK)),
    await trip('gateway, stream', () => readStream(sdk)),
  ];
  server.closeAllConnections();
  server.close();
  await gate.close();
  await upstream.close(0);
  return traveled;
}

async function trip(name: TripName, step: () => Promise<unknown>): Promise<Trip> {
  await step();
  const entered = await functionsEntered(step);
  const walk = entered.filter((file, index) => file !== entered[index - 1]);
  const files = [...new Set(entered)];
  return { name, files, functions: entered.length, returns: walk.length - files.length };
}

function client(options: InstrumentOptions): Anthropic {
  return instrument(new Anthropic({ apiKey: 'x', fetch: api.fetch }), {
    registry: new Registry(),
    models: [],
    ...options,
  });
}

async function readStream(sdk: Anthropic): Promise<void> {
  for await (const event of await sdk.messages.create({ ...ASK, stream: true })) void event;
}
