/** Keeps streams open, and compares every one with what was sent. */
import { createHash } from 'node:crypto';
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering } from '../gateway/child.ts';
import type { Target } from '../gateway/load-process.ts';
import type { Received, Shape } from './soak.ts';
import { soakStream } from './stream.ts';

interface Load {
  readonly target: Target;
  readonly shape: Shape;
}

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

function asked({ url, token }: Target, number: number): Promise<IncomingMessage> {
  const body = JSON.stringify({
    model: 'claude-haiku-4-5',
    max_tokens: 1_024,
    messages: [{ role: 'user', content: 'How deep is the harbor?' }],
    metadata: { user_id: `soak-${number}` },
    stream: true,
  });
  const headers = { 'content-type': 'application/json', 'content-length': body.length, 'x-api-key': token };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/v1/messages`, { agent, method: 'POST', headers }, resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const digest = (pieces: readonly Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
};

/** What is wrong with one stream; `null` for nothing. */
async function compared(answer: IncomingMessage, number: number, { shape, received }: Load & { received: Counts }) {
  const sent = soakStream(number, shape);
  const hash = createHash('sha256');
  for await (const piece of answer as AsyncIterable<Buffer>) {
    received.bytes += piece.length;
    hash.update(piece);
  }
  if (answer.statusCode !== 200) return `stream ${number}: status ${answer.statusCode}`;
  if ((answer.headers['content-encoding'] ?? null) !== sent.contentEncoding) return `stream ${number}: other encoding`;
  if (answer.headers['request-id'] !== `req_${number}`) return `stream ${number}: another one's answer`;
  if (hash.digest('hex') !== digest(sent.pieces.map(({ bytes }) => bytes))) return `stream ${number}: other bytes`;
  received.outputTokens += sent.outputTokens;
  return null;
}

type Counts = { -readonly [Name in keyof Received]: Received[Name] } & { problems: string[] };

/** So many streams at once for so many seconds; the last ones are read to their end. */
async function soak(load: Load): Promise<Received> {
  const { concurrent, forSeconds, seconds } = load.shape;
  const received: Counts = { streams: 0, bytes: 0, outputTokens: 0, problems: [] };
  const untilMs = performance.now() + forSeconds * 1_000;
  let number = 0;
  const worker = async (_: unknown, index: number): Promise<void> => {
    await sleep((index / concurrent) * Math.min(seconds, forSeconds / 2) * 1_000); // not all at once
    while (performance.now() < untilMs) {
      const mine = ++number;
      const problem = await asked(load.target, mine)
        .then((answer) => compared(answer, mine, { ...load, received }))
        .catch((error: unknown) => `stream ${mine}: ${String(error)}`);
      received.streams += 1;
      if (problem !== null) received.problems.push(problem);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, worker));
  return received;
}

answering({ soak });
