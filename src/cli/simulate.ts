import { PortError } from '../http/listening.ts';
import { serve } from '../http/serve.ts';
import { simulator } from '../simulator/simulator.ts';
import type { Truth } from '../simulator/truth.ts';
import type { Command, CommandIo } from './command.ts';
import { simulateArguments, USAGE, type SimulateArguments } from './simulate-arguments.ts';
import { refused, shown } from './replies.ts';

/** `plimsoll simulate`: serves until the signal is aborted, then says what it was asked. */
export const command: Command = {
  name: 'simulate',
  summary: 'a fake Claude API on this machine, without a key',
  async run(args, io) {
    const asked = simulateArguments(args);
    if (asked === 'help') return shown(USAGE, io);
    if ('problems' in asked) return refused(asked.problems, USAGE, io);
    try {
      await simulate(asked, io);
      return 0;
    } catch (error) {
      if (!(error instanceof PortError)) throw error;
      io.err(error.message);
      return 1;
    }
  },
};

async function simulate({ port, tier, seed, scenario, json }: SimulateArguments, io: CommandIo): Promise<void> {
  // A simulator that runs for days keeps totals, not requests.
  const claude = simulator({ tier, seed, scenario, keepRequests: 0 });
  const { url, close } = await serve(claude.handle, { port, onError: (error) => io.err(String(error)) });
  shown(json ? [JSON.stringify({ url, tier, seed })] : greeting({ url, tier, seed }), io);
  await aborted(io.signal);
  await close(0);
  const account = accountOf(claude.truth);
  shown([json ? JSON.stringify(account) : farewell(account)], io);
}

function greeting({ url, tier, seed }: { readonly url: string; readonly tier: string; readonly seed: number }) {
  return [
    `Simulated Claude API at ${url}, tier ${tier}, seed ${seed}. Ctrl-C ends it.`,
    `  export ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=any`,
  ];
}

interface Account {
  readonly requests: Readonly<Record<string, number>>;
  readonly billedUsd: number;
}

/** Requests by status, and what they would have cost. */
function accountOf(truth: Truth): Account {
  const nanoUsd = [...truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  return { requests: Object.fromEntries(truth.statuses), billedUsd: nanoUsd / 1e9 };
}

function farewell({ requests, billedUsd }: Account): string {
  const counts = Object.entries(requests).map(([status, count]) => `${status} × ${count}`);
  return `${counts.length === 0 ? 'Nothing was asked' : `Answered ${counts.join(', ')}`}; billed ${billedUsd.toFixed(6)} USD.`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
