import { decoded } from './decoding.ts';
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
 * Replaces the addresses of batch results by the gateway's: the SDKs fetch them from there, with the gateway's token. What
 * stands between the gateway and the API may have compressed the body, though it was asked not to. A body without such an address,
 * or one that cannot be read, stays as it is. Rejects if it is incomplete.
 */
export async function withOwnAddress(response: UpstreamResponse, ownUrl: string): Promise<GatewayResponse> {
  const { status, values, returnedHeaders } = response;
  const raw = await response.body.collect(LARGEST_BYTES);
  const read = await decoded(raw, values.get('content-encoding') ?? 'identity', LARGEST_BYTES);
  const text = read?.toString('utf8') ?? '';
  const changed = withOwnResults(text, JSON.stringify(ownUrl).slice(1, -1));
  const headers = without(returnedHeaders, 'content-length');
  if (changed === text) return { status, headers, body: raw };
  return { status, headers: without(headers, 'content-encoding'), body: Buffer.from(changed) };
}
