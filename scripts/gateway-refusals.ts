/** Writes the table of what the gateway refuses before it is a call, in `docs/gateway-operations.md`. */
import { refusalError } from '../src/gateway/errors.ts';
import { GATEWAY_REFUSALS } from '../src/record/metrics/catalogue-gateway.ts';

/** A row for each reason, by status, as clients get it. */
export function gatewayRefusals(): string {
  const rows = GATEWAY_REFUSALS.map((reason) => ({ reason, error: refusalError(reason) }))
    .toSorted((one, other) => one.error.status - other.error.status)
    .map(({ reason, error: { status, type, message } }) => `| ${status} | \`${type}\` | \`${reason}\` | ${message} |`);
  return ['| status | type | reason | message |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
