import { setTimeout as sleep } from 'node:timers/promises';
import { child, type Accounts, type Child } from '../gateway/child.ts';
import { INPUT_TOKENS } from './stream.ts';

/** How many streams, how long, and what each is like. */
export interface Shape {
  /** Open at once. */
  readonly concurrent: number;
  /** New ones begin for so long. */
  readonly forSeconds: number;
  /** Of one stream, about. */
  readonly seconds: number;
  /** Of one stream. */
  readonly pieces: number;
}

/** Of the streams of a whole soak. */
export const STREAMS = { seconds: 5, pieces: 25 } as const;

/** What the client got. */
export interface Received {
  readonly streams: number;
  readonly bytes: number;
  /** As the streams' usage says. */
  readonly outputTokens: number;
  /** Streams that are not what was sent. */
  readonly problems: readonly string[];
}

/** What the gateway held at a time. */
export interface Memory extends Accounts {
  readonly when: string;
}

export interface Soaked {
  readonly received: Received;
  readonly memory: readonly Memory[];
  /** Most streams that the upstream had open at once. */
  readonly mostOpen: number;
  /** Streams that ended early at the upstream. */
  readonly broken: number;
  /** What the gateway reported as failed. */
  readonly errors: readonly string[];
  /** By the gateway's metrics. */
  readonly counted: { readonly calls: number; readonly inputTokens: number; readonly outputTokens: number };
}

const HERE = new URL('.', import.meta.url);

/** Upstream, gateway and client in processes of their own, on loopback. It ends by itself. */
export async function soak(shape: Shape): Promise<Soaked> {
  const upstream = child(new URL('upstream-process.ts', HERE), [JSON.stringify(shape)]);
  const load = child(new URL('load-process.ts', HERE));
  let gateway: Child | null = null;
  try {
    const upstreamUrl = await upstream.ask<string>('url');
    gateway = child(new URL('../gateway/gateway-process.ts', HERE), [upstreamUrl]);
    const target = await gateway.ask('target');
    const remembering = memoryOf(gateway, shape);
    const received = await load.ask<Received>('soak', { target, shape });
    const memory = [...(await remembering), await at(gateway, 'after')];
    const { most, broken } = await upstream.ask<{ readonly most: number; readonly broken: number }>('counts');
    const errors = await gateway.ask<readonly string[]>('errors');
    const counted = await gateway.ask<Soaked['counted']>('counted');
    return { received, memory, mostOpen: most, broken, errors, counted };
  } finally {
    await Promise.all([load.end(), gateway?.end(), upstream.end()]);
  }
}

async function memoryOf(gateway: Child, { forSeconds }: Shape): Promise<readonly Memory[]> {
  const memory = [await at(gateway, 'before')];
  for (const share of [0.25, 0.5, 0.75, 1]) {
    await sleep(forSeconds * 250);
    memory.push(await at(gateway, `${share * 100}%`));
  }
  return memory;
}

async function at(gateway: Child, when: string): Promise<Memory> {
  return { when, ...(await gateway.ask<Accounts>('accounts')) };
}

/** What is wrong with it, in words; empty where every byte came, nothing failed and every token was counted. */
export function problemsOf(soaked: Soaked): readonly string[] {
  const { received, errors, broken, counted } = soaked;
  const differs = (what: string, expected: number, got: number): readonly string[] =>
    expected === got ? [] : [`${what}: expected ${expected}, the metrics say ${got}`];
  return [
    ...received.problems,
    ...errors.map((error) => `the gateway failed: ${error}`),
    ...(broken > 0 ? [`${broken} streams were left at the upstream`] : []),
    ...differs('calls', received.streams, counted.calls),
    ...differs('input tokens', received.streams * INPUT_TOKENS, counted.inputTokens),
    ...differs('output tokens', received.outputTokens, counted.outputTokens),
  ];
}
