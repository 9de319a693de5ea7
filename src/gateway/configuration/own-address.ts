import type { ListenAddress } from './limits.ts';

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;
const EVERY = /^(?:0\.0\.0\.0|::)$/;

/**
 * What is wrong with the address of the API where it is the one that the gateway itself listens on: each request would
 * come back to it, without end. `null` for any other. Names of this machine besides loopback are not looked up.
 */
export function ownAddressProblem(baseUrl: string, { host, port }: ListenAddress): string | null {
  const url = URL.parse(baseUrl);
  if (url === null || port !== portOf(url)) return null;
  const isHere = LOOPBACK.test(url.hostname) && (LOOPBACK.test(host) || EVERY.test(host));
  if (!isHere && url.hostname.replace(/^\[|\]$/g, '') !== host.toLowerCase()) return null;
  const advice = 'correct or leave out baseUrl in its file, else ANTHROPIC_BASE_URL';
  return `expected the API's address, got the gateway's own (${url.host}): ${advice}`;
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}
