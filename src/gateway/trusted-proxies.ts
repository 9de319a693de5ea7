import { BlockList, isIP } from 'node:net';

/** A proxy on the same machine is the operator's own. */
export const LOCAL_PROXIES: readonly string[] = ['127.0.0.0/8', '::1'];

/** Tells whether the text is an IP address, or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  return bitsOf(text) !== null;
}

/** Makes a function that tells whether an address is in one of the networks. Ignores texts that are no networks. */
export function trustedProxies(networks: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = ''] = network.split('/', 1);
    const bits = bitsOf(network);
    if (bits !== null) list.addSubnet(address, bits, familyOf(address));
  }
  return (address) => address !== undefined && isIP(address) !== 0 && list.check(address, familyOf(address));
}

/** The length of the prefix; `null` for a text that is no network. */
function bitsOf(text: string): number | null {
  const [, address = '', bits = ''] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  const length = bits === '' ? most : Number(bits);
  return most > 0 && length <= most ? length : null;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
