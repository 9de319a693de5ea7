import type { RawHeaders } from './headers.ts';
import type { Passage } from './passage.ts';

/** What the gateway answers: with a body that is there, or with one on its way through. */
export interface GatewayAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly body: Buffer | Passage;
}
