import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { KnownBatches } from '../../src/observe/known-batches.ts';
import type { Observation } from '../../src/observe/observation.ts';
import { attach } from '../../src/client/instrument.ts';
import { cost } from '../../src/pricing/cost.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import { storeFor } from '../../src/record/metrics/registry.ts';
import { differences, type Cells, type Difference } from './cells.ts';
import { neverAnswers } from './faults.ts';
import { metricAccount } from './metric-cells.ts';
import type { Mutant } from './mutants.ts';
import type { ChaosCall } from './scenario.ts';
import { truthAccount } from './truth-cells.ts';
import { RECIPE_NAMES } from './usages.ts';
import { WAYS } from './ways.ts';
import { wire, type Wire } from './wire.ts';

export interface ChaosOptions {
  readonly calls: readonly ChaosCall[];
  /** How many are under way at once. Default 64. */
  readonly concurrency?: number;
  /** plimsoll with a mistake in it. Default: plimsoll as users have it, by `instrument()`. */
  readonly mutant?: Mutant;
}

export interface ChaosReport {
  readonly calls: number;
  /** Came to what their caller wanted. */
  readonly completed: number;
  readonly faults: ReadonlyMap<string, number>;
  /** What both sides were compared by, as the server has it. */
  readonly cells: Cells;
  readonly differences: readonly Difference[];
  /** Of the server's, billed and not known to the client. */
  readonly unseen: Cells;
  /** Of plimsoll's, where the server did not say. */
  readonly estimated: Cells;
  /** Errors that plimsoll swallowed. */
  readonly errors: Cells;
}

/** So long the SDK waits for the head of an answer that does not come. */
const TIMEOUT_MS = 300;

/** So long after a request has arrived a caller leaves who waits for it in vain. */
const PATIENCE_MS = 5;

/** Makes the calls with the real SDK on a simulator, and compares what plimsoll counted with what the server knows. */
export async function chaos({ calls, concurrency = 64, mutant }: ChaosOptions): Promise<ChaosReport> {
  const line = wire(mutant?.event === undefined ? undefined : altering(mutant.event));
  const registry = new Registry();
  const claude = mutant === undefined ? instrument(client(line), { registry }) : assembled(line, registry, mutant);
  let completed = 0;
  const queue = calls.values();
  const worker = async (): Promise<void> => {
    for (const call of queue) if (await made(call, claude, line)) completed += 1;
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  await settled(registry);
  const truth = truthAccount(line.calls(), line.sim.truth.batchItems);
  const { cells, estimated, errors } = await metricAccount(registry);
  return {
    calls: calls.length,
    completed,
    faults: line.sim.truth.faults,
    cells: truth.cells,
    differences: differences(truth.cells, cells),
    unseen: truth.unseen,
    estimated,
    errors,
  };
}

/** Whether the caller got what they wanted. */
async function made(call: ChaosCall, claude: Anthropic, line: Wire): Promise<boolean> {
  const controller = new AbortController();
  const { signal } = controller;
  const isLate = call.leaving.kind === 'aborts_late';
  const received = (): void => void (isLate && setTimeout(() => controller.abort(), PATIENCE_MS));
  const options = { signal, ...(!isLate && call.faults.some(neverAnswers) && { timeout: TIMEOUT_MS }) };
  const doing = { ...call, claude, controller, options, batchItems: batchItems(call) };
  try {
    return (await line.during(call, { signal, received }, () => WAYS[call.way](doing))) === 'done';
  } catch (error) {
    if (isOfTheSdk(error) || isOfAnErrorTakenForAnAnswer(error, call)) return false;
    throw error;
  }
}

/** The SDK's errors, those of a body that broke and of JSON that is none; anything else is a mistake in here. */
function isOfTheSdk(error: unknown): boolean {
  if (error instanceof Anthropic.AnthropicError || error instanceof SyntaxError) return true;
  return error instanceof TypeError && error.message === 'terminated';
}

/** The SDK gives an error that is the body of a 200 as the message, and its helpers read on in it. */
function isOfAnErrorTakenForAnAnswer(error: unknown, { faults }: ChaosCall): boolean {
  return error instanceof TypeError && faults.some(({ fault }) => fault === 'error_body');
}

/** So many that a body that breaks in its middle goes on for a while after its first line. */
function batchItems({ salt, recipe }: ChaosCall): readonly string[] {
  const others = [0, 1, 2].map((more) => RECIPE_NAMES[(salt + more) % RECIPE_NAMES.length] ?? 'plain');
  return [...new Set([recipe, ...others, 'refused'])];
}

function client(line: Wire): Anthropic {
  return new Anthropic({ apiKey: 'test', fetch: line.fetch, logLevel: 'off' });
}

/** plimsoll put together from its rooms, with a mistake in it. */
function assembled(line: Wire, registry: Registry, mutant: Mutant): Anthropic {
  const prices = defaultPrices();
  const { knownModels } = prices;
  const canonicalModel = (model: string): string => prices.canonicalModel(model);
  const right: Observation = {
    recorders: [prometheusRecorder({ registry, keys: ['default'], knownModels, canonicalModel })],
    spendGuards: [],
    clock: systemClock,
    key: 'default',
    attribution: () => ({}),
    guards: [],
    price: (usage, call) => cost(usage, { prices, ...call }),
    batchPrice: (usage, model, atMs) => cost(usage, { prices, model, atMs, batch: true }),
    batches: new KnownBatches(),
    onError: (stage) => storeFor(registry).errors(stage),
  };
  const plain = client(line);
  attach(plain, mutant.observation?.(right) ?? right, null);
  return plain;
}

/** What a refusal came to is told after its body was read: that may be after its caller knows. */
async function settled(registry: Registry): Promise<void> {
  for (let round = 0; round < 200; round++) {
    if ((await metricAccount(registry)).inFlight <= 0) return;
    await pause(5);
  }
}

/** The simulator sends a stream event by event, each in a chunk of its own. */
function altering(change: (event: string) => string | null): (response: Response) => Response {
  return (response) => {
    if (response.body === null || response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      return response;
    }
    const altered = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const event = change(Buffer.from(chunk).toString());
        if (event !== null) controller.enqueue(Buffer.from(event));
      },
    });
    return new Response(response.body.pipeThrough(altered), response);
  };
}
