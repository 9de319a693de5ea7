import type { Observation } from '../observe/live-call.ts';
import type { GatewayRefusal } from '../record/gateway-refusals.ts';
import type { ClientRetries } from './client-retries.ts';
import type { CrossOrigin } from './cross-origin.ts';
import type { GatewayOptions } from './gateway-options.ts';
import type { OpenRequests } from './open-requests.ts';
import type { HeldBytes } from './request-body.ts';
import type { Upstream } from './upstream.ts';

/** Where requests arrive: what they are judged by and sent on with. */
export interface Desk {
  readonly options: GatewayOptions;
  readonly observation: Observation;
  /** Of the API. */
  readonly baseUrl: string;
  readonly upstream: Upstream;
  readonly retries: ClientRetries;
  readonly open: OpenRequests;
  readonly held: HeldBytes;
  readonly crossOrigin: CrossOrigin;
  /** A request was refused before it was a call. */
  readonly refusal: (reason: GatewayRefusal) => void;
  readonly onError: (error: unknown) => void;
}
