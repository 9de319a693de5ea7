import type Anthropic from '@anthropic-ai/sdk';
import { redisLedger } from 'plimsoll/redis';
import {
  api,
  balanceIn,
  BUDGET,
  gatewayPlace,
  hasAll,
  PARAMS,
  sdk,
  type Api,
  type Ends,
  type GatewayProcess,
} from '../../testing/gateway/processes.ts';
import { redisServer } from '../../testing/redis-server.ts';
import { freePort } from '../../testing/free-port.ts';
import { front, type FrontName } from './fronts.ts';

export interface RollingOptions {
  readonly balancer: FrontName;
  /** Each of the two gateways is restarted so often. */
  readonly rounds: number;
  /** Begun before each restart, at once. */
  readonly streams: number;
  readonly tokensPerStream: number;
}

export interface Rolled {
  /** The streams that were open when a gateway was told to end, and those of them that came to their end. */
  readonly streams: { readonly open: number; readonly whole: number };
  /** Requests that an SDK made meanwhile, and those that failed in spite of its retries. */
  readonly requests: { readonly made: number; readonly failed: readonly string[] };
  readonly restarts: number;
  /** What the shared ledger has, and what the API charges, in nano-dollars. */
  readonly spentNanoUsd: bigint;
  readonly billedNanoUsd: bigint;
}

const PER_TOKEN_MS = 20;

/** Restarts two gateways on one Redis, one after the other, behind a balancer, with streams through each restart. */
export async function rollingUpdate(ends: Ends, options: RollingOptions): Promise<Rolled> {
  const redis = await redisServer();
  ends.after(() => redis.end());
  const upstream = await api(ends, {
    respond: ({ body }) => ({ text: 'Ahoy. '.repeat(body.stream === true ? options.tokensPerStream : 1) }),
    scenario: { latency: { perTokenMs: { kind: 'constant', value: PER_TOKEN_MS } } },
  });
  const lines = [
    `budgets: [${JSON.stringify(BUDGET)}]`,
    'ledger: { redis: { env: PLIMSOLL_REDIS_URL } }',
    // nginx is told, and Caddy asks once a second.
    `limits: { lameDuckSeconds: ${options.balancer === 'nginx' ? 0 : 3}, drainSeconds: 600 }`,
  ];
  const place = await gatewayPlace(ends, upstream, { lines, env: { PLIMSOLL_REDIS_URL: redis.url } });
  const token = await place.token();
  const ports = [await freePort(), await freePort()];
  const gateways = new Map(await Promise.all(ports.map(async (port) => [port, await place.start(port)] as const)));
  const balancer = await front(ends, options.balancer, ports);
  const claude = sdk(balancer, token, { maxRetries: 0 });
  // nginx may close a connection that it has kept while a request is on its way: SDKs send that again.
  const load = traffic(sdk(balancer, token));
  const streams = { open: 0, whole: 0 };
  for (let round = 0; round < options.rounds; round += 1) {
    for (const port of ports) {
      const open = await opened(claude, options.streams);
      await balancer.leave(port);
      streams.open += open.filter(({ isOver }) => !isOver()).length;
      if ((await gateways.get(port)?.stop('SIGTERM')) !== 0) throw new Error('the gateway did not end as it should');
      const successor = await place.start(port);
      gateways.set(port, successor);
      await balancer.join(port);
      await serves(successor);
      for (const { whole } of open) streams.whole += (await whole) ? 1 : 0;
    }
  }
  const requests = await load.end();
  await hasAll(() => redisLedger(redis.url), upstream);
  return { streams, requests, restarts: options.rounds * ports.length, ...(await spend(redis.url, upstream)) };
}

/** Resolves when the balancer sends requests to the gateway: before that, the other one is the only one. */
async function serves({ metricsUrl }: GatewayProcess): Promise<void> {
  for (;;) {
    const page = await (await fetch(metricsUrl)).text();
    if (/^anthropic_request_duration_seconds_count\{.*\} [1-9]/m.test(page)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function spend(url: string, upstream: Api): Promise<Pick<Rolled, 'spentNanoUsd' | 'billedNanoUsd'>> {
  const { spent } = await balanceIn(redisLedger(url));
  return { spentNanoUsd: spent, billedNanoUsd: upstream.billed() };
}

interface Open {
  readonly isOver: () => boolean;
  /** Whether all of it came. */
  readonly whole: Promise<boolean>;
}

/** Begins streams at once, and resolves when the first event of each is there. */
function opened(claude: Anthropic, count: number): Promise<readonly Open[]> {
  return Promise.all(
    Array.from({ length: count }, async (): Promise<Open> => {
      const stream = await claude.messages.create({ ...PARAMS, max_tokens: 4_000, stream: true });
      const events = stream[Symbol.asyncIterator]();
      await events.next();
      let isOver = false;
      const rest = async (): Promise<boolean> => {
        let last = '';
        for (;;) {
          const next = await events.next();
          if (next.done === true) break;
          last = next.value.type;
        }
        isOver = true;
        return last === 'message_stop';
      };
      return { isOver: () => isOver, whole: rest().catch(() => false) };
    }),
  );
}

/** Makes one request after another, on two connections, until it is ended. */
function traffic(claude: Anthropic): { end(): Promise<Rolled['requests']> } {
  let isOn = true;
  let made = 0;
  const failed: string[] = [];
  const one = async (): Promise<void> => {
    while (isOn) {
      made += 1;
      await claude.messages.create(PARAMS).catch((error: unknown) => failed.push(String(error)));
    }
  };
  const all = [one(), one()];
  return {
    async end() {
      isOn = false;
      await Promise.all(all);
      return { made, failed };
    },
  };
}
