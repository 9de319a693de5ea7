import type { GatewayAnswer } from './gateway-answer.ts';
import { without } from './headers.ts';
import type { UpstreamAnswer } from './upstream-answer.ts';

/** A page of the list has 1,000 batches at the most, each below 1 KiB. */
const LARGEST_BYTES = 8 << 20;

const RESULTS_URL = /("results_url"\s*:\s*")https?:\/\/[^"/]+[^"]*?(\/v1\/messages\/batches\/)/g;

/**
 * An answer about batches, in which their results are where the gateway is: the SDKs fetch them from the address that is
 * in it, with the token of the gateway. Rejects where the answer breaks off.
 */
export async function withOwnAddress(answer: UpstreamAnswer, base: string): Promise<GatewayAnswer> {
  const text = (await answer.passage.collect(LARGEST_BYTES)).toString('utf8');
  const own = JSON.stringify(base).slice(1, -1);
  const body = Buffer.from(text.replace(RESULTS_URL, (_all, before: string, path: string) => before + own + path));
  return { status: answer.status, headers: without(answer.rawHeaders, 'content-length'), body };
}
