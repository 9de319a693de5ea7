import { without } from './headers.ts';
import type { GatewayResponse } from './response-body.ts';
import type { UpstreamResponse } from './upstream.ts';

/** A page of the list has at most 1,000 batches, each below 1 KiB. */
const LARGEST_BYTES = 8 << 20;

/** Before the address of results in a response of the API, and within it. */
const [RESULTS_NAME, RESULTS_PATH] = ['"results_url"', '/v1/messages/batches/'];

/** Replaces the addresses before the paths of results. It reads each character a few times at most, whatever they are. */
export function withOwnResults(text: string, own: string): string {
  const pieces: string[] = [];
  let at = 0;
  for (let name = text.indexOf(RESULTS_NAME); name !== -1; name = text.indexOf(RESULTS_NAME, at)) {
    const start = valueStart(text, name + RESULTS_NAME.length);
    const end = text[start] === '"' ? text.indexOf('"', start + 1) : start;
    if (end === -1) break;
    const value = text.slice(start + 1, end);
    const path = /^https?:\/\//.test(value) ? value.indexOf(RESULTS_PATH) : -1;
    pieces.push(text.slice(at, start), path === -1 ? text.slice(start, end) : `"${own}${value.slice(path)}`);
    at = end;
  }
  return [...pieces, text.slice(at)].join('');
}

function valueStart(text: string, after: number): number {
  let at = after;
  while (/[\s:]/.test(text[at] ?? '')) at++;
  return at;
}

/**
 * Replaces the addresses of batch results by the gateway's: the SDKs fetch them from there, with the gateway's token.
 * Rejects if the body is incomplete.
 */
export async function withOwnAddress(response: UpstreamResponse, ownUrl: string): Promise<GatewayResponse> {
  const text = (await response.body.collect(LARGEST_BYTES)).toString('utf8');
  const own = JSON.stringify(ownUrl).slice(1, -1);
  const body = Buffer.from(withOwnResults(text, own));
  return { status: response.status, headers: without(response.returnedHeaders, 'content-length'), body };
}
