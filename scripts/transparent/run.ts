import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import type Anthropic from '@anthropic-ai/sdk';
import type { SeenRequest } from './answers.ts';
import { PlannedCall } from './call.ts';
import { changeDecorated, clientOf, lookAt } from './client.ts';
import { PLAIN, type Account, type Decoration } from './decorations.ts';
import { describe } from './describe.ts';
import type { Witness } from './middleware.ts';
import { CHOICES, type CallPlan, type Plan } from './plan.ts';
import type { ScriptedServer, Servers } from './server.ts';
import { masking, Trace, type Line } from './trace.ts';
import { watching } from './watch.ts';

/**
 * A sequence that is not over after so many short waits hangs. They are counted rather than timed, so that a machine
 * that is busy with other things makes them longer and not fewer.
 */
const HANGS_AFTER_WAITS = 200;
const WAIT_MS = 5;

/** So long after its calls are over a sequence may still give connections back. */
const SETTLED_MS = 30;

/** Runs one plain sequence of each SDK and each fetch function: the first loads what the others find loaded. */
export async function warmUp(servers: Servers): Promise<void> {
  const call = [{}, { operation: 'stream' as const }];
  for (const sdk of CHOICES.sdk) await run({ client: { sdk }, calls: call }, PLAIN, servers);
  for (const fetch of CHOICES.fetch) await run({ client: { fetch }, calls: call }, PLAIN, servers);
}

/** Runs a sequence with a decorated client, and returns all that could be seen of it. */
export async function run(plan: Plan, decoration: Decoration, servers: Servers): Promise<readonly Line[]> {
  const home = servers.next();
  const away = servers.next();
  const trace = new Trace(masking({ home: home.origin, away: away.origin }));
  const sequence = new Sequence(plan, trace, { home, away });
  await watching(
    (channel, what, is) => trace.note(channel, what, is),
    async () => {
      await sequence.play(decoration);
      await Promise.all([home.end(), away.end()]);
      for (let turns = 0; turns < 4; turns++) await turn();
    },
  );
  trace.close();
  return plan.together === true ? orderless(trace.lines) : trace.lines;
}

/** What calls that run together write to the same place comes in an order of the moment. */
function orderless(lines: readonly Line[]): readonly Line[] {
  const isShared = ({ channel }: Line): boolean => channel === 'log' || channel === 'client' || channel === 'console';
  const shared = lines.filter(isShared).sort((a, b) => (a.what + a.is < b.what + b.is ? -1 : 1));
  return [...lines.filter((line) => !isShared(line)), ...shared];
}

interface Hosts {
  readonly home: ScriptedServer;
  readonly away: ScriptedServer;
}

class Sequence {
  readonly #plan: Plan;
  readonly #trace: Trace;
  readonly #hosts: Hosts;
  readonly #calls: readonly PlannedCall[];
  /** The calls that a middleware of the plan's has seen: the SDK passes the same options for all attempts of one. */
  readonly #entered = new Set<object>();
  readonly #witness: Witness;

