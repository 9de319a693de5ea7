import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** Tells whether a request has exactly one `Host`: of several, two readers could take different ones. */
export function hasOneHost({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts === 1;
}

/**
 * Tells whether a request names an IP address, this machine, or one of `names`, with or without a port. A page of another
 * site reaches a local server under a name of its own, which it has pointed at this machine; it cannot do so under an
 * address.
 */
export function isOwnHost(host: string, names: readonly string[]): boolean {
  const name = host.toLowerCase().replace(/:\d{1,5}$/, '');
  const address = name.replace(/^\[(.*)\]$/, '$1');
  return isIP(address) !== 0 || name === 'localhost' || name.endsWith('.localhost') || names.includes(name);
}

/** Tells whether only this machine reaches an address: then a request for a name of the world was sent here by a trick. */
export function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\.|^::1$|^localhost$/.test(address);
}
