/** Why the gateway refused a request before it was a call: the closed set of the label `reason`. */
export const GATEWAY_REFUSALS = [
  'missing',
  'malformed',
  'unknown',
  'expired',
  'revoked',
  'wrong_origin',
  'unavailable',
  'not_found',
  'invalid',
  'too_large',
  'overloaded',
  'draining',
] as const;
export type GatewayRefusal = (typeof GATEWAY_REFUSALS)[number];
