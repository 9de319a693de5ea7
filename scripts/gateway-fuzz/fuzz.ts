import { Random } from '../transparent/random.ts';
import type { Bench } from './bench.ts';
import { INPUT_NANO_USD, OUTPUT_NANO_USD, type FuzzClient } from './clients.ts';
import { TARGETS, draw, type Drawn } from './draw.ts';
import { verdictOn } from './model.ts';

/** A request that was not treated as the model says. */
export interface Difference {
  readonly request: number;
  readonly drawn: Drawn;
  readonly problem: string;
}

export interface Tally {
  readonly requests: number;
  readonly sent: number;
  readonly refused: number;
  /** The most that a token with an amount to spend has cost, and the amount, in nano-dollars. */
  readonly mostCharged: bigint;
  readonly differences: readonly Difference[];
  /** The most that the heap has grown to, in bytes, beyond what it was at first. */
  readonly heapBytes: number;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly requests: number;
  /** Stops at so many differences. */
  readonly most: number;
  readonly progress?: (requests: number) => void;
}

/** The visitor gets another token after so many requests of all clients. */
const TOKEN_LIVES = 200;

/** Sends random requests one after the other, and compares what reaches the API with what the model lets through. */
export async function fuzz(bench: Bench, { seed, requests, most, progress }: FuzzOptions): Promise<Tally> {
  const random = new Random(seed);
  const differences: Difference[] = [];
  const counts = new Map<string, number>();
  let [sent, mostCharged, heapBytes] = [0, 0n, 0];
  const heapAtFirst = process.memoryUsage().heapUsed;
  let request = 0;
  for (; request < requests && differences.length < most; request++) {
    if (request % TOKEN_LIVES === 0) await bench.mint();
    const drawn = draw(random);
    const isRefusedThere = random.whether(0.05);
    const count = (counts.get(drawn.client.name) ?? 0) + 1;
    counts.set(drawn.client.name, count);
    const chargedBefore = bench.charged();
    const { status, bodies } = await exchange(bench, drawn, isRefusedThere);
    sent += bodies.length;
    const problem = problemOf(drawn, { status, bodies, isRefusedThere, count, chargedBefore });
    if (problem !== null) differences.push({ request, drawn, problem });
    if (drawn.client.spendNanoUsd !== null && bench.charged() > mostCharged) mostCharged = bench.charged();
    const limit = drawn.client.spendNanoUsd;
    if (limit !== null && bench.charged() > limit) {
      differences.push({ request, drawn, problem: `${bench.charged()} were charged of ${limit}` });
      await bench.mint();
    }
    if (request % 500 === 0) heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed - heapAtFirst);
    progress?.(request);
  }
  return { requests: request, sent, refused: request - sent, mostCharged, differences, heapBytes };
}

interface Outcome {
  readonly status: number;
  readonly bodies: readonly Buffer[];
}

async function exchange(bench: Bench, drawn: Drawn, isRefusedThere: boolean): Promise<Outcome> {
  const { client, kind, bytes, headers, pieceBytes } = drawn;
  const length = pieceBytes === null ? { 'content-length': String(bytes.length) } : {};
  const refuse: Record<string, string> = isRefusedThere ? { 'x-fuzz-refuse': '1' } : {};
  const request = new Request(`http://gateway${TARGETS[kind]}`, {
    method: 'POST',
    headers: { 'x-api-key': bench.token(client.name), 'x-fuzz-client': client.name, ...headers, ...length, ...refuse },
    body: pieceBytes === null ? new Uint8Array(bytes) : pieces(bytes, pieceBytes),
    duplex: 'half',
  });
  const response = await bench.handle(request);
  await response.arrayBuffer();
  return { status: response.status, bodies: bench.taken() };
}

function pieces(bytes: Buffer, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, at + size)));
      at += size;
    },
  });
}

interface Observed extends Outcome {
  readonly isRefusedThere: boolean;
  /** Requests of the client so far. */
  readonly count: number;
  readonly chargedBefore: bigint;
}

function problemOf(drawn: Drawn, { status, bodies, isRefusedThere, count, chargedBefore }: Observed): string | null {
  const { client } = drawn;
  const verdict = verdictOn(drawn);
  const [body] = bodies;
  if (bodies.length > 1) return `it was sent ${bodies.length} times`;
  if (body === undefined) {
    if (status < 400 || status === 500) return `it was not sent, and the status is ${status}`;
    if (!verdict.sent || (client.perMinute !== null && count > client.perMinute)) return null;
    const { maxTokens, billed } = verdict;
    return isUnpaid(client, { status, bytes: drawn.bytes.length, maxTokens, billed, chargedBefore })
      ? null
      : `it was refused with ${status}, and is allowed`;
  }
  if (!verdict.sent) return 'it was sent, and is forbidden';
  if (client.perMinute !== null && count > client.perMinute) return 'it was sent beyond the rate';
  if (!body.equals(verdict.body)) return 'another body was sent than the one that is allowed';
  return status === (isRefusedThere ? 529 : 200) ? null : `the API answered, and the status is ${status}`;
}

interface Unpaid {
  readonly status: number;
  readonly bytes: number;
  readonly maxTokens: number;
  readonly billed: number;
  readonly chargedBefore: bigint;
}

/**
 * A token with little left may be refused what could cost more than is left: for each model that may be billed, at most
 * twice what the input costs there.
 */
function isUnpaid({ spendNanoUsd }: FuzzClient, { status, bytes, maxTokens, billed, chargedBefore }: Unpaid): boolean {
  if (status !== 402 || spendNanoUsd === null) return false;
  const eachNanoUsd = 2n * BigInt(bytes) * INPUT_NANO_USD + BigInt(maxTokens) * OUTPUT_NANO_USD;
  return chargedBefore + BigInt(billed) * eachNanoUsd > spendNanoUsd;
}
