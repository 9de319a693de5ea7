/** Writes the tables of `docs/gateway.md` and `docs/gateway-operations.md` that are in the gateway's code. */
import { ENDPOINT_GROUPS, groupsOf } from '../src/gateway/endpoints.ts';
import { refusalError } from '../src/gateway/errors.ts';
import { GATEWAY_REFUSALS } from '../src/record/metrics/catalogue-gateway.ts';

/** What the gateway refuses before it is a call, as clients get it: a row for each reason, by status. */
export function gatewayRefusals(): string {
  const rows = GATEWAY_REFUSALS.map((reason) => ({ reason, error: refusalError(reason) }))
    .toSorted((one, other) => one.error.status - other.error.status)
    .map(({ reason, error: { status, type, message } }) => `| ${status} | \`${type}\` | \`${reason}\` | ${message} |`);
  return ['| status | type | reason | message |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** The groups of endpoints that each word stands for. */
export function gatewayEndpoints(): string {
  const rows = (['messages', 'standard', 'all'] as const).map((choice) => {
    const groups = groupsOf(choice) ?? ENDPOINT_GROUPS;
    return `| \`${choice}\` | ${groups.map((group) => `\`${group}\``).join(', ')} |`;
  });
  return ['| `endpoints` | groups |', '| --- | --- |', ...rows].join('\n');
}
