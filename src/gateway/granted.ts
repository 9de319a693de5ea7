import type { Arrival } from './arrival.ts';
import type { Endpoint } from './endpoints.ts';
import type { Grant } from './grant.ts';

/** A request that has a grant. */
export interface Granted {
  readonly arrival: Arrival;
  readonly endpoint: Endpoint;
  readonly grant: Grant;
}
