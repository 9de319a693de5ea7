import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { answersJson, PARAMS } from './messages.ts';

/** Heap in use, in bytes, after everything that can be collected has been. */
async function heapBytes(collect: () => void): Promise<number> {
  for (let round = 0; round < 4; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20)); // finalizers run between turns
  }
  return process.memoryUsage().heapUsed;
}

/** Bytes kept per call over so many calls, after a warm-up: what a leak would show. */
export async function heapKeptPerCall(calls: number): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const claude = instrument(new Anthropic({ apiKey: 'bench', fetch: answersJson }), { registry: new Registry() });
  for (let call = 0; call < 2_000; call++) await claude.messages.create(PARAMS);
  const before = await heapBytes(collect);
  for (let call = 0; call < calls; call++) await claude.messages.create(PARAMS);
  return ((await heapBytes(collect)) - before) / calls;
}
