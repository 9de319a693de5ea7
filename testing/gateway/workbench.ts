import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { gateway, type Gateway, type GatewayOptions, type Grant, type Credentials } from 'plimsoll/gateway';
import { serve } from 'plimsoll/http';
import { simulator, type Simulator, type SimulatorOptions } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { KeepingRecorder } from '../keeping-recorder.ts';

/** What the simulated API accepts, and what no client ever has. */
export const REAL_KEY = 'sk-ant-test-real-key';
export const ALIAS = 'test-gateway-key';

/** Not drawn, and known to the workbench's own `authenticate` alone. */
export const TOKEN = 'plk_workbench000_0000000000000000000000000000000000000000';

export const GRANT: Grant = {
  tokenId: 'workbench000',
  client: 'workbench',
  key: ALIAS,
  labels: {},
  guards: [],
  recorders: [],
};

/** Grants by token, in memory. */
export function tokens(grants: Readonly<Record<string, Grant>>) {
  return ({ token }: Credentials) => {
    if (token === null) return Promise.resolve('missing' as const);
    return Promise.resolve(Object.hasOwn(grants, token) ? (grants[token] ?? 'unknown') : ('unknown' as const));
  };
}

/** A gateway on a real port before an API on a real port, and all that was recorded. */
export interface GatewayBench {
  readonly url: string;
  readonly gateway: Gateway;
  readonly sim: Simulator;
  /** Where the API is. */
  readonly apiUrl: string;
  readonly registry: Registry;
  readonly log: KeepingRecorder;
  /** An SDK that has a token and the address of the gateway. */
  readonly claude: (options?: ClientOptions) => Anthropic;
  /** An SDK that goes to the API itself. */
  readonly direct: (options?: ClientOptions) => Anthropic;
  close(): Promise<void>;
}

export interface GatewayBenchOptions {
  readonly simulator?: SimulatorOptions;
  readonly gateway?: Partial<GatewayOptions>;
  readonly grant?: Partial<Grant>;
  /** How the gateway is put on its port. Default: the listener. */
  readonly by?: 'listener' | 'handle';
  /** In place of the simulator. */
  readonly api?: RequestListener;
}

export async function gatewayBench(options: GatewayBenchOptions = {}): Promise<GatewayBench> {
  const sim = simulator({ keys: [{ name: 'real', key: REAL_KEY }], ...options.simulator });
  const api = await (options.api === undefined ? serve(sim.handle, { port: 0 }) : listening(options.api));
  const registry = new Registry();
  const log = new KeepingRecorder();
  const claude = gateway({
    authenticate: tokens({ [TOKEN]: { ...GRANT, ...options.grant } }),
    keys: new Map([[ALIAS, () => REAL_KEY]]),
    baseUrl: api.url,
    registry,
    recorders: [log],
    ...options.gateway,
  });
  const server = await (options.by === 'handle' ? serve(claude.handle, { port: 0 }) : listening(claude.listener));
  const sdk = (baseURL: string, apiKey: string) => (client?: ClientOptions) =>
    new Anthropic({ apiKey, baseURL, logLevel: 'off', ...client });
  return {
    url: server.url,
    gateway: claude,
    sim,
    apiUrl: api.url,
    registry,
    log,
    claude: sdk(server.url, TOKEN),
    direct: sdk(api.url, REAL_KEY),
    async close() {
      await claude.close({ deadlineMs: 0 });
      await Promise.all([server.close(0), api.close(0)]);
    },
  };
}

/** A listener on a port of its own, which breaks what is open when it is closed. */
export async function listening(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async (_graceMs = 0) => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
