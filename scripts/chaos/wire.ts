import { AsyncLocalStorage } from 'node:async_hooks';
import {
  simulator,
  type Fault,
  type MessagesRequest,
  type Reply,
  type Simulator,
  type TruthRequest,
} from 'plimsoll/simulator';
import type { ChaosCall } from './scenario.ts';
import { RECIPES, RECIPE_NAMES } from './usages.ts';
import { BATCH_MS } from './ways.ts';

/** A request as the server saw it, and what is known of it besides. */
export interface SeenRequest {
  readonly truth: TruthRequest;
  /** What the scenario had for it. */
  readonly fault: Fault | undefined;
  /** The caller went away by an abort. */
  readonly signal: AbortSignal;
}

/** A call of the SDK's: the requests that its retry loop made. */
export type SeenCall = readonly SeenRequest[];

/** One thing that the user does, while it is done. */
interface Doing {
  readonly call: ChaosCall;
  readonly signal: AbortSignal;
  readonly received: () => void;
  readonly calls: SeenRequest[][];
  requests: number;
}

/** What is known of the caller. */
export interface Caller {
  readonly signal: AbortSignal;
  /** A request of theirs has arrived. */
  readonly received: () => void;
}

/** The way to the simulator: gives each request the fault that its call has for it, and keeps what the server knew. */
export interface Wire {
  readonly sim: Simulator;
  readonly fetch: typeof fetch;
  /** Does it as a call of the scenario. */
  during<T>(call: ChaosCall, how: Caller, work: () => Promise<T>): Promise<T>;
  /** The calls that the SDK made, in no order. */
  calls(): readonly SeenCall[];
}

/** `altered` changes what comes back, for mutants. */
export function wire(altered: (response: Response) => Response = (response) => response): Wire {
  const current = new AsyncLocalStorage<Doing>();
  const done: SeenRequest[][] = [];
  const sim = simulator({
    unknownModels: 'serve',
    limits: UNLIMITED,
    scenario: { latency: { batchMs: { kind: 'constant', value: BATCH_MS } } },
    respond: (request) => reply(request, current.getStore()?.call),
  });
  const ours: typeof fetch = async (input, init) => {
    const doing = current.getStore();
    if (doing === undefined || isProbe(input)) return sim.fetch(input, init);
    const fault = doing.call.faults[doing.requests];
    const before = sim.truth.requests.length;
    sim.script([fault ?? { fault: 'none' }]);
    const answering = sim.fetch(input, init);
    // The simulator writes a request down before anything else happens.
    const truth = sim.truth.requests[before];
    if (truth !== undefined) keep(doing, { truth, fault, signal: doing.signal });
    return altered(await answering);
  };
  return {
    sim,
    fetch: ours,
    during: (call, { signal, received }, work) =>
      current.run({ call, signal, received, calls: done, requests: 0 }, work),
    calls: () => done,
  };
}

function isProbe(input: unknown): boolean {
  return typeof input === 'string' && input.startsWith('data:');
}

function keep(doing: Doing, request: SeenRequest): void {
  doing.requests += 1;
  if (request.truth.retryCount === 0) doing.calls.push([request]);
  else own(doing, request).push(request);
  doing.received();
}

/** The call of this user's that goes on: their calls come one after the other. */
function own({ calls }: Doing, { signal }: SeenRequest): SeenRequest[] {
  const call = calls.findLast((requests) => requests[0]?.signal === signal);
  if (call === undefined) throw new Error('a retry of nothing');
  return call;
}

/** Faults refuse here, and limits never. */
const UNLIMITED = Object.fromEntries(
  ['other', 'batch', 'count_tokens', 'fast'].map((name) => [
    name,
    { requests: 1e9, inputTokens: 1e12, outputTokens: 1e12 },
  ]),
);

function reply({ body, batchItem }: MessagesRequest, call: ChaosCall | undefined): Reply | undefined {
  if (call === undefined) return undefined;
  if (batchItem !== null) return batchReply(batchItem, call);
  const asked = { model: body.model, batch: false, salt: call.salt };
  const recipe: Reply = RECIPES[call.recipe](asked);
  const isFragile = recipe.declined !== undefined || recipe.content?.length === 0;
  const made = isFragile && !isReadWhole(call) ? {} : recipe;
  const isFirstTurn = 'tools' in body && body.tools !== undefined && body.messages.length === 1;
  const words = { text: made.text ?? 'Four fathoms at low tide, and a little more by the quay. '.repeat(4) };
  return isFirstTurn
    ? { ...made, text: '', toolUse: [{ name: 'depth', input: { at: 'harbor' } }] }
    : { ...words, ...made };
}

/**
 * Of a fallback that is cut in its middle nobody can say what is billed, and a refusal without content has no event in
 * its middle that a fault could fall on: there are none in the proof.
 */
function isReadWhole({ leaving, faults }: ChaosCall): boolean {
  return leaving.kind === 'stays' && faults.every((fault) => !('at' in fault) && !CUTS.has(fault.fault));
}

const CUTS: ReadonlySet<string> = new Set(['body_reset', 'cut_body', 'malformed_json', 'error_event', 'stalled_body']);

/** An item is named after its recipe, or refused. */
function batchReply(item: string, call: ChaosCall): Reply {
  const recipe = RECIPE_NAMES.find((name) => name === item);
  if (recipe === undefined) return { fault: { fault: 'overloaded' } };
  return RECIPES[recipe]({ model: call.model, batch: true, salt: call.salt });
}
