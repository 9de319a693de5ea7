import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { HeaderReader } from '../../observe/limiters.ts';
import { LOGIN_WINDOWS, type LoginWindow } from '../../record/metrics/catalogue-gateway.ts';
import type { Store } from '../../record/metrics/store.ts';

/** A window of a subscription, as a response showed it. */
interface SeenWindow {
  /** From 0 up; above 1 for extra usage. */
  readonly used: number;
  readonly resetAtMs: number;
}

interface Login {
  readonly client: string;
  seenAtMs: number;
  readonly windows: Map<LoginWindow, SeenWindow>;
}

/** Logins that are known at the same time; the one that was quiet for longest is forgotten. */
const MOST_LOGINS = 1_000;

/** Clients with series of their own. */
const MOST_CLIENTS = 200;

/** A login that was quiet for so long is none of its client's any more. */
const QUIET_MS = 24 * 60 * 60_000;

/**
 * What subscribers have used of their own limits, by client. A login is known by a hash alone, with a salt of this process, in
 * memory: neither it nor the hash is in a metric, a log or a file.
 */
export class Logins {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #salt = randomBytes(32);
  readonly #known = new Map<string, Login>();
  readonly #clients = new Set<string>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Notes the limits in the headers of a response to a login. */
  see(client: string, login: string, headers: HeaderReader): void {
    const id = createHmac('sha256', this.#salt).update(login).digest('base64url');
    const nowMs = this.#clock.epochMs();
    const before = this.#known.get(id);
    const known: Login = before?.client === client ? before : { client, seenAtMs: nowMs, windows: new Map() };
    known.seenAtMs = nowMs;
    for (const window of LOGIN_WINDOWS) {
      const used = numberIn(headers.get(`anthropic-ratelimit-unified-${window}-utilization`));
      const reset = numberIn(headers.get(`anthropic-ratelimit-unified-${window}-reset`));
      if (used !== null && reset !== null) known.windows.set(window, { used, resetAtMs: reset * 1_000 });
    }
    this.#known.delete(id);
    this.#known.set(id, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST_LOGINS && oldest !== undefined) this.#known.delete(oldest);
    if (!this.#clients.has(client) && this.#clients.size < MOST_CLIENTS) this.#show(client);
  }

  #show(client: string): void {
    this.#clients.add(client);
    const { plimsoll_gateway_logins: logins, plimsoll_gateway_login_used_ratio: used } = this.#store.families;
    logins.series({ client }).computeBy(() => this.#of(client).length);
    for (const window of LOGIN_WINDOWS)
      used.series({ client, window }).computeBy(() => this.#mostUsed(this.#of(client), window));
  }

  #of(client: string): readonly Login[] {
    const nowMs = this.#clock.epochMs();
    return [...this.#known.values()].filter((login) => login.client === client && nowMs - login.seenAtMs <= QUIET_MS);
  }

  /** `null` where none has told. A window that has begun anew says nothing until it is seen. */
  #mostUsed(logins: readonly Login[], window: LoginWindow): number | null {
    const nowMs = this.#clock.epochMs();
    const seen = logins
      .flatMap(({ windows }) => windows.get(window) ?? [])
      .filter(({ resetAtMs }) => resetAtMs > nowMs);
    return seen.length === 0 ? null : Math.max(...seen.map(({ used }) => used));
  }
}

function numberIn(text: string | null | undefined): number | null {
  const number = text ? Number(text) : Number.NaN;
  return Number.isFinite(number) && number >= 0 ? number : null;
}
