import { isDeepStrictEqual } from 'node:util';
import { EventStreamScanner } from '../../src/observe/event-stream.ts';
import { input, type Input } from './input.ts';
import { sdkReading, type Reading } from './sdk-reader.ts';

/** An input that the SDK reads and plimsoll reads differently. */
export interface Difference {
  readonly number: number;
  readonly field: string;
  readonly sdk: unknown;
  readonly plimsoll: unknown;
  readonly body: string;
}

export interface Comparison {
  readonly inputs: number;
  readonly events: number;
  /** Inputs with something that nobody could read. */
  readonly unreadable: number;
  /** The first differences: more would say the same. */
  readonly differences: readonly Difference[];
}

export interface CompareOptions {
  readonly seed: number;
  readonly inputs: number;
  /** In place of the scanner, for readers that are broken on purpose. */
  readonly read?: (input: Input) => Reading;
  readonly progress?: (inputs: number) => void;
}

const ENOUGH = 10;

/** Reads each input with the SDK's reader and with plimsoll's scanner. Stops after a few differences. */
export async function compare({ seed, inputs, read = scannerReading, progress }: CompareOptions): Promise<Comparison> {
  const differences: Difference[] = [];
  let events = 0;
  let unreadable = 0;
  let number = 0;
  for (; number < inputs && differences.length < ENOUGH; number++) {
    const one = input(seed, number);
    const sdk = await sdkReading(one);
    const plimsoll = read(one);
    events += sdk.events;
    if ((sdk.unreadable ?? 0) > 0) unreadable++;
    const field = difference(sdk, plimsoll);
    if (field !== null) {
      const body = Buffer.concat(one.chunks).toString('latin1').slice(0, 1_000);
      differences.push({ number, field, sdk: sdk[field], plimsoll: plimsoll[field], body });
    }
    progress?.(number + 1);
  }
  return { inputs: number, events, unreadable, differences };
}

function difference(sdk: Reading, plimsoll: Reading): keyof Reading | null {
  const fields = Object.keys(sdk) as readonly (keyof Reading)[];
  return (
    fields.find((field) => sdk[field] !== null && !isDeepStrictEqual(sdk[field], plimsoll[field])) ??
    nulls(sdk, plimsoll)
  );
}

/** Nothing found where the SDK finds nothing: `null` means that only for these. */
function nulls(sdk: Reading, plimsoll: Reading): keyof Reading | null {
  const fields = ['startUsage', 'deltaUsage', 'model', 'stopReason', 'errorType'] as const;
  return fields.find((field) => sdk[field] === null && plimsoll[field] !== null) ?? null;
}

/** What plimsoll's scanner finds. */
export function scannerReading({ chunks }: Input): Reading {
  const scanner = new EventStreamScanner();
  for (const chunk of chunks) scanner.feed(chunk);
  scanner.end();
  const { startUsage, deltaUsage, model, stopReason, stopped, errorType, begun } = scanner;
  const { toolUses, events, contentBytes, unreadable } = scanner;
  return {
    ...{ startUsage, deltaUsage, model, stopReason, stopped, errorType, begun },
    ...{ toolUses, events, contentBytes, unreadable },
  };
}
