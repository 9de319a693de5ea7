/** A gateway before an API that a test writes, and requests to it with nothing between that changes a byte. */
import { once } from 'node:events';
import { request, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { PARAMS } from '../client-workbench.ts';
import { gatewayBench, TOKEN, type GatewayBench, type GatewayBenchOptions } from './workbench.ts';

export const HEADERS = { 'x-api-key': TOKEN, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };
export const ASK = JSON.stringify(PARAMS);

export async function bench(
  t: TestContext,
  api: RequestListener,
  options: GatewayBenchOptions = {},
): Promise<GatewayBench> {
  const made = await gatewayBench({ ...options, api });
  t.after(() => made.close());
  return made;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Asks with nothing between that changes a byte. Gives the head; its body is unread. */
export async function asked(url: string, ask: Ask = {}): Promise<IncomingMessage> {
  const { method = 'POST', path = '/v1/messages', headers = {}, body = ASK } = ask;
  const outgoing = request(url + path, { method, headers: { ...HEADERS, ...headers }, agent: false });
  outgoing.end(method === 'POST' ? body : undefined);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  return answer;
}

export async function bytesOf(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

export function deferred(): { readonly promise: Promise<undefined>; readonly resolve: (value: undefined) => void } {
  let resolve: (value: undefined) => void = () => undefined;
  const promise = new Promise<undefined>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** An API that reads the request and answers this. */
export function answering(answer: (outgoing: ServerResponse, incoming: IncomingMessage) => void): RequestListener {
  return (incoming, outgoing) => {
    incoming.resume().once('end', () => answer(outgoing, incoming));
  };
}

/** Status, type and advice to try again of an error of the gateway. */
export async function errorOf(answer: IncomingMessage): Promise<unknown> {
  const { error } = JSON.parse((await bytesOf(answer)).toString()) as { error: { type: string } };
  return [answer.statusCode, error.type, answer.headers['x-should-retry']];
}
