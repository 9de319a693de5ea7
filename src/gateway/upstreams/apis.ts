import type { GatewayOptions } from '../options.ts';
import type { Upstream } from '../upstream.ts';

/** An API that keys call. */
export interface Api {
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly upstream: Upstream;
}

interface Connected {
  readonly previous: Apis | null;
  readonly connect: (base: URL) => Upstream;
}

/** The APIs of one gateway, each with its connections: the one of `baseUrl`, and those of keys with addresses of their own. */
export class Apis {
  /** By alias of each key. */
  readonly ofKeys: ReadonlyMap<string, Api>;

  /** Takes over the connections of `previous` to APIs that stay the same. */
  constructor({ keys, keyUrls, limits = {} }: GatewayOptions, base: URL, { previous, connect }: Connected) {
    const known = new Map(previous?.all.map((api) => [api.baseUrl, api]));
    const { upstreamSilenceMs: timeoutMs = SILENCE_MS, upstreamConnectMs: connectMs = CONNECT_MS } = limits;
    const apiAt = (url: URL): Api => {
      const baseUrl = url.href.replace(/\/$/, '');
      const found = known.get(baseUrl);
      if (found?.upstream.timeoutMs === timeoutMs && found.upstream.connectMs === connectMs) return found;
      const made = { baseUrl, upstream: connect(url) };
      known.set(baseUrl, made);
      return made;
    };
    const own = apiAt(base);
    const ofKey = (alias: string): Api => {
      const url = keyUrls?.get(alias);
      return url === undefined ? own : apiAt(new URL(url));
    };
    this.ofKeys = new Map([...keys.keys()].map((alias) => [alias, ofKey(alias)]));
  }

  /** As faults name them. */
  get hosts(): readonly string[] {
    return this.all.map(({ baseUrl }) => new URL(baseUrl).host);
  }

  /** Each once. */
  get all(): readonly Api[] {
    return [...new Set(this.ofKeys.values())];
  }
}

/** The longest silence of an API, and time until a connection, where the options name none. */
export const SILENCE_MS = 600_000;
export const CONNECT_MS = 10_000;
