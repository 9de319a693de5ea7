import type { GatewayConfiguration } from '../gateway/configuration/configuration.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { listen, type Serving } from '../http/listen.ts';

/** Listens for the clients. Rejects with a `PortError`. */
export function listening(
  { listen: where, limits }: GatewayConfiguration,
  listener: Parameters<typeof listen>[0],
): Promise<Serving> {
  const { connections, headerBytes, headersSeconds, requestSeconds, stalledSeconds } = limits;
  return listen(listener, {
    ...where,
    connections,
    headerBytes,
    portOption: '--port',
    headersMs: headersSeconds * 1_000,
    requestMs: requestSeconds * 1_000,
    stalledMs: stalledSeconds * 1_000,
  });
}

/** Lets calls finish, and answers probes and new requests meanwhile; then closes the port. */
export async function drained(claude: Gateway, serving: Serving, { limits }: GatewayConfiguration): Promise<void> {
  const { lameDuckSeconds, drainSeconds } = limits;
  await claude.close({ lameDuckMs: lameDuckSeconds * 1_000, deadlineMs: drainSeconds * 1_000 });
  await serving.close();
}

/** The time in which connections that are kept may bring another request, at the least. */
const HANDOVER_MS = 5_000;

/** Lets calls finish while another process takes the new connections. */
export async function handedOver(claude: Gateway, serving: Serving, { limits }: GatewayConfiguration): Promise<void> {
  const lameDuckMs = Math.max(limits.lameDuckSeconds * 1_000, HANDOVER_MS);
  await claude.close({ lameDuckMs, deadlineMs: limits.drainSeconds * 1_000, until: serving.leave() });
}
