/** A server, or a Sentinel, by its address. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** How to log in to the servers. Absent fields are not sent. */
interface RedisLogin {
  readonly username?: string;
  readonly password?: string;
}

/** The address of a Redis: of one server, of Sentinels that know the master, or of some servers of a Cluster. */
export type RedisAddress =
  | { readonly kind: 'server'; readonly shown: string; readonly url: string }
  | {
      readonly kind: 'sentinel';
      readonly shown: string;
      readonly nodes: readonly RedisNode[];
      readonly master: string;
      readonly database: number;
      readonly isTls: boolean;
      readonly login: RedisLogin;
      /** How to log in to the Sentinels themselves. */
      readonly sentinelLogin: RedisLogin;
    }
  | {
      readonly kind: 'cluster';
      readonly shown: string;
      readonly nodes: readonly RedisNode[];
      readonly isTls: boolean;
      readonly login: RedisLogin;
    };

const SCHEME = /^(rediss?)(?:\+(sentinel|cluster))?:\/\//i;

/** Tells whether the text has one of the schemes of a Redis. It may still be no address. */
export function hasRedisScheme(text: string): boolean {
  return SCHEME.test(text);
}

/**
 * Reads `redis://HOST:PORT`, `redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE` or `redis+cluster://HOST:PORT,HOST:PORT`;
 * `rediss` in place of `redis` is TLS. `USER:PASSWORD@` before the hosts logs in to the servers, and the parameters
 * `sentinelUsername` and `sentinelPassword` to the Sentinels. `shown` is without secrets. `null` for any other text.
 */
export function redisAddress(text: string): RedisAddress | null {
  const [prefix = '', scheme = '', kind = ''] = SCHEME.exec(text) ?? [];
  if (scheme === '') return null;
  if (kind === '') return serverAt(text);
  const parts = /^(?:([^@/?#]*)@)?([^@/?#]+)((?:\/[^/?#]*)*)(?:\?([^#]*))?$/.exec(text.slice(prefix.length));
  if (parts === null) return null;
  const [, login = '', hosts = '', path = '', query = ''] = parts;
  const isTls = scheme.toLowerCase() === 'rediss';
  const rest = { login, hosts, path: path.split('/').slice(1), query, isTls };
  return kind.toLowerCase() === 'cluster' ? clusterAt(rest) : sentinelsAt(rest);
}

/** The parts of a URL with several hosts. */
interface Parts {
  readonly login: string;
  readonly hosts: string;
  readonly path: readonly string[];
  readonly query: string;
  readonly isTls: boolean;
}

function clusterAt({ hosts, path, query, isTls, ...parts }: Parts): RedisAddress | null {
  const [nodes, login] = [nodesIn(hosts, 6_379), loginIn(parts.login)];
  if (nodes === null || login === null || path.join('') !== '' || query !== '') return null;
  return { kind: 'cluster', shown: `redis cluster at ${shownNodes(nodes)}`, nodes, login, isTls };
}

function sentinelsAt({ hosts, path, query, isTls, ...parts }: Parts): RedisAddress | null {
  const [nodes, login] = [nodesIn(hosts, 26_379), loginIn(parts.login)];
  const [, master = '', database = ''] = /^([\w.-]+)(?:\/(\d{1,6}))?$/.exec(path.join('/')) ?? [];
  const sentinelLogin = sentinelLoginIn(query);
  if (nodes === null || login === null || sentinelLogin === null || master === '') return null;
  const shown = `redis ${master} of the Sentinels at ${shownNodes(nodes)}`;
  return { kind: 'sentinel', shown, nodes, master, database: Number(database), isTls, login, sentinelLogin };
}

function sentinelLoginIn(query: string): RedisLogin | null {
  const words = new URLSearchParams(query);
  if ([...words.keys()].some((name) => name !== 'sentinelUsername' && name !== 'sentinelPassword')) return null;
  return loginOf(words.get('sentinelUsername') ?? '', words.get('sentinelPassword') ?? '');
}

function shownNodes(nodes: readonly RedisNode[]): string {
  return nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
}

function serverAt(text: string): RedisAddress | null {
  const url = URL.parse(text);
  return url === null || url.host === '' ? null : { kind: 'server', shown: `redis at ${url.host}`, url: text };
}

/** Reads `HOST:PORT,HOST`; `null` if one of them is none. */
function nodesIn(text: string, usualPort: number): readonly RedisNode[] | null {
  const nodes = text.split(',').map((each): RedisNode | null => {
    const [, host = '', port = String(usualPort)] = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(each) ?? [];
    if (host === '' || Number(port) > 65_535) return null;
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  });
  return nodes.every((node) => node !== null) ? nodes : null;
}

/** Reads `USER:PASSWORD`, percent-encoded as in any URL; `null` where it is not. */
function loginIn(text: string): RedisLogin | null {
  const [, username = '', password = ''] = /^([^:]*):?(.*)$/.exec(text) ?? [];
  try {
    return loginOf(decodeURIComponent(username), decodeURIComponent(password));
  } catch {
    return null;
  }
}

function loginOf(username: string, password: string): RedisLogin {
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) };
}

/**
 * Why Redis is not asked: it did not answer in time, it is not connected, or it answers that it cannot serve (it loads its
 * data, has become a replica, or its cluster is incomplete). A closed set.
 */
export const REDIS_OUTAGES = ['timeout', 'disconnected', 'not_ready'] as const;

/** Why Redis is away. */
export type RedisOutage = (typeof REDIS_OUTAGES)[number];

/** Called when Redis has become unavailable, with the reason, and with `null` when it answers again. */
export type OnAvailability = (outage: RedisOutage | null) => void;
