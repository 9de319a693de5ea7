import type { Denial } from './grant.ts';
import { refused, type ShortAnswer } from './refusals.ts';

/** Why a token does not hold, for who presented it. */
const DENIALS: Readonly<Record<Denial, string>> = {
  missing: 'Expected a token of the gateway in x-api-key, or in Authorization as a Bearer, got none.',
  malformed: 'Expected a token of the gateway, which begins with plk_, got something else.',
  unknown: 'The token is not known here.',
  expired: 'The token has expired.',
  revoked: 'The token was revoked.',
  wrong_origin: 'The token is bound to another origin.',
};

export function unauthorized(denial: Denial): ShortAnswer {
  return refused({ status: 401, type: 'authentication_error', message: DENIALS[denial] }, false);
}