  constructor(plan: Plan, trace: Trace, hosts: Hosts) {
    this.#plan = plan;
    this.#trace = trace;
    this.#hosts = hosts;
    this.#witness = {
      note: (what, is) => this.#noteOfClient(what, is),
      entered: (options) => void this.#entered.add(options),
    };
    this.#calls = plan.calls.map((call, at) => new PlannedCall(call, at, { trace, witness: this.#witness }));
  }

  async play(decoration: Decoration): Promise<void> {
    this.#beginServers();
    const account = decoration.begin();
    const client = this.#client(decoration);
    if (client === null) return;
    let over = false;
    const played = this.#playCalls(client).finally(() => (over = true));
    await Promise.race([played, patience(() => over)]);
    if (!over) return this.#giveUp(played);
    await this.#settle();
    if (this.#isAccountable()) this.#noteAccount(account === null ? null : await account());
  }

  #beginServers(): void {
    const { home, away } = this.#hosts;
    const callOf = (request: SeenRequest): PlannedCall | undefined =>
      this.#calls[Number(request.headers.find(([name]) => name.toLowerCase() === 'x-call')?.[1] ?? 0)];
    const script = (host: string) => ({
      reply: (request: SeenRequest) => callOf(request)?.arrived(request, host) ?? {},
      read: Promise.race(this.#calls.map(({ read }) => read)),
    });
    home.begin(script('home'));
    away.begin(script('away'));
  }

  #client(decoration: Decoration): Anthropic | null {
    const { client: plan = {} } = this.#plan;
    const origins = { home: this.#hosts.home.origin, away: this.#hosts.away.origin };
    try {
      const made = decoration.decorate(clientOf(plan, origins, this.#witness));
      const twice = plan.twice === true ? decoration.decorate(made) : made;
      const client = plan.copied === true ? twice.withOptions({ maxRetries: 0 }) : twice;
      changeDecorated(client, plan, origins);
      if (plan.looked === true) lookAt(client, plan, (what, is) => this.#trace.note('look', what, is));
      return client;
    } catch (error) {
      this.#trace.note('client', 'error', describe(error));
      return null;
    }
  }

  async #playCalls(client: Anthropic): Promise<void> {
    if (this.#plan.together === true) await Promise.all(this.#calls.map((call) => call.play(client)));
    else for (const call of this.#calls) await call.play(client);
  }

  #noteOfClient(what: string, is: string): void {
    this.#trace.note(what.startsWith('log') ? 'log' : 'client', what, is);
    // The SDK says that it retries before it waits.
    if (is.includes('retrying,')) for (const call of this.#calls) call.retries();
  }

  /** Its connections are closed and its calls get time to fail, so that nothing of it falls into the next sequence. */
  async #giveUp(played: Promise<void>): Promise<void> {
    this.#trace.note('sequence', 'end', 'hangs');
    this.#trace.close();
    for (const call of this.#calls) call.giveUp();
    await Promise.all([this.#hosts.home.end(), this.#hosts.away.end()]);
    await Promise.race([played, pause(200)]);
  }

  async #settle(): Promise<void> {
    const { home, away } = this.#hosts;
    const open = (): number => home.openAnswers + away.openAnswers;
    for (let turns = 0; turns < 4; turns++) await turn();
    for (let waitedMs = 0; waitedMs < SETTLED_MS && open() > 0; waitedMs++) await pause(1);
    this.#trace.note('sockets', 'open answers', String(open()));
    for (const call of this.#calls) call.noteListeners();
  }

  /** Some middleware sees every call, and every call is read to its end. */
  #isAccountable(): boolean {
    const { client = {}, calls } = this.#plan;
    const isSeen = (call: CallPlan): boolean => [...(client.middleware ?? []), ...(call.middleware ?? [])].length > 0;
    // A request that fails before it is sent is no attempt to the server.
    const isSent = client.hands === undefined && client.credential === undefined && client.fetchOptions === undefined;
    return isSent && calls.every((call) => isSeen(call) && isReadToItsEnd(call));
  }

  #noteAccount(account: Account | null): void {
    const attempts = this.#calls.reduce((sum, call) => sum + call.attempts, 0);
    const { calls, inFlight } = account ?? { calls: this.#entered.size, inFlight: 0 };
    this.#trace.note('account', 'calls', String(calls));
    this.#trace.note('account', 'attempts', String(account?.attempts ?? attempts));
    this.#trace.note('account', 'in flight', String(inFlight));
  }
}

async function patience(over: () => boolean): Promise<void> {
  for (let waits = 0; waits < HANGS_AFTER_WAITS && !over(); waits++) await pause(WAIT_MS);
}

function isReadToItsEnd({ operation = 'create', reading = 'await' }: CallPlan): boolean {
  const isStream = operation === 'create-stream' || operation === 'stream';
  if (isStream) return reading === 'iterate';
  return (operation === 'create' || operation === 'count-tokens') && (reading === 'await' || reading === 'twice');
}
