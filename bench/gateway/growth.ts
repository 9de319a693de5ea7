import type { Grown } from '../growth.ts';
import { spread } from '../compare.ts';
import { child, type Child } from './child.ts';
import type { Held } from './gateway-process.ts';
import type { Target } from './load-process.ts';
import { bursts, type Amount, type Load, type Proxy } from './measure.ts';
import { EVENTS } from './request.ts';

const GATEWAY = new URL('gateway-process.ts', import.meta.url);

/** The pipe beside which all is measured, and the load. */
interface Surroundings {
  readonly upstream: string;
  readonly pipe: Proxy;
  readonly load: Child;
  readonly isFull: boolean;
}

/** How the gateway's cost grows over a bare pipe: with streams at once, clients, rules of a client, and budgets. */
export async function gatewayGrowth(surroundings: Surroundings): Promise<readonly Grown[]> {
  return [
    ...(await streamsAtOnce(surroundings)),
    ...(await held(surroundings, CLIENTS)),
    ...(await held(surroundings, RULES)),
    ...(await held(surroundings, BUDGETS)),
  ];
}

/** What a gateway has more of. */
interface More {
  readonly what: string;
  readonly amounts: readonly number[];
  readonly holding: (amount: number) => Held;
}

const CLIENTS: More = {
  what: 'clients, whose tokens come in turn',
  amounts: [1, 100, 1_000],
  holding: (clients) => ({ clients }),
};

const RULES: More = { what: 'rules of the client', amounts: [0, 3, 6], holding: (rules) => ({ rules }) };

const BUDGETS: More = {
  what: 'budgets in SQLite on a call',
  amounts: [1, 5, 20],
  holding: (budgets) => ({ budgets }),
};

async function held(
  { upstream, pipe, load, isFull }: Surroundings,
  { what, amounts, holding }: More,
): Promise<readonly Grown[]> {
  const gateways = await Promise.all(amounts.map(async (amount) => started(upstream, String(amount), holding(amount))));
  const [warmUps, rounds] = isFull ? [12, 5] : [1, 1];
  const amount: Amount = { warmUps, rounds, requestsPerBlock: isFull ? 800 : 20, concurrency: 16 };
  try {
    const loads = await bursts([pipe, ...gateways], 'json', { load, amount });
    for (const gateway of gateways) await checkErrors(gateway);
    return amounts.map((each) => ({ what, amount: each, over: over(loads, String(each), pipe.name) }));
  } finally {
    await Promise.all(gateways.map(({ process }) => process.end()));
  }
}

/** Each with a gateway that serves nothing else. */
async function streamsAtOnce({ upstream, pipe, load, isFull }: Surroundings): Promise<readonly Grown[]> {
  const gateway = await started(upstream, 'gateway', {});
  const grown: Grown[] = [];
  try {
    for (const concurrency of [1, 32, 1_000]) {
      const requestsPerBlock = isFull ? Math.max(300, 2 * concurrency) : concurrency;
      const [warmUps, rounds] = isFull ? [8, 5] : [1, 1];
      const amount: Amount = { warmUps, rounds, requestsPerBlock, concurrency };
      const loads = await bursts([pipe, gateway], 'stream', { load, amount });
      const what = `streams of ${EVENTS} events at once`;
      grown.push({ what, amount: concurrency, over: over(loads, gateway.name, pipe.name) });
    }
    await checkErrors(gateway);
    return grown;
  } finally {
    await gateway.process.end();
  }
}

async function started(upstream: string, name: string, holding: Held): Promise<Proxy> {
  const process = child(GATEWAY, [upstream, JSON.stringify(holding)]);
  return { name, process, target: await process.ask<Target>('target') };
}

async function checkErrors({ name, process }: Proxy): Promise<void> {
  const [error] = await process.ask<readonly string[]>('errors');
  if (error !== undefined) throw new Error(`${name}: ${error}`);
}

function over(loads: ReadonlyMap<string, Load>, name: string, base: string): Grown['over'] {
  const bare = loads.get(base)?.cpuMicros ?? [];
  const own = loads.get(name)?.cpuMicros ?? [];
  return spread(own.map((micros, round) => micros - (bare[round] ?? Number.NaN)));
}
